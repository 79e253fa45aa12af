"""sLSTM: exponential gates that compete, and a memory that mixes."""

from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from tapehead.cell import Cell, expect_features
from tapehead.cells.initialization import uniform
from tapehead.errors import at_least, multiple_of

FAR_BELOW = -1e30
"""A logarithm of nothing: finite, so that differences of two of them are 0 rather than NaN."""


class SLSTMState(NamedTuple):
    """What an `SLSTM` carries, each `(*batch, hidden_size)`.

    **Attributes:**

    - `hidden`: h.
    - `cell`: c, divided by exp(m).
    - `normalizer`: n, divided by exp(m).
    - `stabilizer`: m, a logarithm that keeps both in range.
    """

    hidden: Float[Array, "*batch hidden"]
    cell: Float[Array, "*batch hidden"]
    normalizer: Float[Array, "*batch hidden"]
    stabilizer: Float[Array, "*batch hidden"]


class SLSTM(Cell):
    """The scalar LSTM of xLSTM: exponential gates with a normaliser; the output is h_t.

        z_t = tanh(W_z x_t + R_z h_{t−1} + b_z)      o_t = σ(W_o x_t + R_o h_{t−1} + b_o)
        ĩ_t = W_i x_t + R_i h_{t−1} + b_i            f̃_t = W_f x_t + R_f h_{t−1} + b_f
        m_t = max(log σ(f̃_t) + m_{t−1}, ĩ_t)
        f_t = exp(log σ(f̃_t) + m_{t−1} − m_t)        i_t = exp(ĩ_t − m_t)
        c_t = f_t ∘ c_{t−1} + i_t ∘ z_t              n_t = f_t ∘ n_{t−1} + i_t
        h_t = o_t ∘ c_t / n_t

    The matrices R are block-diagonal: the units of a head see only each other. m changes nothing
    but the scale of c and n, which cancels. It begins far below any ĩ, so that the first step
    forgets nothing but zeros and n_1 is 1.

    **Attributes:**

    - `input_weight`: W, `(4 · hidden_size, input_size)`, the rows of z, i, f, o in turn.
    - `hidden_weight`: R, `(4, heads, hidden_size / heads, hidden_size / heads)`, in that order.
    - `bias`: b, `(4 · hidden_size,)`. All three are drawn uniformly from ±1/√hidden_size; then
        `forget_bias` (default 1) is added to b_f.

    **Raises:** `UserError` if a size is below 1, or `hidden_size` is not a multiple of `heads`.

    Source: Beck et al., "xLSTM: extended long short-term memory" (2024), section 2.2 and
    appendix A.2.
    """

    input_weight: Float[Array, "gates inputs"]
    hidden_weight: Float[Array, "4 heads units units"]
    bias: Float[Array, " gates"]
    input_size: int | None = eqx.field(static=True)
    output_size: int | None = eqx.field(static=True)

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        heads: int = 1,
        forget_bias: float = 1.0,
        key: PRNGKeyArray,
    ):
        at_least("SLSTM", 1, input_size=input_size, hidden_size=hidden_size, heads=heads)
        multiple_of("SLSTM", "heads", heads, hidden_size=hidden_size)
        input_key, hidden_key, bias_key = jax.random.split(key, 3)
        units = hidden_size // heads
        self.input_weight = uniform(input_key, (4 * hidden_size, input_size), hidden_size)
        self.hidden_weight = uniform(hidden_key, (4, heads, units, units), hidden_size)
        bias = uniform(bias_key, (4 * hidden_size,), hidden_size)
        self.bias = bias.at[2 * hidden_size : 3 * hidden_size].add(forget_bias)
        self.input_size = input_size
        self.output_size = hidden_size

    def initial_state(
        self, batch: tuple[int, ...] = (), *, key: PRNGKeyArray | None = None
    ) -> SLSTMState:
        """Zeros, and a stabilizer far below."""
        zeros = jnp.zeros((*batch, self.bias.shape[0] // 4), self.bias.dtype)
        return SLSTMState(zeros, zeros, zeros, zeros + FAR_BELOW)

    def _gates(self, state: SLSTMState, x: Array) -> tuple[Array, Array, Array, Array]:
        """z, ĩ, log σ(f̃) and o."""
        _, heads, units, _ = self.hidden_weight.shape
        hidden = state.hidden.reshape(*state.hidden.shape[:-1], heads, units)
        mixed = jnp.einsum("ghuv,...hv->...ghu", self.hidden_weight, hidden)
        net = x @ self.input_weight.T + mixed.reshape(*x.shape[:-1], -1) + self.bias
        z, enter, forget, o = jnp.split(net, 4, axis=-1)
        return jnp.tanh(z), enter, jax.nn.log_sigmoid(forget), jax.nn.sigmoid(o)

    def step(
        self, state: SLSTMState, x: Float[Array, "*batch inputs"]
    ) -> tuple[SLSTMState, Float[Array, "*batch hidden"]]:
        """One step of the equations above."""
        expect_features("SLSTM", x, self.input_weight.shape[1])
        z, enter, forget, o = self._gates(state, x)
        stabilizer = jnp.maximum(forget + state.stabilizer, enter)
        forget = jnp.exp(forget + state.stabilizer - stabilizer)
        enter = jnp.exp(enter - stabilizer)
        cell = forget * state.cell + enter * z
        normalizer = forget * state.normalizer + enter
        hidden = o * cell / normalizer
        return SLSTMState(hidden, cell, normalizer, stabilizer), hidden

    def observe(self, state: SLSTMState, x: Array) -> dict[str, Any]:
        """The gates before their exponential, the candidate and the output gate."""
        z, enter, forget, o = self._gates(state, x)
        return {
            "candidate": z,
            "log_input_gate": enter,
            "log_forget_gate": forget,
            "output_gate": o,
        }
