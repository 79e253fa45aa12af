"""The diagonal state space layer."""

import math

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Complex, Float, PRNGKeyArray

from tapehead.cells.complex_recurrence import ComplexRecurrence, real_product
from tapehead.cells.initialization import uniform
from tapehead.cells.linear_recurrence import Coefficients
from tapehead.errors import UserError, at_least


def hippo(modes: int) -> tuple[np.ndarray, np.ndarray]:
    """Eigenvalues above the real axis, `(modes,)`, and eigenvectors, `(2 modes, modes)`.

    They are those of the normal part of the HiPPO-LegS matrix of twice the size, whose states are
    the coefficients of the past in Legendre polynomials.
    """
    n = np.arange(2 * modes)
    root = np.sqrt(2 * n + 1)
    legs = -(np.tril(np.outer(root, root)) - np.diag(n))
    low_rank = np.sqrt(n + 0.5)
    normal = legs + np.outer(low_rank, low_rank)
    imaginary, vectors = np.linalg.eigh(-1j * normal)
    above = np.argsort(imaginary)[modes:]
    return np.mean(np.diag(normal)) + 1j * imaginary[above], vectors[:, above]


class S5(ComplexRecurrence):
    """A diagonal linear state space model of many inputs and many outputs.

        dh/dt = Λ ∘ h + B x        held over a time Δ:
        Λ̄ = exp(Λ Δ)               B̄ = Λ⁻¹ ∘ (Λ̄ − 1) B
        h_t = Λ̄ ∘ h_{t−1} + B̄ x_t
        y_t = 2 Re(C h_t) + D ∘ x_t        with D only where y has as many features as x

    Each mode stands for a pair of conjugate ones, hence the 2. Λ, B and C begin as those of the
    normal part of the HiPPO-LegS matrix. There is no squashing: put it between layers.

    **Attributes:**

    - `decay`, `frequency`: Λ = −exp(decay) + i frequency, `(modes,)`; the first keeps it stable.
    - `log_step`: log Δ, `(modes,)`; Δ drawn evenly on a logarithmic scale from `steps`.
    - `input_weight`: B, `(2, modes, input_size)`, real parts first.
    - `output_weight`: C, `(2, output_size, modes)`, likewise.
    - `skip`: D, `(output_size,)`, standard normal; `None` if `output_size` is not `input_size`.

    **Raises:** `UserError` if a size is below 1, or not 0 < `steps[0]` < `steps[1]`.

    Source: Smith, Warrington and Linderman, "Simplified state space layers for sequence modeling"
    (2023).
    """

    decay: Float[Array, " modes"]
    frequency: Float[Array, " modes"]
    log_step: Float[Array, " modes"]
    input_weight: Float[Array, "2 modes inputs"]
    output_weight: Float[Array, "2 outputs modes"]
    skip: Float[Array, " outputs"] | None
    input_size: int | None = eqx.field(static=True)
    output_size: int | None = eqx.field(static=True)

    def __init__(
        self,
        input_size: int,
        output_size: int,
        *,
        modes: int | None = None,
        steps: tuple[float, float] = (0.001, 0.1),
        key: PRNGKeyArray,
    ):
        modes = output_size if modes is None else modes
        at_least("S5", 1, input_size=input_size, output_size=output_size, modes=modes)
        low, high = steps
        if not 0 < low < high:
            raise UserError(f"S5: expected 0 < low < high for the steps, got {steps}")
        step_key, input_key, output_key, skip_key = jax.random.split(key, 4)
        eigenvalues, vectors = hippo(modes)
        self.decay = jnp.asarray(np.log(-np.real(eigenvalues)), jnp.float32)
        self.frequency = jnp.asarray(np.imag(eigenvalues), jnp.float32)
        self.log_step = jax.random.uniform(
            step_key, (modes,), jnp.float32, math.log(low), math.log(high)
        )
        turn = jnp.asarray(np.stack([np.real(vectors), np.imag(vectors)]), jnp.float32)
        drive = uniform(input_key, (2 * modes, input_size), input_size)
        # Vᴴ B and C V, with B and C real.
        self.input_weight = jnp.einsum("cnm,ni->cmi", turn.at[1].multiply(-1), drive)
        readout = uniform(output_key, (output_size, 2 * modes), modes)
        self.output_weight = jnp.einsum("on,cnm->com", readout, turn)
        same = input_size == output_size
        self.skip = jax.random.normal(skip_key, (output_size,)) if same else None
        self.input_size = input_size
        self.output_size = output_size

    def coefficients(self, xs: Float[Array, "*axes inputs"]) -> Coefficients:
        """Λ̄ and B̄ x."""
        continuous = jax.lax.complex(-jnp.exp(self.decay), self.frequency)
        step = jnp.exp(self.log_step)
        kept = jnp.exp(continuous * step.astype(continuous.dtype))
        driven = jnp.einsum("cmi,...i->c...m", self.input_weight, xs)
        return kept, (kept - 1) / continuous * jax.lax.complex(driven[0], driven[1])

    def emit(
        self, h: Complex[Array, "*axes modes"], xs: Float[Array, "*axes inputs"]
    ) -> Float[Array, "*axes outputs"]:
        """2 Re(C h) + D ∘ x."""
        ys = 2 * real_product(self.output_weight, h)
        return ys if self.skip is None else ys + self.skip * xs
