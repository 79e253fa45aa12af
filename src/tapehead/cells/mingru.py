"""The minimal GRU that can be trained in parallel over time."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from tapehead.cells.hidden_recurrence import HiddenRecurrence, HiddenState
from tapehead.cells.initialization import lasting_bias, uniform
from tapehead.cells.linear_recurrence import Coefficients
from tapehead.errors import at_least


class MinGRU(HiddenRecurrence):
    """The minimal gated recurrent unit: a GRU whose gate and candidate do not see the state.

        z_t = σ(W_z x_t + b_z)        h̃_t = W_h x_t + b_h
        h_t = (1 − z_t) ∘ h_{t−1} + z_t ∘ h̃_t

    The output is h_t. This is the paper's first form, with a linear candidate.

    **Attributes:**

    - `weight`: W, `(2 · hidden_size, input_size)`, the rows of z and h̃ in turn.
    - `bias`: b, `(2 · hidden_size,)`. Both are drawn uniformly from ±1/√input_size. With `chrono`,
        the longest dependency to expect in steps (default `None`), b_z is instead drawn as −log u
        with u uniform in [1, chrono − 1]: units that forget at any rate up to that.

    **Raises:** `UserError` if a size is below 1, or `chrono` not above 2.

    Sources: Feng, Tung, Hajimirsadeghi, Ahmed and Bengio, "Were RNNs all we needed?" (2024),
    section 3.1; Tallec and Ollivier, "Can recurrent neural networks warp time?" (2018) for
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
        chrono: float | None = None,
        key: PRNGKeyArray,
    ):
        at_least("MinGRU", 1, input_size=input_size, hidden_size=hidden_size)
        weight_key, bias_key = jax.random.split(key)
        self.weight = uniform(weight_key, (2 * hidden_size, input_size), input_size)
        self.bias = uniform(bias_key, (2 * hidden_size,), input_size)
        if chrono is not None:
            lasting = lasting_bias("MinGRU", chrono, hidden_size, jax.random.fold_in(key, 0))
            self.bias = self.bias.at[:hidden_size].set(-lasting)
        self.input_size = input_size
        self.output_size = hidden_size

    def _gates(self, xs: Array) -> tuple[Array, Array]:
        net, candidate = jnp.split(xs @ self.weight.T + self.bias, 2, axis=-1)
        return net, candidate

    def coefficients(self, xs: Float[Array, "*axes inputs"]) -> Coefficients:
        """1 − z and z ∘ h̃."""
        net, candidate = self._gates(xs)
        return jax.nn.sigmoid(-net), jax.nn.sigmoid(net) * candidate

    def observe(self, state: HiddenState, x: Array) -> dict[str, Any]:
        """The gate and the candidate."""
        net, candidate = self._gates(x)
        return {"update_gate": jax.nn.sigmoid(net), "candidate": candidate}
