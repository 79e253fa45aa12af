"""Unbiased estimates of the influence of rank one: UORO and NoBackTrack."""

import abc
from collections.abc import Callable
from typing import ClassVar, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from tapehead.errors import at_least
from tapehead.learning.forward import Forward
from tapehead.learning.rule import Exactness
from tapehead.learning.sparsity import sparsity_of
from tapehead.learning.view import Step, View

EPSILON = 1e-7
"""Keeps ratios of lengths finite where one of them is 0."""


class RankOne(NamedTuple):
    """J as the mean of products: J ≈ (1 / traces) Σ s̃ θ̃ᵀ.

    **Attributes:**

    - `state`: s̃, `(traces, size)`.
    - `parameters`: θ̃, `(traces, parameters)`.
    - `key`: what the signs to come are drawn from.
    """

    state: Float[Array, "traces size"]
    parameters: Float[Array, "traces parameters"]
    key: PRNGKeyArray


def length(x: Float[Array, "*batch n"]) -> Float[Array, "*batch 1"]:
    """The Euclidean length over the last axis, above 0."""
    return jnp.linalg.norm(x, axis=-1, keepdims=True) + EPSILON


def signs(key: PRNGKeyArray, shape: tuple[int, ...], dtype: jnp.dtype) -> Array:
    """±1, each as likely."""
    return jax.random.rademacher(key, shape, dtype)


class RandomForward(Forward):
    """Rules that carry s̃ θ̃ᵀ, whose mean over their own random signs is J."""

    traces: eqx.AbstractVar[int]

    def __check_init__(self):
        at_least(type(self).__name__, 1, traces=self.traces)

    @abc.abstractmethod
    def scales(
        self, view: View, pull: Callable[[Array], Array], noise: Float[Array, "traces size"]
    ) -> tuple[Float[Array, "traces size"], Float[Array, "traces parameters"]]:
        """A new product whose mean is I: ρ ∘ ν, and (ν / ρ)ᵀ I, from the signs ν."""

    def start(self, view: View, pull: Callable[[Array], Array], key: PRNGKeyArray) -> RankOne:
        """A product whose mean is J_0."""
        now, later = jax.random.split(key)
        noise = signs(now, (self.traces, view.size), view.dtype)
        return RankOne(*self.scales(view, pull, noise), later)

    def advance(self, view: View, step: Step, influence: RankOne) -> RankOne:
        """ρ₀ D s̃ + ρ ∘ ν, and θ̃ / ρ₀ + (ν / ρ)ᵀ I."""
        now, later = jax.random.split(influence.key)
        pushed = step.push(influence.state)
        balance = jnp.sqrt(length(influence.parameters) / length(pushed))
        noise = signs(now, influence.state.shape, view.dtype)
        state, parameters = self.scales(view, step.pull, noise)
        return RankOne(balance * pushed + state, influence.parameters / balance + parameters, later)

    def credit(self, view: View, influence: RankOne, row: Array) -> Array:
        """The mean over the traces of (row · s̃) θ̃."""
        return (influence.state @ row) @ influence.parameters / self.traces


class UORO(RandomForward):
    """Unbiased online recurrent optimisation: J as one random product s̃ θ̃ᵀ.

        s̃ ← ρ₀ D s̃ + ρ₁ ν               ν random, each ±1
        θ̃ ← θ̃ / ρ₀ + νᵀ I / ρ₁
        ρ₀ = √(|θ̃| / |D s̃|)              ρ₁ = √(|νᵀ I| / |ν|)

    - *Exact for*: its mean over ν, for every cell, while the parameters are held. *Biased by*: an
      online run.
    - *Variance*: large, and larger with the numbers of state; ρ₀ and ρ₁ make it smaller. A trace
      more divides it, as a sequence more does. It wants small learning rates.
    - *Memory*: as many numbers as parameters and state for each trace and sequence. *Time*: a
      forward pass, a tangent and two backward passes; where a cell has its gradient in reverse
      mode only (NTM, DNC, pondering), as many backward passes as numbers of state.
    - *Cannot*: give a single sequence's gradient any precision.

    **Arguments:**

    - `traces`: how many independent products are averaged, at least 1 (default 1).
    - `window`: steps between two updates of an online run; `None` (default) for whole sequences.
    - `gigabytes`: how large the traces of a batch may become, above 0 (default 4).

    Source: Tallec and Ollivier, "Unbiased online recurrent optimization" (2017).
    """

    exact: ClassVar[Exactness] = "average"
    traces: int = eqx.field(static=True, default=1)
    window: int | None = eqx.field(static=True, default=None)
    gigabytes: float = eqx.field(static=True, default=4.0)

    def scales(
        self, view: View, pull: Callable[[Array], Array], noise: Array
    ) -> tuple[Array, Array]:
        """One ρ₁ for all numbers of state."""
        pulled = pull(noise)
        scale = jnp.sqrt(length(pulled) / length(noise))
        return scale * noise, pulled / scale


class NoBackTrack(RandomForward):
    """NoBackTrack: as UORO, with a ρ of its own for every number of state.

        s̃ ← ρ₀ D s̃ + Σ_i ρ_i ν_i e_i      θ̃ ← θ̃ / ρ₀ + Σ_i ν_i I_i / ρ_i
        ρ_i = √|I_i|                       I_i the row of I of the i-th number

    - *Exact for*: its mean, as `UORO`. *Biased by*: an online run.
    - *Variance*: somewhat below that of `UORO`, the more the lengths of I's rows differ.
    - *Memory*: as `UORO`. *Time*: as `UORO`, and the lengths of I's rows: a backward pass where no
      parameter has part in two numbers' nets, two for an LSTM, up to one for each number.
    - *Cannot*: as `UORO`; refused where I is too large to be looked at.

    **Arguments:**

    - `traces`: how many independent products are averaged, at least 1 (default 1).
    - `window`: steps between two updates of an online run; `None` (default) for whole sequences.
    - `gigabytes`: how large the traces of a batch may become, above 0 (default 4).

    Source: Ollivier, Tallec and Charpiat, "Training recurrent networks online without backtracking"
    (2015).
    """

    exact: ClassVar[Exactness] = "average"
    traces: int = eqx.field(static=True, default=1)
    window: int | None = eqx.field(static=True, default=None)
    gigabytes: float = eqx.field(static=True, default=4.0)

    def scratch(self, view: View) -> int:
        """What the rows' lengths are found from."""
        return len(sparsity_of("NoBackTrack", view, 1).pulls) * view.parameters.size

    def scales(
        self, view: View, pull: Callable[[Array], Array], noise: Array
    ) -> tuple[Array, Array]:
        """A ρ for each number of state."""
        sparsity = sparsity_of("NoBackTrack", view, 1)
        packed = sparsity.pack(pull(jnp.asarray(sparsity.pulls, view.dtype)))
        scale = jnp.sqrt(jnp.sqrt(sparsity.squares(packed, view.size)) + EPSILON)
        return scale * noise, pull(noise / scale)
