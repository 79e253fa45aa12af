"""An unroll with a hand-written gradient, for gated cells.

Differentiating a `jax.lax.scan` adds up the gradient of every weight matrix step by step: a thin
product and a pass over the whole matrix each time. Here the backward scan computes only the
gradients of the nets, and the weight gradients follow from those of all steps at once, as one
large product over time and batch.
"""

import abc
from functools import partial
from typing import Any, Generic, TypeVar

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from tapehead.cell import Cell, select

State = TypeVar("State", bound=tuple[Array, ...])
Weights = TypeVar("Weights", bound=tuple[Array | None, ...])
Nets = Any
Kept = Any


class Gates(abc.ABC, Generic[Weights, State]):
    """The step of a gated cell and its gradient, in the parts that `unroll` puts together.

    A state is a named tuple of arrays `(*batch, hidden)`, the first of which is the output. What
    goes into a squashing function is called a net.
    """

    @abc.abstractmethod
    def forward(self, weights: Weights, state: State, x: Array) -> tuple[State, Kept]:
        """The new state, and what `backward` needs to know of the step."""

    @abc.abstractmethod
    def backward(
        self, weights: Weights, gradient: State, before: State, after: State, kept: Kept
    ) -> tuple[State, Nets]:
        """From the gradient of the state after a step to those of the state before and the nets."""

    @abc.abstractmethod
    def collect(
        self, weights: Weights, nets: Nets, xs: Array, before: State, kept: Kept
    ) -> tuple[Weights, Array]:
        """The gradients of the weights and of the inputs, from those of the nets.

        Every array has all steps of all lanes along one first axis.
        """


class GatedCell(Cell):
    """A cell whose step is that of some `Gates`, and whose output is the first of its state."""

    @abc.abstractmethod
    def parts(self) -> tuple[Gates[Any, Any], Any]:
        """The gates, and the weights that they take."""


def with_output(state: State, more: Array) -> State:
    """The state, or the gradient of one, with something added to its first array, the output."""
    return jax.tree.unflatten(jax.tree.structure(state), [state[0] + more, *state[1:]])


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def unroll(
    gates: Gates[Weights, State],
    weights: Weights,
    state: State,
    fresh: State | None,
    xs: Float[Array, "time *batch inputs"],
    mask: Bool[Array, "time *batch"] | None,
    starts: Bool[Array, "time *batch"] | None,
) -> tuple[State, Float[Array, "time *batch hidden"]]:
    """The numbers and gradients of `tapehead.cell.scan`, faster.

    `fresh` is the state that `starts` resets to, of the shape of `state`; both or neither are
    given. Reverse mode only: `jax.jvp` refuses it, as any function with a gradient of its own.
    """
    return _forward(gates, weights, state, fresh, xs, mask, starts)[0]


def _forward(
    gates: Gates[Weights, State],
    weights: Weights,
    state: State,
    fresh: State | None,
    xs: Array,
    mask: Array | None,
    starts: Array | None,
) -> tuple[tuple[State, Array], tuple[Any, ...]]:
    if mask is not None:
        # Padding may hold anything, NaN included; it must not reach the products of `collect`.
        xs = select(mask, xs, jnp.zeros_like(xs))

    def body(state: State, inputs: tuple[Array, Array | None, Array | None]) -> Any:
        x, mask, start = inputs
        if start is not None:
            state = select(start, fresh, state)
        after, kept = gates.forward(weights, state, x)
        if mask is not None:
            after = select(mask, after, state)
        return after, (after, kept)

    last, (after, kept) = jax.lax.scan(body, state, (xs, mask, starts))
    ys = after[0]
    if mask is not None:
        ys = select(mask, ys, jnp.zeros_like(ys))
    return (last, ys), (weights, state, fresh, xs, mask, starts, after, kept)


def _backward(
    gates: Gates[Weights, State], residuals: tuple[Any, ...], gradient: tuple[State, Array]
) -> tuple[Weights, State, State | None, Array, None, None]:
    weights, state, fresh, xs, mask, starts, after, kept = residuals
    before = jax.tree.map(lambda s, a: jnp.concatenate([s[None], a])[:-1], state, after)
    if starts is not None:
        before = select(starts, jax.tree.map(lambda s: s[None], fresh), before)

    def body(carry: tuple[State, State | None], inputs: Any) -> Any:
        of_after, of_fresh = carry
        of_y, before, after, kept, mask, start = inputs
        if mask is not None:
            of_y = select(mask, of_y, jnp.zeros_like(of_y))
        of_step = with_output(of_after, of_y)
        of_before, of_nets = gates.backward(weights, of_step, before, after, kept)
        if mask is not None:
            of_before = select(mask, of_before, of_after)
            of_nets = select(mask, of_nets, jax.tree.map(jnp.zeros_like, of_nets))
        if start is not None:
            zeros = jax.tree.map(jnp.zeros_like, of_before)
            of_fresh = jax.tree.map(jnp.add, of_fresh, select(start, of_before, zeros))
            of_before = select(start, zeros, of_before)
        return (of_before, of_fresh), of_nets

    of_last, of_ys = gradient
    of_fresh = jax.tree.map(jnp.zeros_like, fresh)
    (of_state, of_fresh), of_nets = jax.lax.scan(
        body, (of_last, of_fresh), (of_ys, before, after, kept, mask, starts), reverse=True
    )

    def flat(x: Array) -> Array:
        return x.reshape(-1, x.shape[-1])

    of_weights, of_xs = gates.collect(weights, *jax.tree.map(flat, (of_nets, xs, before, kept)))
    return of_weights, of_state, of_fresh, of_xs.reshape(xs.shape), None, None


unroll.defvjp(_forward, _backward)
