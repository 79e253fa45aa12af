"""`ComplexRecurrence`: linear recurrences of complex numbers."""

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Complex, Float, PRNGKeyArray

from tapehead.cells.linear_recurrence import LinearRecurrence


class ComplexState(NamedTuple):
    """A complex state, kept as two real ones.

    **Attributes:**

    - `real`, `imaginary`: the parts of h, `(*batch, modes)`.
    """

    real: Float[Array, "*batch modes"]
    imaginary: Float[Array, "*batch modes"]


def real_product(
    weight: Float[Array, "2 outputs modes"], h: Complex[Array, "*axes modes"]
) -> Float[Array, "*axes outputs"]:
    """Re(C h), with C given by its parts."""
    return h.real @ weight[0].T - h.imag @ weight[1].T


class ComplexRecurrence(LinearRecurrence):
    """A `LinearRecurrence` whose h is complex, with one number for each of its modes.

    **Attributes:**

    - `output_weight`: C, `(2, output_size, modes)`, real parts first.
    """

    output_weight: eqx.AbstractVar[Float[Array, "2 outputs modes"]]

    def initial_state(
        self, batch: tuple[int, ...] = (), *, key: PRNGKeyArray | None = None
    ) -> ComplexState:
        """Zeros."""
        zeros = jnp.zeros((*batch, self.output_weight.shape[2]), self.output_weight.dtype)
        return ComplexState(zeros, zeros)

    def pack(self, h: Complex[Array, "*batch modes"]) -> ComplexState:
        """Both parts."""
        return ComplexState(h.real, h.imag)

    def unpack(self, state: ComplexState) -> Complex[Array, "*batch modes"]:
        """The complex number of both parts."""
        return jax.lax.complex(state.real, state.imaginary)
