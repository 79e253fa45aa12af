"""Sub-steps of gated cells over whole sequences, with a hand-written gradient.

`tapehead.cells.thinking` serves any cell: it adds up the gradient of every weight matrix sub-step
by sub-step. Here the way back has only the gradients of the nets, as in `tapehead.cells.fused`, and
the weight gradients follow from several sub-steps at once. A gated cell's state is small, so that
all sub-steps over one input are kept while it is their turn; of the others only where they began.
"""

import math
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from tapehead.cell import select
from tapehead.cells.fused import Gates, State, Weights, with_output
from tapehead.cells.halting import HaltingRule, Settled, flagged

ROWS = 128
"""About so many rows go into one product for the weight gradients."""


class HaltingUnit(NamedTuple):
    """w_h, `(1, hidden)`, and b_h, `(1,)`."""

    weight: Float[Array, "1 hidden"]
    bias: Float[Array, "1"]


class SubStep(NamedTuple):
    """What the gradient needs to know of a sub-step; `(*batch, ...)` each."""

    before: Any
    after: Any
    kept: Any
    logit: Float[Array, "*batch"]
    total: Float[Array, "*batch"]
    running: Bool[Array, "*batch"]


class Pondered(NamedTuple):
    """What comes of all sub-steps over a sequence.

    **Attributes:**

    - `outputs`: y, `(time, *batch, hidden)`.
    - `cost`: ρ, `(time, *batch)`.
    - `steps`: N, likewise.
    """

    outputs: Float[Array, "time *batch hidden"]
    cost: Float[Array, "time *batch"]
    steps: Float[Array, "time *batch"]


class _Walk(NamedTuple):
    """Where the sub-steps over an input have come to."""

    number: Int[Array, ""]
    inner: Any
    total: Float[Array, "*batch"]
    running: Bool[Array, "*batch"]


class _Ring(NamedTuple):
    """The sub-steps that the weight gradients wait for, with the gradients of their nets."""

    made: SubStep
    nets: Any
    time: Int[Array, " room"]
    number: Int[Array, " room"]


@partial(jax.custom_vjp, nondiff_argnums=(0, 1))
def unroll(
    rule: HaltingRule,
    gates: Gates[Weights, State],
    weights: Weights,
    unit: HaltingUnit,
    state: State,
    fresh: State | None,
    xs: Float[Array, "time *batch features"],
    mask: Bool[Array, "time *batch"] | None,
    starts: Bool[Array, "time *batch"] | None,
) -> tuple[State, Pondered]:
    """The inner state after all steps, and what is made on the way.

    `gates` and `weights` are those of the inner cell, which takes the input and the flag; `fresh`
    is the state that `starts` resets to. Reverse mode only.
    """
    return _forward(rule, gates, weights, unit, state, fresh, xs, mask, starts)[0]


def _begin(state: Any, x: Array, active: Array) -> _Walk:
    return _Walk(jnp.int32(0), state, jnp.zeros(active.shape, x.dtype), active)


def _substep(
    rule: HaltingRule,
    gates: Gates[Weights, State],
    weights: Weights,
    unit: HaltingUnit,
    x: Array,
    walk: _Walk,
) -> tuple[_Walk, SubStep, Settled]:
    """A sub-step, and what the halting unit makes of it."""
    after, kept = gates.forward(weights, walk.inner, flagged(x, walk.number))
    logit = (after[0] @ unit.weight.T + unit.bias)[..., 0]
    made = SubStep(walk.inner, after, kept, logit, walk.total, walk.running)
    settled = rule.settle(logit, walk.total, walk.running, walk.number)
    inner = select(walk.running, after, walk.inner)
    return _Walk(walk.number + 1, inner, settled.total, settled.running), made, settled


def _forward(
    rule: HaltingRule,
    gates: Gates[Weights, State],
    weights: Weights,
    unit: HaltingUnit,
    state: State,
    fresh: State | None,
    xs: Array,
    mask: Array | None,
    starts: Array | None,
) -> tuple[tuple[State, Pondered], Any]:
    """Of the sub-steps nothing is kept but where they began, and how many there were."""
    if mask is not None:
        # Padding may hold anything, NaN included; it must not reach the products of `_collected`.
        xs = select(mask, xs, jnp.zeros_like(xs))
    active = jnp.ones(xs.shape[:-1], bool) if mask is None else mask

    def body(state: State, now: Any) -> Any:
        x, active, start = now
        if start is not None:
            state = select(start, fresh, state)

        def substep(carry: Any) -> Any:
            walk, mean, cost, steps = carry
            onward, made, settled = _substep(rule, gates, weights, unit, x, walk)
            share = settled.share[..., None]
            mean = jax.tree.map(lambda sum, leaf: sum + share * leaf, mean, made.after)
            return onward, mean, cost + settled.cost, steps + walk.running.astype(steps.dtype)

        begun = _begin(state, x, active)
        nothing = (jax.tree.map(jnp.zeros_like, state), begun.total, begun.total)
        walk, mean, cost, steps = jax.lax.while_loop(
            lambda carry: jnp.any(carry[0].running), substep, (begun, *nothing)
        )
        after = select(active, mean if rule.keep == "mean" else walk.inner, state)
        return after, (state, walk.number, mean[0], cost, steps)

    last, (begins, numbers, *made) = jax.lax.scan(body, state, (xs, active, starts))
    return (last, Pondered(*made)), (weights, unit, xs, mask, starts, begins, numbers)


def _backward(
    rule: HaltingRule, gates: Gates[Weights, State], residuals: Any, gradient: tuple[State, Any]
) -> tuple[Any, ...]:
    """Step by step from the last: the sub-steps again, back through them, and what they add."""
    weights, unit, xs, mask, starts, begins, numbers = residuals
    of_last, of_made = gradient
    active = jnp.ones(xs.shape[:-1], bool) if mask is None else mask
    zeros = jax.tree.map(jnp.zeros_like, of_last)
    length = max(1, ROWS // max(1, math.prod(xs.shape[1:-1])))
    # Room for the sub-steps over an input beside those that do not fill a chunk yet, in a ring.
    room = length * (-(-rule.max_steps // length) + 1)

    def body(carry: Any, now: Any) -> Any:
        of_after, of_fresh, of_unit, of_given, ring, done, end = carry
        time, x, active, start, begin, number, of_y, of_cost = now

        def record(place: Array, carry: tuple[_Walk, _Ring]) -> tuple[_Walk, _Ring]:
            walk, ring = carry
            onward, made, _ = _substep(rule, gates, weights, unit, x, walk)
            slot = (end + place) % room
            return onward, ring._replace(
                made=_put(ring.made, slot, made),
                time=ring.time.at[slot].set(time),
                number=ring.number.at[slot].set(walk.number),
            )

        _, ring = jax.lax.fori_loop(0, number, record, (_begin(begin, x, active), ring))

        onward = select(active, of_after, zeros)
        of_mean, of_inner = (onward, zeros) if rule.keep == "mean" else (zeros, onward)
        of_mean = with_output(of_mean, of_y)

        def back(index: Array, carry: Any) -> Any:
            of_inner, of_total, of_unit, ring = carry
            place = number - 1 - index
            slot = (end + place) % room
            made: SubStep = jax.tree.map(lambda all: all[slot], ring.made)

            def settle(logit: Array, total: Array) -> tuple[Array, Array, Array]:
                return rule.settle(logit, total, made.running, place)[:3]

            (share, *_), pullback = jax.vjp(settle, made.logit, made.total)
            products = jax.tree.map(lambda g, s: jnp.sum(g * s, axis=-1), of_mean, made.after)
            of_logit, of_total = pullback((sum(products), of_total, of_cost))
            of_step = select(made.running, of_inner, zeros)
            of_step = jax.tree.map(lambda g, m: g + share[..., None] * m, of_step, of_mean)
            of_step = with_output(of_step, of_logit[..., None] * unit.weight[0])
            lanes = tuple(range(of_logit.ndim))
            of_unit = HaltingUnit(
                of_unit.weight + jnp.sum(of_logit[..., None] * made.after[0], axis=lanes),
                of_unit.bias + jnp.sum(of_logit),
            )
            of_before, nets = gates.backward(weights, of_step, made.before, made.after, made.kept)
            nets = select(made.running, nets, jax.tree.map(jnp.zeros_like, nets))
            of_inner = select(made.running, of_before, of_inner)
            return of_inner, of_total, of_unit, ring._replace(nets=_put(ring.nets, slot, nets))

        begun = (of_inner, jnp.zeros_like(of_cost), of_unit, ring)
        of_inner, _, of_unit, ring = jax.lax.fori_loop(0, number, back, begun)
        end = end + number
        chunks = (end - done) // length

        def collect(index: Array, of_given: Any) -> Any:
            return _collected(
                gates, weights, xs, ring, length, done + index * length, end, of_given
            )

        of_given = jax.lax.fori_loop(0, chunks, collect, of_given)
        of_before = jax.tree.map(jnp.add, of_inner, select(active, zeros, of_after))
        if start is not None:
            of_fresh = jax.tree.map(jnp.add, of_fresh, select(start, of_before, zeros))
            of_before = select(start, zeros, of_before)
        return (of_before, of_fresh, of_unit, of_given, ring, done + chunks * length, end), None

    def one(begin: State, x: Array, active: Array) -> _Ring:
        _, made, _ = _substep(rule, gates, weights, unit, x, _begin(begin, x, active))
        nets = gates.backward(weights, made.after, made.before, made.after, made.kept)[1]
        return _Ring(made, nets, jnp.int32(0), jnp.int32(0))

    first = jax.eval_shape(one, jax.tree.map(lambda all: all[0], begins), xs[0], active[0])
    ring = jax.tree.map(lambda leaf: jnp.zeros((room, *leaf.shape), leaf.dtype), first)
    of_unit, of_given = jax.tree.map(jnp.zeros_like, (unit, (weights, xs)))
    of_fresh = None if starts is None else zeros
    times = jnp.arange(len(xs), dtype=jnp.int32)
    (of_state, of_fresh, of_unit, of_given, ring, done, end), _ = jax.lax.scan(
        body,
        (of_last, of_fresh, of_unit, of_given, ring, jnp.int32(0), jnp.int32(0)),
        (times, xs, active, starts, begins, numbers, of_made.outputs, of_made.cost),
        reverse=True,
    )
    of_weights, of_xs = _collected(gates, weights, xs, ring, length, done, end, of_given)
    return of_weights, of_unit, of_state, of_fresh, of_xs, None, None


def _put(all: Any, place: Array, one: Any) -> Any:
    return jax.tree.map(lambda all, one: all.at[place].set(one), all, one)


def _collected(
    gates: Gates[Weights, State],
    weights: Weights,
    xs: Float[Array, "time *batch features"],
    ring: _Ring,
    length: int,
    start: Int[Array, ""],
    end: Int[Array, ""],
    of_given: tuple[Weights, Array],
) -> tuple[Weights, Array]:
    """What `length` sub-steps from `start` on, but none from `end` on, add to the gradients."""
    slot = start % len(ring.time)
    counts = start + jnp.arange(length, dtype=jnp.int32) < end
    made, nets, time, number = jax.tree.map(
        lambda all: jax.lax.dynamic_slice_in_dim(all, slot, length), ring
    )
    nets = select(counts, nets, jax.tree.map(jnp.zeros_like, nets))
    seen = flagged(xs[time], number.reshape(-1, *[1] * (xs.ndim - 1)))

    def flat(x: Array) -> Array:
        return x.reshape(-1, x.shape[-1])

    rows = jax.tree.map(flat, (nets, seen, made.before, made.kept))
    more, of_seen = gates.collect(weights, *rows)
    of_weights, of_xs = of_given
    of_weights = jax.tree.map(jnp.add, of_weights, more)
    return of_weights, of_xs.at[time].add(of_seen.reshape(seen.shape)[..., :-1])


unroll.defvjp(_forward, _backward)
