"""The Elman network: the plain recurrent cell."""

from typing import Literal, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from tapehead.cell import Cell, expect_features
from tapehead.cells.initialization import beginning, uniform
from tapehead.errors import among, at_least

ACTIVATIONS = {"tanh": jnp.tanh, "relu": jax.nn.relu}


class ElmanState(NamedTuple):
    """What an `Elman` carries.

    **Attributes:**

    - `hidden`: h, `(*batch, hidden_size)`.
    """

    hidden: Float[Array, "*batch hidden"]


class Elman(Cell):
    """The plain recurrent cell: h_t = φ(W x_t + U h_{t−1} + b); the output is h_t.

    **Attributes:**

    - `input_weight`: W, `(hidden_size, input_size)`.
    - `hidden_weight`: U, `(hidden_size, hidden_size)`.
    - `bias`: b, `(hidden_size,)`. All three are drawn uniformly from ±1/√hidden_size.
    - `initial`: the learned state before the first step, with leaves of `(hidden_size,)` that
        begin at zero; `None` if that state is fixed at zero.
    - `activation`: φ, `"tanh"` or `"relu"`.

    **Raises:** `UserError` if a size is below 1 or the activation is unknown.

    Source: Elman, "Finding structure in time" (1990).
    """

    input_weight: Float[Array, "hidden inputs"]
    hidden_weight: Float[Array, "hidden hidden"]
    bias: Float[Array, " hidden"]
    initial: ElmanState | None
    activation: Literal["tanh", "relu"] = eqx.field(static=True)
    input_size: int | None = eqx.field(static=True)
    output_size: int | None = eqx.field(static=True)

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        activation: Literal["tanh", "relu"] = "tanh",
        learned_initial_state: bool = False,
        key: PRNGKeyArray,
    ):
        at_least("Elman", 1, input_size=input_size, hidden_size=hidden_size)
        among("Elman", ACTIVATIONS, activation=activation)
        input_key, hidden_key, bias_key = jax.random.split(key, 3)
        self.input_weight = uniform(input_key, (hidden_size, input_size), hidden_size)
        self.hidden_weight = uniform(hidden_key, (hidden_size, hidden_size), hidden_size)
        self.bias = uniform(bias_key, (hidden_size,), hidden_size)
        zeros = jnp.zeros(hidden_size, jnp.float32)
        self.initial = ElmanState(zeros) if learned_initial_state else None
        self.activation = activation
        self.input_size = input_size
        self.output_size = hidden_size

    def initial_state(
        self, batch: tuple[int, ...] = (), *, key: PRNGKeyArray | None = None
    ) -> ElmanState:
        """Zeros, or the learned state."""
        learned = None if self.initial is None else self.initial.hidden
        return ElmanState(beginning(learned, self.hidden_weight, batch))

    def step(
        self, state: ElmanState, x: Float[Array, "*batch inputs"]
    ) -> tuple[ElmanState, Float[Array, "*batch hidden"]]:
        """φ(W x + U h + b)."""
        expect_features("Elman", x, self.input_weight.shape[1])
        net = x @ self.input_weight.T + state.hidden @ self.hidden_weight.T + self.bias
        hidden = ACTIVATIONS[self.activation](net)
        return ElmanState(hidden), hidden
