"""The minimal gated unit: one gate."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from tapehead.cell import Cell, expect_features
from tapehead.cells.gru import GRUState
from tapehead.cells.initialization import beginning, uniform
from tapehead.errors import at_least


class MGU(Cell):
    """The minimal gated unit: a GRU whose two gates are one; the output is h_t.

        f_t = σ(W_f x_t + U_f h_{t−1} + b_f)
        h̃_t = tanh(W_h x_t + U_h (f_t ∘ h_{t−1}) + b_h)
        h_t = (1 − f_t) ∘ h_{t−1} + f_t ∘ h̃_t

    **Attributes:**

    - `input_weight`: W, `(2 · hidden_size, input_size)`, the rows of f and h̃ in turn.
    - `hidden_weight`: U, `(2 · hidden_size, hidden_size)`, likewise.
    - `bias`: b, `(2 · hidden_size,)`. All three are drawn uniformly from ±1/√hidden_size.

    **Raises:** `UserError` if a size is below 1.

    Source: Zhou, Wu, Zhang and Zhou, "Minimal gated unit for recurrent neural networks" (2016).
    """

    input_weight: Float[Array, "gates inputs"]
    hidden_weight: Float[Array, "gates hidden"]
    bias: Float[Array, " gates"]
    input_size: int | None = eqx.field(static=True)
    output_size: int | None = eqx.field(static=True)

    def __init__(self, input_size: int, hidden_size: int, *, key: PRNGKeyArray):
        at_least("MGU", 1, input_size=input_size, hidden_size=hidden_size)
        input_key, hidden_key, bias_key = jax.random.split(key, 3)
        gates = 2 * hidden_size
        self.input_weight = uniform(input_key, (gates, input_size), hidden_size)
        self.hidden_weight = uniform(hidden_key, (gates, hidden_size), hidden_size)
        self.bias = uniform(bias_key, (gates,), hidden_size)
        self.input_size = input_size
        self.output_size = hidden_size

    def initial_state(
        self, batch: tuple[int, ...] = (), *, key: PRNGKeyArray | None = None
    ) -> GRUState:
        """Zeros."""
        return GRUState(beginning(None, self.hidden_weight, batch))

    def _gates(self, state: GRUState, x: Array) -> tuple[Array, Array]:
        """f and h̃."""
        of_gate, of_candidate = jnp.split(self.hidden_weight, 2)
        gate, candidate = jnp.split(x @ self.input_weight.T + self.bias, 2, axis=-1)
        forget = jax.nn.sigmoid(gate + state.hidden @ of_gate.T)
        return forget, jnp.tanh(candidate + (forget * state.hidden) @ of_candidate.T)

    def step(
        self, state: GRUState, x: Float[Array, "*batch inputs"]
    ) -> tuple[GRUState, Float[Array, "*batch hidden"]]:
        """One step of the equations above."""
        expect_features("MGU", x, self.input_weight.shape[1])
        forget, candidate = self._gates(state, x)
        hidden = state.hidden + forget * (candidate - state.hidden)
        return GRUState(hidden), hidden

    def observe(self, state: GRUState, x: Array) -> dict[str, Any]:
        """The gate and the candidate."""
        forget, candidate = self._gates(state, x)
        return {"forget_gate": forget, "candidate": candidate}
