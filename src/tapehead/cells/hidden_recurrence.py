"""`HiddenRecurrence`: linear recurrences whose output is what they carry."""

from typing import NamedTuple

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from tapehead.cells.linear_recurrence import LinearRecurrence


class HiddenState(NamedTuple):
    """What a `HiddenRecurrence` carries.

    **Attributes:**

    - `hidden`: h, `(*batch, hidden_size)`.
    """

    hidden: Float[Array, "*batch hidden"]


class HiddenRecurrence(LinearRecurrence):
    """A `LinearRecurrence` of `output_size` real numbers, whose output is h_t.

    **Attributes:**

    - `bias`: of its gates, `(gates · output_size,)`.
    """

    bias: eqx.AbstractVar[Float[Array, " gates"]]

    def initial_state(
        self, batch: tuple[int, ...] = (), *, key: PRNGKeyArray | None = None
    ) -> HiddenState:
        """Zeros."""
        return HiddenState(jnp.zeros((*batch, self.output_size or 0), self.bias.dtype))

    def emit(self, h: Array, xs: Float[Array, "*axes inputs"]) -> Float[Array, "*axes hidden"]:
        """h."""
        return h

    def pack(self, h: Array) -> HiddenState:
        """h by its name."""
        return HiddenState(h)

    def unpack(self, state: HiddenState) -> Array:
        """h."""
        return state.hidden
