"""Sub-steps of gated cells over whole sequences, with a hand-written gradient.

`tapehead.cells.thinking` serves any cell: it runs through a step's sub-steps once more and adds up
the gradient of every weight matrix sub-step by sub-step. A gated cell's state is small, so that
here all sub-steps of a sequence are kept, and the weight gradients follow from many of them at
once, as in `tapehead.cells.fused`.
"""

import math
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from tapehead.cell import select
from tapehead.cells.fused import Gates, State, Weights
from tapehead.cells.halting import HaltingRule, flagged

LARGEST = 256 * 2**20
"""The most bytes of sub-steps to keep."""
ROWS = 512
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


def _substep(
    rule: HaltingRule,
    gates: Gates[Weights, State],
    weights: Weights,
    unit: HaltingUnit,
    inner: State,
    x: Array,
    number: Array,
    total: Array,
    running: Array,
) -> tuple[SubStep, Any]:
    """A sub-step, and what the halting unit makes of it."""
    after, kept = gates.forward(weights, inner, flagged(x, number))
    logit = (after[0] @ unit.weight.T + unit.bias)[..., 0]
    made = SubStep(inner, after, kept, logit, total, running)
    return made, rule.settle(logit, total, running, number)


def room(
    rule: HaltingRule,
    gates: Gates[Weights, State],
    weights: Weights,
    unit: HaltingUnit,
    state: State,
    xs: Float[Array, "time *batch features"],
) -> Any:
    """Zeros for all sub-steps that there can be; as shapes only under `jax.eval_shape`."""
    batch = xs.shape[1:-1]
    zeros = jnp.zeros(batch, xs.dtype)
    args = (weights, unit, state, xs[0], jnp.int32(0), zeros, jnp.zeros(batch, bool))
    one, _ = jax.eval_shape(lambda *args: _substep(rule, gates, *args), *args)
    count = len(xs) * rule.max_steps
    return jax.tree.map(lambda leaf: jnp.zeros((count, *leaf.shape), leaf.dtype), one)


def fits(*args: Any) -> bool:
    """Whether all sub-steps, and as much again for their gradients, may be kept; as `room`."""
    kept = jax.eval_shape(lambda: room(*args))
    return sum(math.prod(x.shape) * x.dtype.itemsize for x in jax.tree.leaves(kept)) <= LARGEST


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
    return _walk(rule, gates, weights, unit, state, fresh, xs, mask, starts, keep=False)[:2]


def _walk(
    rule: HaltingRule,
    gates: Gates[Weights, State],
    weights: Weights,
    unit: HaltingUnit,
    state: State,
    fresh: State | None,
    xs: Array,
    mask: Array | None,
    starts: Array | None,
    *,
    keep: bool,
) -> tuple[State, Pondered, Any, Int[Array, " time"]]:
    """All steps; with `keep` also every sub-step, and how many there were at each step."""
    active = jnp.ones(xs.shape[:-1], bool) if mask is None else mask
    store = room(rule, gates, weights, unit, state, xs) if keep else None

    def body(carry: Any, now: Any) -> Any:
        state, count, store = carry
        x, active, start = now
        if start is not None:
            state = select(start, fresh, state)
        zero = jnp.zeros(active.shape, xs.dtype)
        mean = jax.tree.map(jnp.zeros_like, state)

        def substep(carry: Any) -> Any:
            number, inner, total, running, mean, cost, steps, store = carry
            made, settled = _substep(rule, gates, weights, unit, inner, x, number, total, running)
            if store is not None:
                store = jax.tree.map(lambda all, one: all.at[count + number].set(one), store, made)
            share = settled.share[..., None]
            mean = jax.tree.map(lambda sum, leaf: sum + share * leaf, mean, made.after)
            inner = select(running, made.after, inner)
            steps = steps + running.astype(steps.dtype)
            cost = cost + settled.cost
            return (
                number + 1, inner, settled.total, settled.running, mean, cost, steps, store,
            )  # fmt: skip

        begun = (jnp.int32(0), state, zero, active, mean, zero, zero, store)
        ended = jax.lax.while_loop(lambda carry: jnp.any(carry[3]), substep, begun)
        number, inner, _, _, mean, cost, steps, store = ended
        after = select(active, mean if rule.keep == "mean" else inner, state)
        return (after, count + number, store), (mean[0], cost, steps, number)

    begun = (state, jnp.int32(0), store)
    (last, _, store), (*made, numbers) = jax.lax.scan(body, begun, (xs, active, starts))
    return last, Pondered(*made), store, numbers


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
    if mask is not None:
        # Padding may hold anything, NaN included; it must not reach the products of `_collected`.
        xs = select(mask, xs, jnp.zeros_like(xs))
    last, made, store, numbers = _walk(
        rule, gates, weights, unit, state, fresh, xs, mask, starts, keep=True
    )
    return (last, made), (weights, unit, state, xs, mask, starts, store, numbers)


def _backward(
    rule: HaltingRule, gates: Gates[Weights, State], residuals: Any, gradient: tuple[State, Any]
) -> tuple[Any, ...]:
    weights, unit, state, xs, mask, starts, store, numbers = residuals
    of_last, of_made = gradient
    active = jnp.ones(xs.shape[:-1], bool) if mask is None else mask
    begins = jnp.cumsum(numbers, dtype=jnp.int32) - numbers

    def added(state: State, more: Array) -> State:
        """`state` with something added to the output."""
        return jax.tree.unflatten(jax.tree.structure(state), [state[0] + more, *state[1:]])

    def body(carry: Any, now: Any) -> Any:
        of_after, of_fresh, of_unit, of_nets = carry
        of_y, of_cost, active, start, begin, number = now
        zeros = jax.tree.map(jnp.zeros_like, of_after)
        onward = select(active, of_after, zeros)
        of_mean, of_inner = (onward, zeros) if rule.keep == "mean" else (zeros, onward)
        of_mean = added(of_mean, of_y)

        def substep(index: Array, carry: Any) -> Any:
            of_inner, of_total, of_unit, of_nets = carry
            place = number - 1 - index
            made: SubStep = jax.tree.map(lambda all: all[begin + place], store)

            def settle(logit: Array, total: Array) -> tuple[Array, Array, Array]:
                return rule.settle(logit, total, made.running, place)[:3]

            (share, *_), back = jax.vjp(settle, made.logit, made.total)
            products = jax.tree.map(lambda g, s: jnp.sum(g * s, axis=-1), of_mean, made.after)
            of_logit, of_total = back((sum(products), of_total, of_cost))
            of_step = select(made.running, of_inner, zeros)
            of_step = jax.tree.map(lambda g, m: g + share[..., None] * m, of_step, of_mean)
            of_step = added(of_step, of_logit[..., None] * unit.weight[0])
            over = tuple(range(of_logit.ndim))
            of_unit = HaltingUnit(
                of_unit.weight + jnp.sum(of_logit[..., None] * made.after[0], axis=over),
                of_unit.bias + jnp.sum(of_logit),
            )
            of_before, nets = gates.backward(weights, of_step, made.before, made.after, made.kept)
            nets = select(made.running, nets, jax.tree.map(jnp.zeros_like, nets))
            of_nets = jax.tree.map(lambda all, one: all.at[begin + place].set(one), of_nets, nets)
            return select(made.running, of_before, of_inner), of_total, of_unit, of_nets

        begun = (of_inner, jnp.zeros_like(of_cost), of_unit, of_nets)
        ended = jax.lax.fori_loop(0, number, substep, begun)
        of_inner, _, of_unit, of_nets = ended
        of_before = jax.tree.map(jnp.add, of_inner, select(active, zeros, of_after))
        if start is not None:
            of_fresh = jax.tree.map(jnp.add, of_fresh, select(start, of_before, zeros))
            of_before = select(start, zeros, of_before)
        return (of_before, of_fresh, of_unit, of_nets), None

    first = jax.tree.map(lambda all: all[0], store)
    like = jax.eval_shape(gates.backward, weights, of_last, first.before, first.after, first.kept)[
        1
    ]
    room = jax.tree.map(lambda leaf: jnp.zeros((len(store.logit), *leaf.shape), leaf.dtype), like)
    of_fresh = None if starts is None else jax.tree.map(jnp.zeros_like, state)
    begun = (of_last, of_fresh, jax.tree.map(jnp.zeros_like, unit), room)
    over = (of_made.outputs, of_made.cost, active, starts, begins, numbers)
    (of_state, of_fresh, of_unit, of_nets), _ = jax.lax.scan(body, begun, over, reverse=True)
    of_weights, of_xs = _collected(gates, weights, xs, store, numbers, of_nets)
    return of_weights, of_unit, of_state, of_fresh, of_xs, None, None


def _collected(
    gates: Gates[Weights, State],
    weights: Weights,
    xs: Array,
    store: Any,
    numbers: Int[Array, " time"],
    of_nets: Any,
) -> tuple[Weights, Array]:
    """The gradients of weights and inputs, from those of the nets of all sub-steps."""
    count, ends = len(store.logit), jnp.cumsum(numbers, dtype=jnp.int32)
    places = jnp.arange(count, dtype=jnp.int32)
    # Places beyond the last sub-step are given to the last step; their nets are zero.
    times = jnp.searchsorted(ends, places, side="right").astype(jnp.int32)
    times = jnp.minimum(times, len(xs) - 1)
    within = places - (ends - numbers)[times]
    length = min(count, max(1, ROWS // math.prod(xs.shape[1:-1])))

    def chunk(index: Array, carry: Any) -> Any:
        of_weights, of_xs = carry
        # The last chunk may begin earlier so as not to end beyond; what it sees twice counts once.
        start = jnp.minimum(index * length, count - length)
        fresh = start + jnp.arange(length, dtype=jnp.int32) >= index * length

        def part(all: Array) -> Array:
            return jax.lax.dynamic_slice_in_dim(all, start, length)

        def flat(x: Array) -> Array:
            return x.reshape(-1, x.shape[-1])

        time, number = part(times), part(within)
        x = flagged(xs[time], number.reshape(-1, *[1] * (xs.ndim - 1)))
        nets, before, kept = jax.tree.map(part, (of_nets, store.before, store.kept))
        nets = select(fresh, nets, jax.tree.map(jnp.zeros_like, nets))
        more, of_x = gates.collect(weights, *jax.tree.map(flat, (nets, x, before, kept)))
        of_x = of_x.reshape(x.shape)[..., :-1]
        return jax.tree.map(jnp.add, of_weights, more), of_xs.at[time].add(of_x)

    none = (jax.tree.map(jnp.zeros_like, weights), jnp.zeros_like(xs))
    return jax.lax.fori_loop(0, (ends[-1] + length - 1) // length, chunk, none)


unroll.defvjp(_forward, _backward)
