"""Long short-term memory."""

from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from tapehead.cell import Cell, expect_features
from tapehead.cells.initialization import beginning, uniform
from tapehead.errors import at_least


class LSTMState(NamedTuple):
    """What an `LSTM` carries.

    **Attributes:**

    - `hidden`: h, `(*batch, hidden_size)`.
    - `cell`: c, `(*batch, hidden_size)`.
    """

    hidden: Float[Array, "*batch hidden"]
    cell: Float[Array, "*batch hidden"]


class LSTM(Cell):
    """Long short-term memory with a forget gate; the output is h_t.

        i_t = σ(W_i x_t + U_i h_{t−1} + b_i)        f_t = σ(W_f x_t + U_f h_{t−1} + b_f)
        g_t = tanh(W_g x_t + U_g h_{t−1} + b_g)     o_t = σ(W_o x_t + U_o h_{t−1} + b_o)
        c_t = f_t ∘ c_{t−1} + i_t ∘ g_t             h_t = o_t ∘ tanh(c_t)

    **Attributes:**

    - `input_weight`: W, `(4 · hidden_size, input_size)`, the rows of the gates i, f, g, o in turn.
    - `hidden_weight`: U, `(4 · hidden_size, hidden_size)`, likewise.
    - `bias`: b, `(4 · hidden_size,)`. All three are drawn uniformly from ±1/√hidden_size; then
        `forget_bias` (default 1) is added to b_f, so that the cell begins by remembering.
    - `initial`: the learned state before the first step, with leaves of `(hidden_size,)` that
        begin at zero; `None` if that state is fixed at zero.

    **Raises:** `UserError` if a size is below 1.

    Sources: Hochreiter and Schmidhuber, "Long short-term memory" (1997); Gers, Schmidhuber and
    Cummins, "Learning to forget" (2000) for the forget gate; Jozefowicz et al., "An empirical
    exploration of recurrent network architectures" (2015) for its bias of 1.
    """

    input_weight: Float[Array, "gates inputs"]
    hidden_weight: Float[Array, "gates hidden"]
    bias: Float[Array, " gates"]
    initial: LSTMState | None
    input_size: int | None = eqx.field(static=True)
    output_size: int | None = eqx.field(static=True)

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        learned_initial_state: bool = False,
        forget_bias: float = 1.0,
        key: PRNGKeyArray,
    ):
        at_least("LSTM", 1, input_size=input_size, hidden_size=hidden_size)
        gates = 4 * hidden_size
        input_key, hidden_key, bias_key = jax.random.split(key, 3)
        self.input_weight = uniform(input_key, (gates, input_size), hidden_size)
        self.hidden_weight = uniform(hidden_key, (gates, hidden_size), hidden_size)
        bias = uniform(bias_key, (gates,), hidden_size)
        self.bias = bias.at[hidden_size : 2 * hidden_size].add(forget_bias)
        zeros = jnp.zeros(hidden_size, jnp.float32)
        self.initial = LSTMState(zeros, zeros) if learned_initial_state else None
        self.input_size = input_size
        self.output_size = hidden_size

    def initial_state(
        self, batch: tuple[int, ...] = (), *, key: PRNGKeyArray | None = None
    ) -> LSTMState:
        """Zeros, or the learned state."""
        learned = self.initial or (None, None)
        return LSTMState(*(beginning(leaf, self.hidden_weight, batch) for leaf in learned))

    def _gates(self, hidden: Array, x: Array) -> tuple[Array, Array, Array, Array]:
        """i, f, g, o."""
        expect_features("LSTM", x, self.input_weight.shape[1])
        net = x @ self.input_weight.T + hidden @ self.hidden_weight.T + self.bias
        i, f, g, o = jnp.split(net, 4, axis=-1)
        return jax.nn.sigmoid(i), jax.nn.sigmoid(f), jnp.tanh(g), jax.nn.sigmoid(o)

    def step(
        self, state: LSTMState, x: Float[Array, "*batch inputs"]
    ) -> tuple[LSTMState, Float[Array, "*batch hidden"]]:
        """One step of the equations above."""
        i, f, g, o = self._gates(state.hidden, x)
        cell = f * state.cell + i * g
        hidden = o * jnp.tanh(cell)
        return LSTMState(hidden, cell), hidden

    def observe(self, state: LSTMState, x: Array) -> dict[str, Any]:
        """The gates."""
        i, f, g, o = self._gates(state.hidden, x)
        return {"input_gate": i, "forget_gate": f, "candidate": g, "output_gate": o}
