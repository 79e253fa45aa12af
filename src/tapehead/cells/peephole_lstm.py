"""The LSTM whose gates see the cell."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from tapehead.cell import Cell, expect_features
from tapehead.cells.initialization import beginning, uniform
from tapehead.cells.lstm import LSTMState, draw_weights
from tapehead.errors import at_least


class PeepholeLSTM(Cell):
    """An LSTM with peepholes from the cell to its gates; the output is h_t.

        i_t = σ(W_i x_t + U_i h_{t−1} + p_i ∘ c_{t−1} + b_i)
        f_t = σ(W_f x_t + U_f h_{t−1} + p_f ∘ c_{t−1} + b_f)
        g_t = tanh(W_g x_t + U_g h_{t−1} + b_g)
        c_t = f_t ∘ c_{t−1} + i_t ∘ g_t
        o_t = σ(W_o x_t + U_o h_{t−1} + p_o ∘ c_t + b_o)
        h_t = o_t ∘ tanh(c_t)

    **Attributes:**

    - `input_weight`, `hidden_weight`, `bias`: W, U and b as in `LSTM`.
    - `peephole`: p of the gates i, f, o in turn, `(3, hidden_size)`; drawn like the others,
        uniformly from ±1/√hidden_size.

    **Raises:** `UserError` if a size is below 1.

    Source: Gers and Schmidhuber, "Recurrent nets that time and count" (2000); Gers, Schraudolph
    and Schmidhuber, "Learning precise timing with LSTM recurrent networks" (2002).
    """

    input_weight: Float[Array, "gates inputs"]
    hidden_weight: Float[Array, "gates hidden"]
    bias: Float[Array, " gates"]
    peephole: Float[Array, "3 hidden"]
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
        at_least("PeepholeLSTM", 1, input_size=input_size, hidden_size=hidden_size)
        weights_key, peephole_key = jax.random.split(key)
        self.input_weight, self.hidden_weight, self.bias = draw_weights(
            input_size, hidden_size, forget_bias=forget_bias, key=weights_key
        )
        self.peephole = uniform(peephole_key, (3, hidden_size), hidden_size)
        self.input_size = input_size
        self.output_size = hidden_size

    def initial_state(
        self, batch: tuple[int, ...] = (), *, key: PRNGKeyArray | None = None
    ) -> LSTMState:
        """Zeros."""
        zeros = beginning(None, self.hidden_weight, batch)
        return LSTMState(zeros, zeros)

    def _gates(self, state: LSTMState, x: Array) -> tuple[Array, Array, Array, Array, Array]:
        """i, f, g, o and the new cell."""
        net = x @ self.input_weight.T + state.hidden @ self.hidden_weight.T + self.bias
        i, f, g, o = jnp.split(net, 4, axis=-1)
        of_i, of_f, of_o = self.peephole
        i = jax.nn.sigmoid(i + of_i * state.cell)
        f = jax.nn.sigmoid(f + of_f * state.cell)
        g = jnp.tanh(g)
        cell = f * state.cell + i * g
        return i, f, g, jax.nn.sigmoid(o + of_o * cell), cell

    def step(
        self, state: LSTMState, x: Float[Array, "*batch inputs"]
    ) -> tuple[LSTMState, Float[Array, "*batch hidden"]]:
        """One step of the equations above."""
        expect_features("PeepholeLSTM", x, self.input_weight.shape[1])
        *_, o, cell = self._gates(state, x)
        hidden = o * jnp.tanh(cell)
        return LSTMState(hidden, cell), hidden

    def observe(self, state: LSTMState, x: Array) -> dict[str, Any]:
        """The gates."""
        i, f, g, o, _ = self._gates(state, x)
        return {"input_gate": i, "forget_gate": f, "candidate": g, "output_gate": o}
