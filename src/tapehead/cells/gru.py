"""The gated recurrent unit, in both of its forms."""

from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from tapehead.cell import Cell, expect_features
from tapehead.cells.initialization import beginning, uniform
from tapehead.errors import at_least


class GRUState(NamedTuple):
    """What a `GRU` carries.

    **Attributes:**

    - `hidden`: h, `(*batch, hidden_size)`.
    """

    hidden: Float[Array, "*batch hidden"]


class GRU(Cell):
    """The gated recurrent unit; the output is h_t.

        r_t = σ(W_r x_t + U_r h_{t−1} + b_r)        z_t = σ(W_z x_t + U_z h_{t−1} + b_z)
        h_t = z_t ∘ h_{t−1} + (1 − z_t) ∘ n_t

    with the candidate

        n_t = tanh(W_n x_t + b_n + r_t ∘ (U_n h_{t−1} + b_u))      if `reset_after` (as in PyTorch)
        n_t = tanh(W_n x_t + b_n + U_n (r_t ∘ h_{t−1}))            if not (as in the 2014 paper)

    **Attributes:**

    - `input_weight`: W, `(3 · hidden_size, input_size)`, the rows of r, z, n in turn.
    - `hidden_weight`: U, `(3 · hidden_size, hidden_size)`, likewise.
    - `bias`: b, `(3 · hidden_size,)`.
    - `candidate_bias`: b_u, `(hidden_size,)`; `None` if the reset comes before the product. All
        four are drawn uniformly from ±1/√hidden_size.
    - `initial`: the learned state before the first step, with leaves of `(hidden_size,)` that
        begin at zero; `None` if that state is fixed at zero.
    - `reset_after`: whether the reset gate acts after (default) or before the product with U_n.

    **Raises:** `UserError` if a size is below 1.

    Source: Cho et al., "Learning phrase representations using RNN encoder-decoder for statistical
    machine translation" (2014).
    """

    input_weight: Float[Array, "gates inputs"]
    hidden_weight: Float[Array, "gates hidden"]
    bias: Float[Array, " gates"]
    candidate_bias: Float[Array, " hidden"] | None
    initial: GRUState | None
    reset_after: bool = eqx.field(static=True)
    input_size: int | None = eqx.field(static=True)
    output_size: int | None = eqx.field(static=True)

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        reset_after: bool = True,
        learned_initial_state: bool = False,
        key: PRNGKeyArray,
    ):
        at_least("GRU", 1, input_size=input_size, hidden_size=hidden_size)
        gates = 3 * hidden_size
        input_key, hidden_key, bias_key, candidate_key = jax.random.split(key, 4)
        self.input_weight = uniform(input_key, (gates, input_size), hidden_size)
        self.hidden_weight = uniform(hidden_key, (gates, hidden_size), hidden_size)
        self.bias = uniform(bias_key, (gates,), hidden_size)
        self.candidate_bias = (
            uniform(candidate_key, (hidden_size,), hidden_size) if reset_after else None
        )
        zeros = jnp.zeros(hidden_size, jnp.float32)
        self.initial = GRUState(zeros) if learned_initial_state else None
        self.reset_after = reset_after
        self.input_size = input_size
        self.output_size = hidden_size

    def initial_state(
        self, batch: tuple[int, ...] = (), *, key: PRNGKeyArray | None = None
    ) -> GRUState:
        """Zeros, or the learned state."""
        learned = None if self.initial is None else self.initial.hidden
        return GRUState(beginning(learned, self.hidden_weight, batch))

    def _gates(self, hidden: Array, x: Array) -> tuple[Array, Array, Array]:
        """r, z, n."""
        expect_features("GRU", x, self.input_weight.shape[1])
        size = hidden.shape[-1]
        net = x @ self.input_weight.T + self.bias
        if self.candidate_bias is not None:
            recurrent = hidden @ self.hidden_weight.T
            r, z = jnp.split(
                jax.nn.sigmoid(net[..., : 2 * size] + recurrent[..., : 2 * size]), 2, axis=-1
            )
            inner = r * (recurrent[..., 2 * size :] + self.candidate_bias)
        else:
            recurrent = hidden @ self.hidden_weight[: 2 * size].T
            r, z = jnp.split(jax.nn.sigmoid(net[..., : 2 * size] + recurrent), 2, axis=-1)
            inner = (r * hidden) @ self.hidden_weight[2 * size :].T
        return r, z, jnp.tanh(net[..., 2 * size :] + inner)

    def step(
        self, state: GRUState, x: Float[Array, "*batch inputs"]
    ) -> tuple[GRUState, Float[Array, "*batch hidden"]]:
        """One step of the equations above."""
        _, z, n = self._gates(state.hidden, x)
        hidden = n + z * (state.hidden - n)
        return GRUState(hidden), hidden

    def observe(self, state: GRUState, x: Array) -> dict[str, Any]:
        """The gates."""
        r, z, n = self._gates(state.hidden, x)
        return {"reset_gate": r, "update_gate": z, "candidate": n}
