"""Unrolling a memory network without storing its memories.

What a step of `jax.lax.scan` needs for its gradient is stored for every step: for a DNC several
arrays of slots by slots and slots by width each, and on a CPU the time goes into writing, finding
and reading these rather than into computing. Here only little is kept of every step (its `Trail`)
and the whole memory at a few of them. The backward pass goes segment by segment: it rebuilds the
memories of a segment from its first one and the trail, then walks back through them.

A gradient can grow without end on the way back: weights that lie evenly on all slots and are
sharpened at every step change by γ times as much after each. Long before it leaves float32 it says
nothing but that it is too large to be used; it is held at `LARGEST`, and clipping does the rest.
"""

import abc
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.extend.core import Literal
from jaxtyping import Array, Bool, Float

from tapehead.cell import Cell, State, select
from tapehead.memory.memory import Memory, MemoryState

Trail = Any

LARGEST = 1e15
"""What the gradient of a state may come to on the way back; above, all of it is scaled down to
this. Gradients that anything is learned from are many orders smaller."""


class Replayable(Memory):
    """A memory that can be rebuilt step by step, and that knows the gradient of its step.

    It owns no parameters. Every array here has exactly one batch axis. Where `mask` is False the
    step is not taken: the state is held, and what is read counts for nothing.
    """

    @abc.abstractmethod
    def rearranged(self, state: MemoryState) -> MemoryState:
        """The state in the layout that the methods below work in."""

    @abc.abstractmethod
    def arranged(self, state: MemoryState) -> MemoryState:
        """The state as it was before `rearranged`."""

    @abc.abstractmethod
    def advance(
        self,
        state: MemoryState,
        flat: Float[Array, "batch interface"],
        mask: Bool[Array, " batch"] | None,
    ) -> tuple[MemoryState, Float[Array, "batch read_heads width"], Trail]:
        """A step from the flat interface vector, and what `retrace` will need to know of it."""

    @abc.abstractmethod
    def retrace(
        self,
        state: MemoryState,
        flat: Float[Array, "batch interface"],
        mask: Bool[Array, " batch"] | None,
        trail: Trail,
    ) -> MemoryState:
        """The state after the step of that trail."""

    @abc.abstractmethod
    def pullback(
        self,
        before: MemoryState,
        after: MemoryState,
        flat: Float[Array, "batch interface"],
        mask: Bool[Array, " batch"] | None,
        trail: Trail,
        of_after: MemoryState,
        of_reads: Float[Array, "batch read_heads width"],
    ) -> tuple[MemoryState, Float[Array, "batch interface"]]:
        """From the gradients after a step to those of the state before and of the interface."""


class Walk(NamedTuple):
    """The state of a memory network on its way.

    **Attributes:**

    - `controller`: the controller's state.
    - `memory`: the memory's state.
    - `reads`: what was last read, `(batch, read_heads, width)`.
    """

    controller: State
    memory: MemoryState
    reads: Float[Array, "batch read_heads width"]


def segment_length(steps: int) -> int:
    """How many steps to rebuild at once, so that about 2 √steps memories exist at a time."""
    return min(
        range(1, steps + 1),
        key=lambda length: (-(-steps // length) + length) + (-steps % length) / 2,
    )


def unroll(
    driver: Cell,
    memory: Replayable,
    walk: Walk,
    xs: Float[Array, "time batch features"],
    mask: Bool[Array, "time batch"] | None,
) -> tuple[Walk, Float[Array, "time batch outputs"], Float[Array, "time batch read_heads width"]]:
    """The numbers and gradients of a scan, without keeping the memory of every step.

    **Arguments:**

    - `driver`: the cell in front of the memory, from an input joined to the last reads, to an
        output that ends in the flat interface vector.
    - `memory`: the memory it drives.
    - `walk`: where to begin.
    - `mask`: False on padding, as in `Cell.unroll`.

    **Returns:** the last state, and what the driver gave and the memory read at every step.

    Reverse mode only: `jax.jvp` refuses it, as any function with a gradient of its own.
    """
    steps = xs.shape[0]
    length = segment_length(steps)
    fill = -steps % length
    if mask is not None:
        # Padding may hold anything, NaN included; it must not reach the products over all steps.
        xs = select(mask, xs, jnp.zeros_like(xs))
    if fill:
        mask = jnp.ones(xs.shape[:2], bool) if mask is None else mask
        xs = jnp.pad(xs, [(0, fill), (0, 0), (0, 0)])
        mask = jnp.pad(mask, [(0, fill), (0, 0)])

    def pieces(x: Array) -> Array:
        return x.reshape(-1, length, *x.shape[1:])

    xs, mask = pieces(xs), None if mask is None else pieces(mask)

    walk = walk._replace(memory=memory.rearranged(walk.memory))
    static = eqx.filter((driver, walk.controller), eqx.is_array, inverse=True)
    result: Any = _segments(_Parts(memory, *static), _arrays(driver), _arrays(walk), xs, mask)
    last, given, read = result
    walk = last._replace(memory=memory.arranged(last.memory))

    def whole(x: Array) -> Array:
        return x.reshape(-1, *x.shape[2:])[:steps]

    return walk, whole(given), whole(read)


class _Arrays(NamedTuple):
    """The arrays of a pytree, those with a gradient apart from those without."""

    learned: Any
    fixed: Any


def _arrays(tree: Any) -> _Arrays:
    return _Arrays(*eqx.partition(eqx.filter(tree, eqx.is_array), eqx.is_inexact_array))


def _put(states: MemoryState, number: int | Array, state: MemoryState) -> MemoryState:
    return jax.tree.map(lambda all, one: all.at[number].set(one), states, state)


def _take(states: MemoryState, number: Array) -> MemoryState:
    return jax.tree.map(
        lambda all: jax.lax.dynamic_index_in_dim(all, number, keepdims=False), states
    )


class _Parts(NamedTuple):
    """All that is not an array: the memory, and the rest of the driver and of its state."""

    memory: Replayable
    driver: Any
    state: Any

    def drive(
        self, driver: _Arrays, state: _Arrays, reads: Array, x: Array
    ) -> tuple[State, tuple[State, Array]]:
        """The driver's step: its state, and of that the learned part, with what it gives."""
        cell, before = eqx.combine(*driver, self.driver), eqx.combine(*state, self.state)
        joined = jnp.concatenate([x, reads.reshape(*x.shape[:-1], -1)], axis=-1)
        after, given = cell.step(before, joined)
        return after, (eqx.filter(after, eqx.is_inexact_array), given)

    def drive_and_record(
        self, driver: _Arrays, state: _Arrays, reads: Array, x: Array
    ) -> tuple[tuple[State, Array], Callable[[Any], Any]]:
        """The driver's step, and its gradient but for the driver's own, which is a pytree."""

        def drive(learned: State, reads: Array, x: Array) -> tuple[Any, State]:
            after, result = self.drive(driver, _Arrays(learned, state.fixed), reads, x)
            return result, after

        (_, given), pull, after = jax.vjp(drive, state.learned, reads, x, has_aux=True)
        return (after, given), pull

    def varying(self, driver: _Arrays, *step: Any) -> list[bool]:
        """Which leaves of that gradient are not the same at every step."""

        def leaves(driver: _Arrays, step: tuple[Any, ...]) -> list[Array]:
            return jax.tree.leaves(self.drive_and_record(driver, *step)[1])

        jaxpr = jax.make_jaxpr(leaves)(driver, step).jaxpr
        fixed = len(jax.tree.leaves(driver))
        found = set(jaxpr.invars[fixed:])
        for equation in jaxpr.eqns:
            if any(not isinstance(v, Literal) and v in found for v in equation.invars):
                found.update(equation.outvars)
        return [not isinstance(v, Literal) and v in found for v in jaxpr.outvars]


class _Kept(NamedTuple):
    """What is kept of every step; its driver's state and reads are those before it."""

    state: _Arrays
    reads: Array
    flat: Array
    trail: Trail
    gradient: list[Array]


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def _segments(
    parts: _Parts, driver: _Arrays, walk: _Arrays, xs: Array, mask: Array | None
) -> tuple[Walk, Array, Array]:
    return _forward(parts, driver, walk, xs, mask)[0]


def _zero_where_not(mask: Array | None, x: Any) -> Any:
    return x if mask is None else select(mask, x, jax.tree.map(jnp.zeros_like, x))


def held(gradient: Walk) -> Walk:
    """The gradient, all of it scaled down where an entry exceeds `LARGEST`."""
    largest = jnp.max(jnp.stack([jnp.max(jnp.abs(x)) for x in jax.tree.leaves(gradient)]))
    scale = jnp.where(largest > LARGEST, LARGEST / largest, 1)
    return jax.tree.map(lambda x: x * scale, gradient)


def _forward(
    parts: _Parts, driver: _Arrays, walk: _Arrays, xs: Array, mask: Array | None
) -> tuple[tuple[Walk, Array, Array], tuple[Any, ...]]:
    size = parts.memory.interface_size
    first: Walk = eqx.combine(*walk)
    varying = parts.varying(driver, _arrays(first.controller), first.reads, xs[0, 0])

    def step(walk: Walk, inputs: tuple[Array, Array | None]) -> tuple[Walk, Any]:
        x, mask = inputs
        state = _arrays(walk.controller)
        (controller, given), pull = parts.drive_and_record(driver, state, walk.reads, x)
        gradient = [leaf for leaf, vary in zip(jax.tree.leaves(pull), varying, strict=True) if vary]
        given = _zero_where_not(mask, given)
        flat = given[..., -size:]
        memory, reads, trail = parts.memory.advance(walk.memory, flat, mask)
        read = _zero_where_not(mask, reads)
        kept = _Kept(state, walk.reads, flat, trail, gradient)
        if mask is not None:
            controller = select(mask, controller, walk.controller)
            reads = select(mask, reads, walk.reads)
        return Walk(controller, memory, reads), (kept, given, read)

    def segment(walk: Walk, inputs: tuple[Array, Array | None]) -> tuple[Walk, Any]:
        after, (kept, given, read) = jax.lax.scan(step, walk, inputs)
        return after, ((walk.memory, kept), given, read)

    last, (residuals, given, read) = jax.lax.scan(segment, first, (xs, mask))
    return (last, given, read), (driver, walk, xs, mask, *residuals)


def _backward(
    parts: _Parts, residuals: tuple[Any, ...], gradient: tuple[Walk, Array, Array]
) -> tuple[_Arrays, _Arrays, Array, None]:
    driver, walk, xs, mask, firsts, kept = residuals
    memory, size = parts.memory, parts.memory.interface_size

    # The gradient of a step of the driver, of which only what varies was kept.
    first = jax.tree.map(lambda x: x[0, 0], (kept.state, kept.reads, xs))
    varying = parts.varying(driver, *first)
    same, structure = jax.tree.flatten(parts.drive_and_record(driver, *first)[1])

    def pull_driver(kept: _Kept, of_result: tuple[State, Array]) -> tuple[State, Array, Array]:
        leaves = iter(kept.gradient)
        merged = [next(leaves) if vary else s for s, vary in zip(same, varying, strict=True)]
        return jax.tree.unflatten(structure, merged)(of_result)

    def rebuild(carry: tuple[MemoryState, Any], inputs: Any) -> Any:
        state, states = carry
        number, kept, mask = inputs
        state = memory.retrace(state, kept.flat, mask, kept.trail)
        return (state, _put(states, number + 1, state)), None

    def step(of_after: Walk, inputs: Any) -> Any:
        number, kept, mask, of_given, of_read, states = inputs
        before, after = _take(states, number), _take(states, number + 1)
        of_reads = _zero_where_not(mask, of_after.reads + of_read)
        of_memory, of_flat = memory.pullback(
            before, after, kept.flat, mask, kept.trail, of_after.memory, of_reads
        )
        of_given = _zero_where_not(mask, of_given.at[..., -size:].add(of_flat))
        of_controller = _zero_where_not(mask, of_after.controller)
        of_state, of_reads, of_x = pull_driver(kept, (of_controller, of_given))
        if mask is not None:
            of_state = select(mask, of_state, of_after.controller)
            of_reads = select(mask, of_reads, of_after.reads)
        of_before = held(Walk(of_state, of_memory, of_reads))
        return of_before, (of_controller, of_given, of_x)

    length = xs.shape[1]
    numbers = jnp.arange(length)

    def segment(of_after: Walk, inputs: Any) -> Any:
        first, kept, mask, of_given, of_read = inputs
        states = jax.tree.map(lambda s: jnp.zeros((length + 1, *s.shape), s.dtype), first)
        states = _put(states, 0, first)
        (_, states), _ = jax.lax.scan(rebuild, (first, states), (numbers, kept, mask))

        def with_states(of_after: Walk, inputs: Any) -> Any:
            return step(of_after, (*inputs, states))

        return jax.lax.scan(
            with_states, of_after, (numbers, kept, mask, of_given, of_read), reverse=True
        )

    of_last, of_given, of_read = gradient
    of_last = jax.tree.map(lambda x, of_x: of_x, walk.learned, of_last)
    of_walk, (of_controller, of_given, of_xs) = jax.lax.scan(
        segment, of_last, (firsts, kept, mask, of_given, of_read), reverse=True
    )

    # The gradient of the driver's weights, from those of all its steps in one.
    def flat(x: Array) -> Array:
        return x.reshape(-1, *x.shape[3:])

    all_states, all_reads, all_xs = jax.tree.map(flat, (kept.state, kept.reads, xs))

    def drive_all(learned: Any) -> tuple[State, Array]:
        return parts.drive(_Arrays(learned, driver.fixed), all_states, all_reads, all_xs)[1]

    pull = jax.vjp(drive_all, driver.learned)[1]
    (of_driver,) = pull(jax.tree.map(flat, (of_controller, of_given)))
    return _Arrays(of_driver, None), _Arrays(of_walk, None), of_xs, None


_segments.defvjp(_forward, _backward)
