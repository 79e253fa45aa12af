"""The selective state space layer, the recurrence of Mamba."""

import math
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from tapehead.cells.initialization import uniform
from tapehead.cells.linear_recurrence import Coefficients, LinearRecurrence
from tapehead.errors import UserError, at_least


class SelectiveState(NamedTuple):
    """What a `SelectiveSSM` carries.

    **Attributes:**

    - `states`: h, `(*batch, features, modes)`.
    """

    states: Float[Array, "*batch features modes"]


class SelectiveSSM(LinearRecurrence):
    """The gated selective state space: every feature has states that its input steps, fills, reads.

        Δ_t = softplus(W_Δ x_t + b_Δ)              how far each feature's states go on
        B_t = W_B x_t        C_t = W_C x_t         what fills the states, and what reads them
        h_t = exp(Δ_t A) ∘ h_{t−1} + (Δ_t ∘ x_t) B_tᵀ        A = −exp(a) < 0
        y_t = h_t C_t + D ∘ x_t

    A feature whose Δ is near 0 is passed over: its states stay as they are. Output and input have
    the same features. The convolution, the gate and the projections of a whole Mamba block are
    other layers; this is its recurrence.

    **Attributes:**

    - `step_weight`, `step_bias`: W_Δ, `(features, features)`, and b_Δ, `(features,)`. At the start
        softplus(b_Δ) is drawn evenly on a logarithmic scale from `steps`.
    - `fill_weight`, `read_weight`: W_B and W_C, `(modes, features)`, uniform in ±1/√features.
    - `decay`: a, `(features, modes)`; begins at log 1, log 2, …, log modes.
    - `skip`: D, `(features,)`; begins at 1.

    **Raises:** `UserError` if a size is below 1, or not 0 < `steps[0]` < `steps[1]`.

    Source: Gu and Dao, "Mamba: linear-time sequence modeling with selective state spaces" (2023),
    algorithm 2 and section 3.6.
    """

    step_weight: Float[Array, "features features"]
    step_bias: Float[Array, " features"]
    fill_weight: Float[Array, "modes features"]
    read_weight: Float[Array, "modes features"]
    decay: Float[Array, "features modes"]
    skip: Float[Array, " features"]
    input_size: int | None = eqx.field(static=True)
    output_size: int | None = eqx.field(static=True)

    def __init__(
        self,
        features: int,
        *,
        modes: int = 16,
        steps: tuple[float, float] = (0.001, 0.1),
        key: PRNGKeyArray,
    ):
        at_least("SelectiveSSM", 1, features=features, modes=modes)
        low, high = steps
        if not 0 < low < high:
            raise UserError(f"SelectiveSSM: expected 0 < low < high for the steps, got {steps}")
        step_key, bias_key, fill_key, read_key = jax.random.split(key, 4)
        self.step_weight = uniform(step_key, (features, features), features)
        step = jnp.exp(
            jax.random.uniform(bias_key, (features,), jnp.float32, math.log(low), math.log(high))
        )
        self.step_bias = step + jnp.log(-jnp.expm1(-step))  # the inverse of softplus
        self.fill_weight = uniform(fill_key, (modes, features), features)
        self.read_weight = uniform(read_key, (modes, features), features)
        rates = jnp.log(jnp.arange(1, modes + 1, dtype=jnp.float32))
        self.decay = jnp.broadcast_to(rates, (features, modes))
        self.skip = jnp.ones(features, jnp.float32)
        self.input_size = features
        self.output_size = features

    def initial_state(
        self, batch: tuple[int, ...] = (), *, key: PRNGKeyArray | None = None
    ) -> SelectiveState:
        """Zeros."""
        return SelectiveState(jnp.zeros((*batch, *self.decay.shape), self.decay.dtype))

    def _steps(self, xs: Array) -> Array:
        return jax.nn.softplus(xs @ self.step_weight.T + self.step_bias)

    def coefficients(self, xs: Float[Array, "*axes features"]) -> Coefficients:
        """exp(Δ A) and (Δ ∘ x) Bᵀ."""
        steps = self._steps(xs)
        fill = xs @ self.fill_weight.T
        kept = jnp.exp(-steps[..., None] * jnp.exp(self.decay))
        return kept, (steps * xs)[..., None] * fill[..., None, :]

    def emit(
        self, h: Float[Array, "*axes features modes"], xs: Float[Array, "*axes features"]
    ) -> Float[Array, "*axes features"]:
        """h C + D ∘ x."""
        return jnp.einsum("...fm,...m->...f", h, xs @ self.read_weight.T) + self.skip * xs

    def pack(self, h: Array) -> SelectiveState:
        """h by its name."""
        return SelectiveState(h)

    def unpack(self, state: SelectiveState) -> Array:
        """h."""
        return state.states

    def observe(self, state: SelectiveState, x: Array) -> dict[str, Any]:
        """How far each feature's states go on."""
        return {"step_size": self._steps(x)}
