"""The independently recurrent network: every unit sees only itself."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from tapehead.cell import Cell, expect_features
from tapehead.cells.elman import ElmanState
from tapehead.cells.initialization import uniform
from tapehead.errors import above, at_least


class IndRNN(Cell):
    """The independently recurrent network: h_t = ReLU(W x_t + u ∘ h_{t−1} + b); the output is h_t.

    **Attributes:**

    - `input_weight`: W, `(hidden_size, input_size)`, and `bias`: b, `(hidden_size,)`; drawn
        uniformly from ±1/√input_size.
    - `recurrent_weight`: u, `(hidden_size,)`; drawn uniformly from [0, `largest`]. To remember
        for T steps, without growing too far in as many, it should be near 1.

    **Raises:** `UserError` if a size is below 1, or `largest` is not above 0.

    Source: Li, Li, Cook, Zhu and Gao, "Independently recurrent neural network (IndRNN): building a
    longer and deeper RNN" (2018).
    """

    input_weight: Float[Array, "hidden inputs"]
    recurrent_weight: Float[Array, " hidden"]
    bias: Float[Array, " hidden"]
    input_size: int | None = eqx.field(static=True)
    output_size: int | None = eqx.field(static=True)

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        largest: float = 1.0,
        key: PRNGKeyArray,
    ):
        at_least("IndRNN", 1, input_size=input_size, hidden_size=hidden_size)
        above("IndRNN", 0, largest=largest)
        input_key, recurrent_key, bias_key = jax.random.split(key, 3)
        self.input_weight = uniform(input_key, (hidden_size, input_size), input_size)
        self.recurrent_weight = jax.random.uniform(
            recurrent_key, (hidden_size,), jnp.float32, 0.0, largest
        )
        self.bias = uniform(bias_key, (hidden_size,), input_size)
        self.input_size = input_size
        self.output_size = hidden_size

    def initial_state(
        self, batch: tuple[int, ...] = (), *, key: PRNGKeyArray | None = None
    ) -> ElmanState:
        """Zeros."""
        return ElmanState(jnp.zeros((*batch, *self.bias.shape), self.bias.dtype))

    def step(
        self, state: ElmanState, x: Float[Array, "*batch inputs"]
    ) -> tuple[ElmanState, Float[Array, "*batch hidden"]]:
        """ReLU(W x + u ∘ h + b)."""
        expect_features("IndRNN", x, self.input_weight.shape[1])
        net = x @ self.input_weight.T + self.recurrent_weight * state.hidden + self.bias
        hidden = jax.nn.relu(net)
        return ElmanState(hidden), hidden
