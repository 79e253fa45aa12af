"""`LinearRecurrence`: cells whose state is a linear function of the state before.

Because h_t = a_t ∘ h_{t−1} + b_t is linear in h and its coefficients do not depend on it, all steps
of a sequence can be computed at once, in a number of parallel stages that grows with the logarithm
of its length.
"""

import abc
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from tapehead.cell import Cell, State, expect_features, select

Coefficients = tuple[Any, Any]
"""a and b of h_t = a_t ∘ h_{t−1} + b_t: trees of arrays that lead with the time and batch axes."""


def _compose(first: Coefficients, second: Coefficients) -> Coefficients:
    """The recurrence that does `first` and then `second`."""

    def scale(a: Array, b: Array) -> Array:
        return b * a

    def shift(a: Array, b_first: Array, b_second: Array) -> Array:
        return a * b_first + b_second

    return (
        jax.tree.map(scale, first[0], second[0]),
        jax.tree.map(shift, second[0], first[1], second[1]),
    )


class LinearRecurrence(Cell):
    """A cell with h_t = a_t ∘ h_{t−1} + b_t, where a_t and b_t depend on x_t alone.

    A subclass says what a and b are (`coefficients`) and what comes of h (`emit`), and with
    `pack` and `unpack` how h is kept in the state. `step` follows the equation; `unroll` computes
    all steps at once with `jax.lax.associative_scan`, and can be differentiated in either mode.

    Source: Blelloch, "Prefix sums and their applications" (1990); Martin and Cundy,
    "Parallelizing linear recurrent neural nets over sequence length" (2018).
    """

    @abc.abstractmethod
    def coefficients(self, xs: Float[Array, "*axes features"]) -> Coefficients:
        """a and b for inputs with any leading axes; both broadcast to the shape of h."""

    @abc.abstractmethod
    def emit(self, h: Any, xs: Float[Array, "*axes features"]) -> Float[Array, "*axes outputs"]:
        """The outputs at states h after inputs xs, on any leading axes."""

    @abc.abstractmethod
    def pack(self, h: Any) -> State:
        """The state that keeps h."""

    @abc.abstractmethod
    def unpack(self, state: State) -> Any:
        """The h that the state keeps."""

    def step(
        self, state: State, x: Float[Array, "*batch features"]
    ) -> tuple[State, Float[Array, "*batch outputs"]]:
        """One step of the recurrence."""
        expect_features(type(self).__name__, x, self.input_size or 0)
        a, b = self.coefficients(x)
        h = jax.tree.map(lambda a, b, h: a * h + b, a, b, self.unpack(state))
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
        axes = xs.shape[:-1]
        a, b = (
            jax.tree.map(lambda h, c: jnp.broadcast_to(c, (axes[0], *h.shape)), before, c)
            for c in (a, b)
        )
        if mask is not None:
            a = select(mask, a, jax.tree.map(jnp.ones_like, a))
            b = select(mask, b, jax.tree.map(jnp.zeros_like, b))
        if starts is not None:
            # Where a sequence begins, what came before counts for nothing.
            fresh = self.unpack(self.initial_state(axes[1:]))
            b = select(starts, jax.tree.map(lambda a, b, h: a * h + b, a, b, fresh), b)
            a = select(starts, jax.tree.map(jnp.zeros_like, a), a)
        b = jax.tree.map(lambda a, b, h: b.at[0].add(a[0] * h), a, b, before)
        hs = jax.lax.associative_scan(_compose, (a, b))[1]
        ys = self.emit(hs, xs)
        last = self.pack(jax.tree.map(lambda h: h[-1], hs))
        return last, ys if mask is None else select(mask, ys, jnp.zeros_like(ys))
