"""The LSTM with layer normalisation inside."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from tapehead.cell import Cell, expect_features
from tapehead.cells.initialization import beginning
from tapehead.cells.layers import LayerNorm
from tapehead.cells.lstm import LSTMState, draw_weights
from tapehead.errors import at_least


class LayerNormLSTM(Cell):
    """An LSTM that normalises what enters its gates and its cell's output; the output is h_t.

        (i, f, g, o) = LN(W x_t) + LN(U h_{t−1}) + b
        c_t = σ(f) ∘ c_{t−1} + σ(i) ∘ tanh(g)        h_t = σ(o) ∘ tanh(LN(c_t))

    Each LN is a layer normalisation over all features with a gain and an offset of its own.

    **Attributes:**

    - `input_weight`, `hidden_weight`, `bias`: W, U and b as in `LSTM`.
    - `input_norm`, `hidden_norm`, `cell_norm`: the three normalisations.

    **Raises:** `UserError` if a size is below 1.

    Source: Ba, Kiros and Hinton, "Layer normalization" (2016), supplementary material.
    """

    input_weight: Float[Array, "gates inputs"]
    hidden_weight: Float[Array, "gates hidden"]
    bias: Float[Array, " gates"]
    input_norm: LayerNorm
    hidden_norm: LayerNorm
    cell_norm: LayerNorm
    input_size: int | None = eqx.field(static=True)
    output_size: int | None = eqx.field(static=True)

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        forget_bias: float = 1.0,
        key: PRNGKeyArray,
    ):
        at_least("LayerNormLSTM", 1, input_size=input_size, hidden_size=hidden_size)
        self.input_weight, self.hidden_weight, self.bias = draw_weights(
            input_size, hidden_size, forget_bias=forget_bias, key=key
        )
        gates = 4 * hidden_size
        self.input_norm, self.hidden_norm = LayerNorm(gates), LayerNorm(gates)
        self.cell_norm = LayerNorm(hidden_size)
        self.input_size = input_size
        self.output_size = hidden_size

    def initial_state(
        self, batch: tuple[int, ...] = (), *, key: PRNGKeyArray | None = None
    ) -> LSTMState:
        """Zeros."""
        zeros = beginning(None, self.hidden_weight, batch)
        return LSTMState(zeros, zeros)

    def _gates(self, state: LSTMState, x: Array) -> tuple[Array, Array, Array, Array]:
        of_input = self.input_norm(x @ self.input_weight.T)
        of_hidden = self.hidden_norm(state.hidden @ self.hidden_weight.T)
        i, f, g, o = jnp.split(of_input + of_hidden + self.bias, 4, axis=-1)
        return jax.nn.sigmoid(i), jax.nn.sigmoid(f), jnp.tanh(g), jax.nn.sigmoid(o)

    def step(
        self, state: LSTMState, x: Float[Array, "*batch inputs"]
    ) -> tuple[LSTMState, Float[Array, "*batch hidden"]]:
        """One step of the equations above."""
        expect_features("LayerNormLSTM", x, self.input_weight.shape[1])
        i, f, g, o = self._gates(state, x)
        cell = f * state.cell + i * g
        hidden = o * jnp.tanh(self.cell_norm(cell))
        return LSTMState(hidden, cell), hidden

    def observe(self, state: LSTMState, x: Array) -> dict[str, Any]:
        """The gates."""
        i, f, g, o = self._gates(state, x)
        return {"input_gate": i, "forget_gate": f, "candidate": g, "output_gate": o}
