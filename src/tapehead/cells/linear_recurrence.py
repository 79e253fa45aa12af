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
    """All h of h_t = a_t ∘ h_{t−1} + b_t from the one before, by `jax.lax.associative_scan`.

    `a` has one step where it is the same for all of them.
    """

    def compose(first: Coefficients, second: Coefficients) -> Coefficients:
        return first[0] * second[0], second[0] * first[1] + second[1]

    a = jnp.broadcast_to(a, b.shape)
    return jax.lax.associative_scan(compose, (a, b.at[0].add(a[0] * before)))[1]


Parts = tuple[Array, ...]
"""A number as its real part, and its imaginary part if it has one.

Products of complex numbers are written out: a CPU's compiler does not vectorise them.
"""


def _parts(x: Array) -> Parts:
    return (x.real, x.imag) if jnp.iscomplexobj(x) else (x,)


def _whole(parts: Parts) -> Array:
    return jax.lax.complex(*parts) if len(parts) == 2 else parts[0]


def _product(a: Parts, h: Parts) -> Parts:
    if len(a) == 1:
        return (a[0] * h[0],)
    return a[0] * h[0] - a[1] * h[1], a[0] * h[1] + a[1] * h[0]


def _now(a: Array, scanned: Parts | None) -> Parts:
    """a at one step: as it was scanned over, or the one that is the same for all."""
    return tuple(x[0] for x in _parts(a)) if scanned is None else scanned


@jax.custom_vjp
def in_turn(a: Array, b: Array, before: Array) -> Array:
    """The same, one step after the other; the gradient likewise, from the last to the first."""
    return _forward(a, b, before)[0]


def _forward(a: Array, b: Array, before: Array) -> tuple[Array, tuple[Array, Array, Array]]:
    same = a.shape[0] == 1

    def step(h: Parts, inputs: tuple[Parts | None, Parts]) -> tuple[Parts, Parts]:
        product = _product(_now(a, inputs[0]), h)
        h = tuple(p + x for p, x in zip(product, inputs[1], strict=True))
        return h, h

    steps = (None if same else _parts(a), _parts(b))
    hs = _whole(jax.lax.scan(step, _parts(before), steps)[1])
    return hs, (a, hs, before)


def _backward(kept: tuple[Array, Array, Array], of_hs: Array) -> tuple[Array, Array, Array]:
    a, hs, before = kept
    same = a.shape[0] == 1

    def step(later: Parts, inputs: tuple[Parts | None, Parts]) -> tuple[Parts, Parts]:
        of_h = tuple(x + p for x, p in zip(inputs[1], later, strict=True))
        return _product(_now(a, inputs[0]), of_h), of_h

    steps = (None if same else _parts(a), _parts(of_hs))
    zeros = jax.tree.map(jnp.zeros_like, _parts(before))
    of_before, of_b = jax.lax.scan(step, zeros, steps, reverse=True)
    earlier = jnp.concatenate([before[None], hs[:-1]])
    of_a = _whole(_product(of_b, _parts(earlier)))
    if same:
        of_a = jnp.sum(of_a, axis=0, keepdims=True)
    return of_a, _whole(of_b), _whole(of_before)


in_turn.defvjp(_forward, _backward)


def recurrence(a: Array, b: Array, before: Array) -> Array:
    """All h of h_t = a_t ∘ h_{t−1} + b_t: in turn on a CPU, where that is faster, else at once."""
    through = in_turn if jax.default_backend() == "cpu" else at_once
    return through(a, b, before)


class LinearRecurrence(Cell):
    """A cell with h_t = a_t ∘ h_{t−1} + b_t, where a_t and b_t depend on x_t alone.

    A subclass says what a and b are (`coefficients`) and what comes of h (`emit`), and with
    `pack` and `unpack` how h is kept in the state. `step` follows the equation. `unroll` makes the
    coefficients of all steps together; then it goes through them at once on an accelerator, and in
    turn on a CPU, where that takes less time (and has a gradient in reverse mode only).

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
        fixed = a.ndim < len(shape) and mask is None and starts is None
        a = jnp.broadcast_to(a, (1, *before.shape) if fixed else shape)
        b = jnp.broadcast_to(b, shape)
        if mask is not None:
            a, b = select(mask, (a, b), (jnp.ones_like(a), jnp.zeros_like(b)))
        if starts is not None:
            # Where a sequence begins, what came before counts for nothing.
            fresh = self.unpack(self.initial_state(xs.shape[1:-1]))
            a, b = select(starts, (jnp.zeros_like(a), a * fresh + b), (a, b))
        hs = recurrence(a, b, before)
        ys = self.emit(hs, xs)
        return self.pack(hs[-1]), ys if mask is None else select(mask, ys, jnp.zeros_like(ys))
