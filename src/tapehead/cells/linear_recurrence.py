"""`LinearRecurrence`: cells whose state is a linear function of the state before.

Because h_t = a_t ∘ h_{t−1} + b_t is linear in h and its coefficients do not depend on it, all a and
b are made in a few large products, and what is left to do in turn is next to nothing: it can even
be done at once, in a number of parallel stages that grows with the logarithm of the length.
"""

import abc

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Inexact

from tapehead.cell import Cell, State, expect_features, select

Coefficients = tuple[Inexact[Array, "*axes"], Inexact[Array, "*axes"]]
"""a and b of h_t = a_t ∘ h_{t−1} + b_t."""


def at_once(a: Array, b: Array, before: Array) -> Array:
    """All h of h_t = a_t ∘ h_{t−1} + b_t from the one before, by `jax.lax.associative_scan`."""

    def compose(first: Coefficients, second: Coefficients) -> Coefficients:
        return first[0] * second[0], second[0] * first[1] + second[1]

    return jax.lax.associative_scan(compose, (a, b.at[0].add(a[0] * before)))[1]


@jax.custom_vjp
def in_turn(a: Array, b: Array, before: Array) -> Array:
    """The same, one step after the other; the gradient likewise, from the last to the first."""

    def step(h: Array, coefficients: Coefficients) -> tuple[Array, Array]:
        h = coefficients[0] * h + coefficients[1]
        return h, h

    return jax.lax.scan(step, before, (a, b))[1]


def _forward(a: Array, b: Array, before: Array) -> tuple[Array, tuple[Array, Array, Array]]:
    hs = in_turn(a, b, before)
    return hs, (a, hs, before)


def _backward(kept: tuple[Array, Array, Array], of_hs: Array) -> tuple[Array, Array, Array]:
    a, hs, before = kept

    def step(later: Array, inputs: tuple[Array, Array]) -> tuple[Array, Array]:
        of_h = inputs[1] + later
        return inputs[0] * of_h, of_h

    of_before, of_b = jax.lax.scan(step, jnp.zeros_like(before), (a, of_hs), reverse=True)
    return of_b * jnp.concatenate([before[None], hs[:-1]]), of_b, of_before


in_turn.defvjp(_forward, _backward)


class LinearRecurrence(Cell):
    """A cell with h_t = a_t ∘ h_{t−1} + b_t, where a_t and b_t depend on x_t alone.

    A subclass says what a and b are (`coefficients`) and what comes of h (`emit`), and with
    `pack` and `unpack` how h is kept in the state. `step` follows the equation. `unroll` makes the
    coefficients of all steps together; then it goes through them at once on an accelerator, and in
    turn on a CPU, where that takes an eighth of the time (and has a gradient in reverse mode only).

    Source: Blelloch, "Prefix sums and their applications" (1990); Martin and Cundy,
    "Parallelizing linear recurrent neural nets over sequence length" (2018).
    """

    @abc.abstractmethod
    def coefficients(self, xs: Float[Array, "*axes features"]) -> Coefficients:
        """a and b for inputs with any leading axes; both broadcast to the shape of h."""

    @abc.abstractmethod
    def emit(self, h: Array, xs: Float[Array, "*axes features"]) -> Float[Array, "*axes outputs"]:
        """The outputs at states h after inputs xs, on any leading axes."""

    @abc.abstractmethod
    def pack(self, h: Array) -> State:
        """The state that keeps h."""

    @abc.abstractmethod
    def unpack(self, state: State) -> Array:
        """The h that the state keeps."""

    def step(
        self, state: State, x: Float[Array, "*batch features"]
    ) -> tuple[State, Float[Array, "*batch outputs"]]:
        """One step of the recurrence."""
        expect_features(type(self).__name__, x, self.input_size or 0)
        a, b = self.coefficients(x)
        h = a * self.unpack(state) + b
        return self.pack(h), self.emit(h, x)

    def unroll(
        self,
        state: State,
        xs: Float[Array, "time *batch features"],
        *,
        mask: Bool[Array, "time *batch"] | None = None,
        starts: Bool[Array, "time *batch"] | None = None,
    ) -> tuple[State, Float[Array, "time *batch outputs"]]:
        """As `Cell.unroll`, all steps at once."""
        expect_features(type(self).__name__, xs, self.input_size or 0)
        if xs.shape[0] == 0:
            return super().unroll(state, xs, mask=mask, starts=starts)
        if mask is not None:
            # Padding may hold anything, NaN included.
            xs = select(mask, xs, jnp.zeros_like(xs))
        a, b = self.coefficients(xs)
        before = self.unpack(state)
        shape = (xs.shape[0], *before.shape)
        a, b = jnp.broadcast_to(a, shape), jnp.broadcast_to(b, shape)
        if mask is not None:
            a, b = select(mask, (a, b), (jnp.ones_like(a), jnp.zeros_like(b)))
        if starts is not None:
            # Where a sequence begins, what came before counts for nothing.
            fresh = self.unpack(self.initial_state(xs.shape[1:-1]))
            a, b = select(starts, (jnp.zeros_like(a), a * fresh + b), (a, b))
        through = in_turn if jax.default_backend() == "cpu" else at_once
        hs = through(a, b, before)
        ys = self.emit(hs, xs)
        return self.pack(hs[-1]), ys if mask is None else select(mask, ys, jnp.zeros_like(ys))
