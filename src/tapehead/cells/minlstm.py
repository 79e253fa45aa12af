"""The minimal LSTM that can be trained in parallel over time."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from tapehead.cells.hidden_recurrence import HiddenRecurrence, HiddenState
from tapehead.cells.initialization import lasting_bias, uniform
from tapehead.cells.linear_recurrence import Coefficients
from tapehead.errors import at_least


class MinLSTM(HiddenRecurrence):
    """The minimal LSTM: forget and input gates that do not see the state and sum to 1.

        f_t = σ(W_f x_t + b_f)        i_t = σ(W_i x_t + b_i)        h̃_t = W_h x_t + b_h
        f'_t = f_t / (f_t + i_t)      i'_t = i_t / (f_t + i_t)
        h_t = f'_t ∘ h_{t−1} + i'_t ∘ h̃_t

    The output is h_t. This is the paper's first form, with a linear candidate.

    **Attributes:**

    - `weight`: W, `(3 · hidden_size, input_size)`, the rows of f, i and h̃ in turn.
    - `bias`: b, `(3 · hidden_size,)`. Both are drawn uniformly from ±1/√input_size; then
        `forget_bias` (default 1) is added to b_f. With `chrono`, the longest dependency to expect
        in steps (default `None`), b_f is instead drawn as log u with u uniform in
        [1, chrono − 1], and b_i = −b_f: units that forget at any rate up to that.

    **Raises:** `UserError` if a size is below 1, or `chrono` not above 2.

    Sources: Feng, Tung, Hajimirsadeghi, Ahmed and Bengio, "Were RNNs all we needed?" (2024),
    section 3.2; Tallec and Ollivier, "Can recurrent neural networks warp time?" (2018) for
    `chrono`.
    """

    weight: Float[Array, "gates inputs"]
    bias: Float[Array, " gates"]
    input_size: int | None = eqx.field(static=True)
    output_size: int | None = eqx.field(static=True)

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        forget_bias: float = 1.0,
        chrono: float | None = None,
        key: PRNGKeyArray,
    ):
        at_least("MinLSTM", 1, input_size=input_size, hidden_size=hidden_size)
        weight_key, bias_key = jax.random.split(key)
        self.weight = uniform(weight_key, (3 * hidden_size, input_size), input_size)
        bias = uniform(bias_key, (3 * hidden_size,), input_size)
        self.bias = bias.at[:hidden_size].add(forget_bias)
        if chrono is not None:
            lasting = lasting_bias("MinLSTM", chrono, hidden_size, jax.random.fold_in(key, 0))
            self.bias = self.bias.at[: 2 * hidden_size].set(jnp.concatenate([lasting, -lasting]))
        self.input_size = input_size
        self.output_size = hidden_size

    def _gates(self, xs: Array) -> tuple[Array, Array, Array]:
        """f', i' and h̃; the quotient by way of logarithms, so that gates near 0 do not divide."""
        forget, enter, candidate = jnp.split(xs @ self.weight.T + self.bias, 3, axis=-1)
        balance = jax.nn.log_sigmoid(forget) - jax.nn.log_sigmoid(enter)
        return jax.nn.sigmoid(balance), jax.nn.sigmoid(-balance), candidate

    def coefficients(self, xs: Float[Array, "*axes inputs"]) -> Coefficients:
        """f' and i' ∘ h̃."""
        forget, enter, candidate = self._gates(xs)
        return forget, enter * candidate

    def observe(self, state: HiddenState, x: Array) -> dict[str, Any]:
        """The gates, and the candidate."""
        forget, enter, candidate = self._gates(x)
        return {"forget_gate": forget, "input_gate": enter, "candidate": candidate}
