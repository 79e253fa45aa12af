"""The fully recurrent network: units that may see every input and every unit."""

from typing import Literal, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, PRNGKeyArray

from tapehead.cell import Cell, expect_features
from tapehead.cells.initialization import uniform
from tapehead.errors import UserError, among, at_least

SQUASHING = {"logistic": jax.nn.sigmoid, "tanh": jnp.tanh, "linear": lambda net: net}


class FullyRecurrentState(NamedTuple):
    """What a `FullyRecurrent` network carries.

    **Attributes:**

    - `activations`: y, `(*batch, units)`.
    """

    activations: Float[Array, "*batch units"]


class FullyRecurrent(Cell):
    """Units that all see the inputs, each other and themselves: y_t = φ(W [x_t; y_{t−1}; 1]).

    The output is the activations of the last `output_size` units.

    **Attributes:**

    - `weight`: W, `(units, input_size + units + 1)`: the columns of the inputs, of the units and
        of the bias in turn; drawn uniformly from ±1/√(columns).
    - `allowed`: which entries of W there are, as a fixed matrix of 0 and 1; those that are not
        count as 0 and have no gradient.
    - `activation`: φ, `"logistic"`, `"tanh"` or `"linear"`.

    **Arguments:**

    - `units`: hidden and output units together.
    - `output_size`: how many of them are shown; default all.
    - `connections`: a boolean matrix of W's shape, True where a connection is allowed; default
        everywhere.

    **Raises:** `UserError` if a size is below 1, more units are shown than there are, or
    `connections` has another shape.

    Source: Williams and Zipser, "A learning algorithm for continually running fully recurrent
    neural networks" (1989).
    """

    weight: Float[Array, "units columns"]
    allowed: tuple[tuple[bool, ...], ...] | None = eqx.field(static=True)
    activation: Literal["logistic", "tanh", "linear"] = eqx.field(static=True)
    input_size: int | None = eqx.field(static=True)
    output_size: int | None = eqx.field(static=True)

    def __init__(
        self,
        input_size: int,
        units: int,
        output_size: int | None = None,
        *,
        activation: Literal["logistic", "tanh", "linear"] = "logistic",
        connections: Bool[Array, "units columns"] | Bool[np.ndarray, "units columns"] | None = None,
        key: PRNGKeyArray,
    ):
        shown = units if output_size is None else output_size
        at_least("FullyRecurrent", 1, input_size=input_size, units=units, output_size=shown)
        if shown > units:
            raise UserError(
                f"FullyRecurrent: output_size must be at most the {units} units, got {shown}"
            )
        among("FullyRecurrent", SQUASHING, activation=activation)
        shape = (units, input_size + units + 1)
        allowed = None if connections is None else np.asarray(connections, bool)
        if allowed is not None and allowed.shape != shape:
            raise UserError(
                f"FullyRecurrent: connections must have shape {shape} (units by inputs, units and "
                f"bias), got {allowed.shape}"
            )
        self.weight = uniform(key, shape, shape[1])
        self.allowed = None if allowed is None else tuple(map(tuple, allowed.tolist()))
        self.activation = activation
        self.input_size = input_size
        self.output_size = shown

    def initial_state(
        self, batch: tuple[int, ...] = (), *, key: PRNGKeyArray | None = None
    ) -> FullyRecurrentState:
        """Zeros."""
        return FullyRecurrentState(jnp.zeros((*batch, self.weight.shape[0]), self.weight.dtype))

    def step(
        self, state: FullyRecurrentState, x: Float[Array, "*batch inputs"]
    ) -> tuple[FullyRecurrentState, Float[Array, "*batch outputs"]]:
        """φ(W [x; y; 1]), of which the last units are shown."""
        units, columns = self.weight.shape
        expect_features("FullyRecurrent", x, columns - units - 1)
        weight = self.weight
        if self.allowed is not None:
            weight = jnp.where(np.array(self.allowed), weight, jnp.zeros_like(weight))
        seen = jnp.concatenate([x, state.activations], axis=-1)
        net = seen @ weight[:, :-1].T + weight[:, -1]
        activations = SQUASHING[self.activation](net)
        shown = activations[..., units - (self.output_size or units) :]
        return FullyRecurrentState(activations), shown
