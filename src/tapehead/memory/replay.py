"""Unrolling a memory network without storing its memories.

What a step of `jax.lax.scan` needs for its gradient is stored for every step: for a DNC several
arrays of slots by slots and slots by width each, and on a CPU the time goes into writing, finding
and reading these rather than into computing. Here only little is kept of every step (its `Trail`)
and the whole memory at a few of them. The backward pass goes segment by segment: it rebuilds the
memories of a segment from its first one and the trail, then walks back through them.
"""

import abc
from functools import partial
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from tapehead.cell import Cell, State, select
from tapehead.memory.memory import Memory, MemoryState

Trail = Any


class Replayable(Memory):
    """A memory that can be rebuilt step by step, and that knows the gradient of its step.

    It owns no parameters. Every array here has exactly one batch axis. Where `mask` is False the
    step is not taken: the state is held, and what is read counts for nothing.
    """

    @abc.abstractmethod
    def rearranged(self, state: MemoryState) -> MemoryState:
        """The state in the layout that the methods below work in, and back from it."""

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
    elif fill:
        mask = jnp.ones(xs.shape[:2], bool)
    if fill:
        xs = jnp.pad(xs, [(0, fill), (0, 0), (0, 0)])
        mask = jnp.pad(mask, [(0, fill), (0, 0)])
    xs, mask = jax.tree.map(lambda x: x.reshape(-1, length, *x.shape[1:]), (xs, mask))

    walk = walk._replace(memory=memory.rearranged(walk.memory))
    arrays, static = eqx.partition((driver, walk), eqx.is_array)
    learned, fixed = eqx.partition(arrays, eqx.is_inexact_array)
    walk, given, read = _segments(_Parts(memory, static), learned, fixed, xs, mask)
    walk = walk._replace(memory=memory.rearranged(walk.memory))
    given, read = jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:])[:steps], (given, read))
    return walk, given, read


class _Parts(NamedTuple):
    """All that is not an array: the memory, and the rest of the driver and of the state."""

    memory: Replayable
    static: Any

    def drive(self, learned: Any, fixed: Any, reads: Array, x: Array) -> tuple[State, Array]:
        """The driver's step, from its and its state's arrays."""
        driver, state = eqx.combine(learned, fixed, (self.static[0], self.static[1].controller))
        return driver.step(state, jnp.concatenate([x, reads.reshape(*x.shape[:-1], -1)], axis=-1))


class _Kept(NamedTuple):
    """What is kept of every step; its controller's state and reads are those before it."""

    learned: State
    fixed: State
    reads: Array
    flat: Array
    trail: Trail


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def _segments(
    parts: _Parts, learned: Any, fixed: Any, xs: Array, mask: Array | None
) -> tuple[Walk, Array, Array]:
    return _forward(parts, learned, fixed, xs, mask)[0]


def _zero_where_not(mask: Array | None, x: Any) -> Any:
    return x if mask is None else select(mask, x, jax.tree.map(jnp.zeros_like, x))


def _forward(
    parts: _Parts, learned: Any, fixed: Any, xs: Array, mask: Array | None
) -> tuple[tuple[Walk, Array, Array], tuple[Any, ...]]:
    size = parts.memory.interface_size

    def step(walk: Walk, inputs: tuple[Array, Array | None]) -> tuple[Walk, Any]:
        x, mask = inputs
        of_state = eqx.partition(walk.controller, eqx.is_inexact_array)
        controller, given = parts.drive(
            (learned[0], of_state[0]), (fixed[0], of_state[1]), walk.reads, x
        )
        given = _zero_where_not(mask, given)
        flat = given[..., -size:]
        memory, reads, trail = parts.memory.advance(walk.memory, flat, mask)
        kept = _Kept(*of_state, walk.reads, flat, trail)
        read = _zero_where_not(mask, reads)
        if mask is not None:
            controller = select(mask, controller, walk.controller)
            reads = select(mask, reads, walk.reads)
        return Walk(controller, memory, reads), (kept, given, read)

    def segment(walk: Walk, inputs: tuple[Array, Array | None]) -> tuple[Walk, Any]:
        after, (kept, given, read) = jax.lax.scan(step, walk, inputs)
        return after, ((walk.memory, kept), given, read)

    walk = eqx.combine(learned[1], fixed[1])
    last, (residuals, given, read) = jax.lax.scan(segment, walk, (xs, mask))
    return (last, given, read), (learned, fixed, xs, mask, *residuals)


def _backward(
    parts: _Parts, residuals: tuple[Any, ...], gradient: tuple[Walk, Array, Array]
) -> tuple[Any, None, Array, None]:
    learned, fixed, xs, mask, firsts, kept = residuals
    memory, size = parts.memory, parts.memory.interface_size

    def rebuild(state: MemoryState, inputs: tuple[_Kept, Array | None]) -> Any:
        kept, mask = inputs
        return memory.retrace(state, kept.flat, mask, kept.trail), state

    def step(carry: tuple[Walk, MemoryState], inputs: Any) -> Any:
        of_after, after = carry
        before, kept, x, mask, of_given, of_read = inputs
        of_reads = _zero_where_not(mask, of_after.reads + of_read)
        of_memory, of_flat = memory.pullback(
            before, after, kept.flat, mask, kept.trail, of_after.memory, of_reads
        )
        of_given = _zero_where_not(mask, of_given.at[..., -size:].add(of_flat))
        of_controller = _zero_where_not(mask, of_after.controller)

        def drive(state: State, reads: Array, x: Array) -> tuple[State, Array]:
            state, given = parts.drive((learned[0], state), (fixed[0], kept.fixed), reads, x)
            return eqx.filter(state, eqx.is_inexact_array), given

        pull = jax.vjp(drive, kept.learned, kept.reads, x)[1]
        of_state, of_reads, of_x = pull((of_controller, of_given))
        if mask is not None:
            of_state = select(mask, of_state, of_after.controller)
            of_reads = select(mask, of_reads, of_after.reads)
        return (Walk(of_state, of_memory, of_reads), before), (of_controller, of_given, of_x)

    def segment(of_after: Walk, inputs: Any) -> Any:
        first, kept, x, mask, of_given, of_read = inputs
        last, befores = jax.lax.scan(rebuild, first, (kept, mask))
        (of_before, _), of_steps = jax.lax.scan(
            step, (of_after, last), (befores, kept, x, mask, of_given, of_read), reverse=True
        )
        return of_before, of_steps

    of_last, of_given, of_read = gradient
    of_last = jax.tree.map(lambda x, of_x: of_x, learned[1], of_last)
    of_walk, (of_controller, of_given, of_xs) = jax.lax.scan(
        segment, of_last, (firsts, kept, xs, mask, of_given, of_read), reverse=True
    )

    # The gradient of the driver's weights, from those of all its steps in one.
    def flat(x: Array) -> Array:
        return x.reshape(-1, *x.shape[3:])

    kept_flat, flat_xs = jax.tree.map(flat, (kept, xs))

    def drive_all(driver: Any) -> tuple[State, Array]:
        state, given = parts.drive(
            (driver, kept_flat.learned), (fixed[0], kept_flat.fixed), kept_flat.reads, flat_xs
        )
        return eqx.filter(state, eqx.is_inexact_array), given

    pull = jax.vjp(drive_all, learned[0])[1]
    (of_driver,) = pull(jax.tree.map(flat, (of_controller, of_given)))
    return (of_driver, of_walk), None, of_xs, None


_segments.defvjp(_forward, _backward)
