"""GRUs whose gates are computed from less: GRU1, GRU2 and GRU3."""

from typing import Any, Literal

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from tapehead.cell import Cell, expect_features
from tapehead.cells.gru import GRUState
from tapehead.cells.initialization import beginning, uniform
from tapehead.errors import UserError, at_least


class ReducedGRU(Cell):
    """A GRU with reduced gates, by number; the output is h_t.

        1:  (r_t, z_t) = σ(U h_{t−1} + b)
        2:  (r_t, z_t) = σ(U h_{t−1})
        3:  (r_t, z_t) = σ(b)
        h̃_t = tanh(W x_t + V (r_t ∘ h_{t−1}) + c)
        h_t = (1 − z_t) ∘ h_{t−1} + z_t ∘ h̃_t

    The input reaches the gates only by way of the state, or not at all.

    **Attributes:**

    - `gate_weight`: U, `(2 · hidden_size, hidden_size)`, the rows of r and z in turn; `None` in 3.
    - `gate_bias`: b, `(2 · hidden_size,)`; `None` in 2.
    - `input_weight`, `hidden_weight`, `bias`: W, V and c. All are drawn uniformly from
        ±1/√hidden_size.

    **Raises:** `UserError` if a size is below 1, or there is no such variant.

    Source: Dey and Salem, "Gate-variants of gated recurrent unit (GRU) neural networks" (2017).
    """

    gate_weight: Float[Array, "gates hidden"] | None
    gate_bias: Float[Array, " gates"] | None
    input_weight: Float[Array, "hidden inputs"]
    hidden_weight: Float[Array, "hidden hidden"]
    bias: Float[Array, " hidden"]
    input_size: int | None = eqx.field(static=True)
    output_size: int | None = eqx.field(static=True)

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        variant: Literal[1, 2, 3] = 1,
        key: PRNGKeyArray,
    ):
        at_least("ReducedGRU", 1, input_size=input_size, hidden_size=hidden_size)
        if variant not in (1, 2, 3):
            raise UserError(f"ReducedGRU: variant must be 1, 2 or 3, got {variant}")
        keys = jax.random.split(key, 5)
        gates = 2 * hidden_size
        self.gate_weight = (
            uniform(keys[0], (gates, hidden_size), hidden_size) if variant < 3 else None
        )
        self.gate_bias = uniform(keys[1], (gates,), hidden_size) if variant != 2 else None
        self.input_weight = uniform(keys[2], (hidden_size, input_size), hidden_size)
        self.hidden_weight = uniform(keys[3], (hidden_size, hidden_size), hidden_size)
        self.bias = uniform(keys[4], (hidden_size,), hidden_size)
        self.input_size = input_size
        self.output_size = hidden_size

    def initial_state(
        self, batch: tuple[int, ...] = (), *, key: PRNGKeyArray | None = None
    ) -> GRUState:
        """Zeros."""
        return GRUState(beginning(None, self.hidden_weight, batch))

    def _gates(self, state: GRUState) -> tuple[Array, Array]:
        net = jnp.zeros((), state.hidden.dtype)
        if self.gate_weight is not None:
            net = net + state.hidden @ self.gate_weight.T
        if self.gate_bias is not None:
            net = net + self.gate_bias
        reset, update = jnp.split(jax.nn.sigmoid(net), 2, axis=-1)
        return reset, update

    def step(
        self, state: GRUState, x: Float[Array, "*batch inputs"]
    ) -> tuple[GRUState, Float[Array, "*batch hidden"]]:
        """One step of the equations above."""
        expect_features("ReducedGRU", x, self.input_weight.shape[1])
        reset, update = self._gates(state)
        recalled = (reset * state.hidden) @ self.hidden_weight.T
        candidate = jnp.tanh(x @ self.input_weight.T + recalled + self.bias)
        hidden = state.hidden + update * (candidate - state.hidden)
        return GRUState(hidden), hidden

    def observe(self, state: GRUState, x: Array) -> dict[str, Any]:
        """The gates."""
        reset, update = self._gates(state)
        return {
            "reset_gate": jnp.broadcast_to(reset, state.hidden.shape),
            "update_gate": jnp.broadcast_to(update, state.hidden.shape),
        }
