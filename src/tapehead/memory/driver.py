"""What drives a memory, unrolled with a gradient of its own: steps recorded on the way forward.

The gradient of a memory's step is written by hand; that of the controller in front of it is JAX's,
taken step by step. Of each step only what varies is kept; the gradient of the weights comes from
all steps at once, in one large product instead of one for each.

A gradient can grow without end on the way back: weights that lie evenly on all slots and are
sharpened at every step change by γ times as much after each. Long before it leaves float32 it says
nothing but that it is too large to be used; it is held at `LARGEST`, and clipping does the rest.
"""

import abc
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.extend.core import Literal
from jaxtyping import Array, Bool, Float

from tapehead.cell import Cell, State, select
from tapehead.memory.memory import Memory, MemoryState

Gradient = TypeVar("Gradient")

LARGEST = 1e15
"""What the gradient of a state may come to on the way back; above, all of it is scaled down to
this. Gradients that anything is learned from are many orders smaller."""


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


class Unrollable(Memory):
    """A memory that unrolls the network around it with a gradient of its own.

    It is asked to where it owns no parameters and does not begin anew on the way.
    """

    @abc.abstractmethod
    def unroll(
        self,
        driver: Cell,
        walk: Walk,
        xs: Float[Array, "time batch features"],
        mask: Bool[Array, "time batch"] | None,
    ) -> tuple[
        Walk, Float[Array, "time batch outputs"], Float[Array, "time batch read_heads width"]
    ]:
        """The numbers and gradients of a scan.

        **Arguments:**

        - `driver`: the cell in front of the memory, from an input joined to the last reads, to an
            output that ends in the flat interface vector.
        - `walk`: where to begin.
        - `mask`: False on padding, as in `Cell.unroll`.

        **Returns:** the last state, and what the driver gave and the memory read at every step.

        Reverse mode only: `jax.jvp` refuses it, as any function with a gradient of its own.
        """


class Arrays(NamedTuple):
    """The arrays of a pytree, those with a gradient apart from those without."""

    learned: Any
    fixed: Any


def arrays(tree: Any) -> Arrays:
    """The arrays of `tree`; the rest of it is `static` of it."""
    return Arrays(*eqx.partition(eqx.filter(tree, eqx.is_array), eqx.is_inexact_array))


def zero_where_not(mask: Array | None, x: Any) -> Any:
    """`x` on the lanes where `mask` holds, zero on the others."""
    return x if mask is None else select(mask, x, jax.tree.map(jnp.zeros_like, x))


def held(gradient: Gradient) -> Gradient:
    """The gradient, all of it scaled down where an entry exceeds `LARGEST`."""
    largest = jnp.max(jnp.stack([jnp.max(jnp.abs(x)) for x in jax.tree.leaves(gradient)]))
    scale = jnp.where(largest > LARGEST, LARGEST / largest, 1)
    return jax.tree.map(lambda x: x * scale, gradient)


class Driver(NamedTuple):
    """A driver's step and its gradient: all of the driver and of its state that is not an array.

    **Attributes:**

    - `cell`: what is not an array of the cell in front of the memory, which goes from an input
        joined to the last reads to an output that ends in the flat interface vector.
    - `state`: the same of its state.
    """

    cell: Any
    state: Any

    def step(
        self, driver: Arrays, state: Arrays, reads: Array, x: Array
    ) -> tuple[State, tuple[State, Array]]:
        """The driver's step: its state, and of that the learned part, with what it gives."""
        cell, before = eqx.combine(*driver, self.cell), eqx.combine(*state, self.state)
        joined = jnp.concatenate([x, reads.reshape(*x.shape[:-1], -1)], axis=-1)
        after, given = cell.step(before, joined)
        return after, (eqx.filter(after, eqx.is_inexact_array), given)

    def step_and_pull(
        self, driver: Arrays, state: Arrays, reads: Array, x: Array
    ) -> tuple[tuple[State, Array], Callable[[Any], Any]]:
        """The driver's step, and its gradient but for the driver's own, which is a pytree."""

        def drive(learned: State, reads: Array, x: Array) -> tuple[Any, State]:
            after, result = self.step(driver, Arrays(learned, state.fixed), reads, x)
            return result, after

        (_, given), pull, after = jax.vjp(drive, state.learned, reads, x, has_aux=True)
        return (after, given), pull

    def varying(self, driver: Arrays, *step: Any) -> list[bool]:
        """Which leaves of that gradient are not the same at every step."""

        def leaves(driver: Arrays, step: tuple[Any, ...]) -> list[Array]:
            return jax.tree.leaves(self.step_and_pull(driver, *step)[1])

        jaxpr = jax.make_jaxpr(leaves)(driver, step).jaxpr
        fixed = len(jax.tree.leaves(driver))
        found = set(jaxpr.invars[fixed:])
        for equation in jaxpr.eqns:
            if any(not isinstance(v, Literal) and v in found for v in equation.invars):
                found.update(equation.outvars)
        return [not isinstance(v, Literal) and v in found for v in jaxpr.outvars]


class Step(NamedTuple):
    """What is kept of a step of the driver; its state and the reads are those before it.

    **Attributes:** the state and the reads, and of the step's gradient the leaves that vary.
    """

    state: Arrays
    reads: Array
    gradient: list[Array]


class Kept(NamedTuple):
    """What is kept of a step of driver and memory.

    **Attributes:** the driver's; the flat interface vector; and what the memory's own unroll asked
    for.
    """

    driver: Step
    flat: Array
    trail: Any


def _turned(matrix: Array) -> Array:
    return jnp.swapaxes(matrix, 0, 1)


class Forward:
    """The driver's steps, on the way forward.

    `first` is the walk before the first step, and `x` any one input.
    """

    def __init__(self, driver: Driver, weights: Arrays, first: Walk, x: Array):
        self.driver = driver
        self.weights = weights
        self.varying = driver.varying(weights, arrays(first.controller), first.reads, x)

    def step(self, controller: State, reads: Array, x: Array) -> tuple[State, Array, Step]:
        """The controller's new state, what it gives, and what is kept."""
        state = arrays(controller)
        (after, given), pull = self.driver.step_and_pull(self.weights, state, reads, x)
        leaves = zip(jax.tree.leaves(pull), self.varying, strict=True)
        return after, given, Step(state, reads, [leaf for leaf, vary in leaves if vary])

    def walk(
        self,
        walk: Walk,
        x: Array,
        mask: Array | None,
        size: int,
        advance: Callable[[MemoryState, Array, Array | None], tuple[MemoryState, Array, Any]],
    ) -> tuple[Walk, tuple[Kept, Array, Array]]:
        """A step of driver and memory, held where `mask` is False.

        `advance` is the memory's, from its state and the last `size` numbers that the driver gives
        to its state, what was read and what is to be kept. **Returns:** the walk after the step,
        with what is kept of it, what the driver gave and what was read.
        """
        controller, given, driven = self.step(walk.controller, walk.reads, x)
        given = zero_where_not(mask, given)
        flat = given[..., -size:]
        memory, reads, trail = advance(walk.memory, flat, mask)
        read = zero_where_not(mask, reads)
        if mask is not None:
            controller = select(mask, controller, walk.controller)
            reads = select(mask, reads, walk.reads)
        return Walk(controller, memory, reads), (Kept(driven, flat, trail), given, read)


class Backward:
    """The driver's steps, on the way back.

    `first` is what was kept of any one step, and `x` its input.
    """

    def __init__(self, driver: Driver, weights: Arrays, first: Step, x: Array):
        self.driver = driver
        self.weights = weights
        self.varying = driver.varying(weights, first.state, first.reads, x)
        pull = driver.step_and_pull(weights, first.state, first.reads, x)[1]
        same, self.structure = jax.tree.flatten(pull)
        # A product is pulled back by the transpose of its matrix. That is made here, once, so that
        # it need not be at every step.
        self.same = [_turned(leaf) if jnp.ndim(leaf) == 2 else leaf for leaf in same]

    def step(self, kept: Step, of_result: tuple[State, Array]) -> tuple[State, Array, Array]:
        """From the gradient of the state after and of what was given, to state, reads and input."""
        leaves = iter(kept.gradient)
        merged = [
            next(leaves) if vary else _turned(same) if jnp.ndim(same) == 2 else same
            for same, vary in zip(self.same, self.varying, strict=True)
        ]
        return jax.tree.unflatten(self.structure, merged)(of_result)

    def of_weights(
        self, states: Arrays, reads: Array, xs: Array, of_results: tuple[State, Array]
    ) -> Arrays:
        """The gradient of the driver's weights, from those of all its steps in one."""

        def drive_all(learned: Any) -> tuple[State, Array]:
            weights = Arrays(learned, self.weights.fixed)
            return self.driver.step(weights, states, reads, xs)[1]

        (of_driver,) = jax.vjp(drive_all, self.weights.learned)[1](of_results)
        return Arrays(of_driver, None)
