"""Pooling over time: `RunningMean` and `RunningMax`."""

from typing import NamedTuple

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PRNGKeyArray

from tapehead.cell import Cell, expect_features
from tapehead.cells.linear_recurrence import Coefficients, LinearRecurrence
from tapehead.errors import at_least


class MeanState(NamedTuple):
    """What a `RunningMean` carries.

    **Attributes:**

    - `total`: the sum of the inputs so far, `(*batch, size)`.
    - `steps`: how many they are, `(*batch, 1)`.
    """

    total: Float[Array, "*batch size"]
    steps: Float[Array, "*batch 1"]


class RunningMean(LinearRecurrence):
    """The mean of all inputs so far: y_t = (x_1 + ... + x_t) / t.

    At the end of a sequence it is the mean over time. Padding does not count, and a new sequence
    begins anew. Sum and number are one linear recurrence, so all steps are made at once.

    **Arguments:**

    - `size`: features of an input.

    **Raises:** `UserError` if the size is below 1.
    """

    input_size: int | None = eqx.field(static=True)
    output_size: int | None = eqx.field(static=True)

    def __init__(self, size: int):
        at_least("RunningMean", 1, size=size)
        self.input_size = size
        self.output_size = size

    def initial_state(
        self, batch: tuple[int, ...] = (), *, key: PRNGKeyArray | None = None
    ) -> MeanState:
        """Nothing yet."""
        return MeanState(jnp.zeros((*batch, self.input_size or 0)), jnp.zeros((*batch, 1)))

    def coefficients(self, xs: Float[Array, "*axes size"]) -> Coefficients:
        """Keep all, and add the input and a one."""
        ones = jnp.ones_like(xs[..., :1])
        added = jnp.concatenate([xs, ones], axis=-1)
        return jnp.ones(added.shape[-1], added.dtype), added

    def emit(self, h: Array, xs: Float[Array, "*axes size"]) -> Float[Array, "*axes size"]:
        """The sum by the number; where there is nothing yet, zero."""
        return h[..., :-1] / jnp.maximum(h[..., -1:], 1)

    def pack(self, h: Array) -> MeanState:
        """Sum and number apart."""
        return MeanState(h[..., :-1], h[..., -1:])

    def unpack(self, state: MeanState) -> Array:
        """Sum and number as one vector."""
        return jnp.concatenate(state, axis=-1)


class MaxState(NamedTuple):
    """What a `RunningMax` carries.

    **Attributes:**

    - `largest`: the largest inputs so far, `(*batch, size)`; zero before the first.
    - `begun`: whether there was one, 1 or 0, `(*batch, 1)`; runtimes of ONNX choose between
        numbers, but not between booleans.
    """

    largest: Float[Array, "*batch size"]
    begun: Int[Array, "*batch 1"]


class RunningMax(Cell):
    """The largest input so far, of each feature: y_t = max(x_1, ..., x_t).

    At the end of a sequence it is the maximum over time. Padding does not count, and a new
    sequence begins anew.

    **Arguments:**

    - `size`: features of an input.

    **Raises:** `UserError` if the size is below 1.
    """

    input_size: int | None = eqx.field(static=True)
    output_size: int | None = eqx.field(static=True)

    def __init__(self, size: int):
        at_least("RunningMax", 1, size=size)
        self.input_size = size
        self.output_size = size

    def initial_state(
        self, batch: tuple[int, ...] = (), *, key: PRNGKeyArray | None = None
    ) -> MaxState:
        """Nothing yet."""
        begun = jnp.zeros((*batch, 1), jnp.int32)
        return MaxState(jnp.zeros((*batch, self.input_size or 0)), begun)

    def step(
        self, state: MaxState, x: Float[Array, "*batch size"]
    ) -> tuple[MaxState, Float[Array, "*batch size"]]:
        """The larger of the input and what was largest."""
        expect_features("RunningMax", x, self.input_size or 0)
        largest = jnp.where(state.begun > 0, jnp.maximum(state.largest, x), x)
        return MaxState(largest, jnp.ones_like(state.begun)), largest
