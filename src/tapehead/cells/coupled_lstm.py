"""The LSTM whose input and forget gates are one."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from tapehead.cell import Cell, expect_features
from tapehead.cells.initialization import beginning
from tapehead.cells.lstm import LSTMState, draw_weights
from tapehead.errors import at_least


class CoupledLSTM(Cell):
    """An LSTM with a coupled input and forget gate (CIFG); the output is h_t.

        f_t = σ(W_f x_t + U_f h_{t−1} + b_f)      g_t = tanh(W_g x_t + U_g h_{t−1} + b_g)
        o_t = σ(W_o x_t + U_o h_{t−1} + b_o)
        c_t = f_t ∘ c_{t−1} + (1 − f_t) ∘ g_t     h_t = o_t ∘ tanh(c_t)

    **Attributes:**

    - `input_weight`: W, `(3 · hidden_size, input_size)`, the rows of f, g, o in turn.
    - `hidden_weight`: U, `(3 · hidden_size, hidden_size)`, likewise.
    - `bias`: b, `(3 · hidden_size,)`. All three are drawn uniformly from ±1/√hidden_size; then
        `forget_bias` (default 1) is added to b_f.

    **Raises:** `UserError` if a size is below 1.

    Source: Greff, Srivastava, Koutník, Steunebrink and Schmidhuber, "LSTM: a search space odyssey"
    (2017), variant CIFG.
    """

    input_weight: Float[Array, "gates inputs"]
    hidden_weight: Float[Array, "gates hidden"]
    bias: Float[Array, " gates"]
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
        at_least("CoupledLSTM", 1, input_size=input_size, hidden_size=hidden_size)
        self.input_weight, self.hidden_weight, self.bias = draw_weights(
            input_size, hidden_size, gates=3, forget=0, forget_bias=forget_bias, key=key
        )
        self.input_size = input_size
        self.output_size = hidden_size

    def initial_state(
        self, batch: tuple[int, ...] = (), *, key: PRNGKeyArray | None = None
    ) -> LSTMState:
        """Zeros."""
        zeros = beginning(None, self.hidden_weight, batch)
        return LSTMState(zeros, zeros)

    def _gates(self, state: LSTMState, x: Array) -> tuple[Array, Array, Array]:
        net = x @ self.input_weight.T + state.hidden @ self.hidden_weight.T + self.bias
        f, g, o = jnp.split(net, 3, axis=-1)
        return jax.nn.sigmoid(f), jnp.tanh(g), jax.nn.sigmoid(o)

    def step(
        self, state: LSTMState, x: Float[Array, "*batch inputs"]
    ) -> tuple[LSTMState, Float[Array, "*batch hidden"]]:
        """One step of the equations above."""
        expect_features("CoupledLSTM", x, self.input_weight.shape[1])
        f, g, o = self._gates(state, x)
        cell = f * state.cell + (1 - f) * g
        hidden = o * jnp.tanh(cell)
        return LSTMState(hidden, cell), hidden

    def observe(self, state: LSTMState, x: Array) -> dict[str, Any]:
        """The gates."""
        f, g, o = self._gates(state, x)
        return {"forget_gate": f, "candidate": g, "output_gate": o}
