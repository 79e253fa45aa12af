"""The LSTM with a recurrent projection."""

from typing import Any

import equinox as eqx
import jax
from jaxtyping import Array, Float, PRNGKeyArray

from tapehead.cell import Cell, expect_features
from tapehead.cells.initialization import beginning, uniform
from tapehead.cells.lstm import GATES, LSTMState, LSTMWeights, draw_weights
from tapehead.errors import at_least


class ProjectedLSTM(Cell):
    """An LSTM whose many cells are seen through a small projection; the output is r_t.

        i_t, f_t, g_t, o_t as in `LSTM`, with r_{t−1} in place of h_{t−1}
        c_t = f_t ∘ c_{t−1} + i_t ∘ g_t        r_t = P (o_t ∘ tanh(c_t))

    **Attributes:**

    - `input_weight`: W, `(4 · hidden_size, input_size)`, the rows of the gates i, f, g, o in turn.
    - `hidden_weight`: U, `(4 · hidden_size, output_size)`, likewise.
    - `bias`: b, `(4 · hidden_size,)`.
    - `projection`: P, `(output_size, hidden_size)`. All are drawn uniformly from ±1/√hidden_size;
        then `forget_bias` (default 1) is added to b_f.

    **Raises:** `UserError` if a size is below 1.

    Source: Sak, Senior and Beaufays, "Long short-term memory recurrent neural network
    architectures for large scale acoustic modeling" (2014), without its peepholes.
    """

    input_weight: Float[Array, "gates inputs"]
    hidden_weight: Float[Array, "gates outputs"]
    bias: Float[Array, " gates"]
    projection: Float[Array, "outputs hidden"]
    input_size: int | None = eqx.field(static=True)
    output_size: int | None = eqx.field(static=True)

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        output_size: int,
        *,
        forget_bias: float = 1.0,
        key: PRNGKeyArray,
    ):
        sizes = {"input_size": input_size, "hidden_size": hidden_size, "output_size": output_size}
        at_least("ProjectedLSTM", 1, **sizes)
        weights_key, projection_key = jax.random.split(key)
        self.input_weight, self.hidden_weight, self.bias = draw_weights(
            input_size, hidden_size, seen=output_size, forget_bias=forget_bias, key=weights_key
        )
        self.projection = uniform(projection_key, (output_size, hidden_size), hidden_size)
        self.input_size = input_size
        self.output_size = output_size

    def initial_state(
        self, batch: tuple[int, ...] = (), *, key: PRNGKeyArray | None = None
    ) -> LSTMState:
        """Zeros; `hidden` is r."""
        outputs = beginning(None, self.hidden_weight, batch)
        return LSTMState(outputs, beginning(None, self.projection, batch))

    @property
    def _weights(self) -> LSTMWeights:
        return LSTMWeights(self.input_weight, self.hidden_weight, self.bias)

    def step(
        self, state: LSTMState, x: Float[Array, "*batch inputs"]
    ) -> tuple[LSTMState, Float[Array, "*batch outputs"]]:
        """One step of the equations above."""
        expect_features("ProjectedLSTM", x, self.input_weight.shape[1])
        (hidden, cell), _ = GATES.forward(self._weights, state, x)
        hidden = hidden @ self.projection.T
        return LSTMState(hidden, cell), hidden

    def observe(self, state: LSTMState, x: Array) -> dict[str, Any]:
        """The gates."""
        _, (i, f, g, o) = GATES.forward(self._weights, state, x)
        return {"input_gate": i, "forget_gate": f, "candidate": g, "output_gate": o}
