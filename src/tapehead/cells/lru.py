"""The linear recurrent unit."""

import math

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Complex, Float, PRNGKeyArray

from tapehead.cells.complex_recurrence import ComplexRecurrence, real_product
from tapehead.cells.linear_recurrence import Coefficients
from tapehead.errors import UserError, above, at_least


class LRU(ComplexRecurrence):
    """The linear recurrent unit: a diagonal complex recurrence that cannot blow up.

        λ = exp(−exp(ν) + i exp(θ))               |λ| < 1 whatever ν and θ are
        h_t = λ ∘ h_{t−1} + exp(γ) ∘ (B x_t)
        y_t = Re(C h_t) + D ∘ x_t                 with D only where y has as many features as x

    At the start |λ| is drawn evenly over the ring between `least` and `most`, its phase evenly
    from [0, `phase`], and exp(γ) = √(1 − |λ|²) so that h has about the size of x. There is no
    squashing: put it between layers, for instance before a `GatedGELU` in a `Residual`.

    **Attributes:**

    - `decay`, `phase`: ν and θ, `(modes,)`.
    - `gain`: γ, `(modes,)`.
    - `input_weight`: B, `(2, modes, input_size)`, real parts first; normal with variance
        1/(2 input_size).
    - `output_weight`: C, `(2, output_size, modes)`, likewise with variance 1/modes.
    - `skip`: D, `(output_size,)`, standard normal; `None` if `output_size` is not `input_size`.

    **Raises:** `UserError` if a size is below 1, or not 0 ≤ `least` < `most` < 1.

    Source: Orvieto et al., "Resurrecting recurrent neural networks for long sequences" (2023),
    section 3 and appendix A.
    """

    decay: Float[Array, " modes"]
    phase: Float[Array, " modes"]
    gain: Float[Array, " modes"]
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
        least: float = 0.0,
        most: float = 0.99,
        phase: float = 2 * math.pi,
        key: PRNGKeyArray,
    ):
        modes = output_size if modes is None else modes
        at_least("LRU", 1, input_size=input_size, output_size=output_size, modes=modes)
        if not 0 <= least < most < 1:
            raise UserError(
                f"LRU: expected 0 <= least < most < 1 for the sizes of the eigenvalues, got "
                f"{least} and {most}"
            )
        above("LRU", 0, phase=phase)
        size_key, phase_key, input_key, output_key, skip_key = jax.random.split(key, 5)
        area = jax.random.uniform(size_key, (modes,), jnp.float32, least**2, most**2)
        area = jnp.maximum(area, 1e-8)
        self.decay = jnp.log(-0.5 * jnp.log(area))
        angle = jax.random.uniform(phase_key, (modes,), jnp.float32, 1e-6, phase)
        self.phase = jnp.log(angle)
        self.gain = 0.5 * jnp.log1p(-area)
        shape = (2, modes, input_size)
        self.input_weight = jax.random.normal(input_key, shape) / math.sqrt(2 * input_size)
        shape = (2, output_size, modes)
        self.output_weight = jax.random.normal(output_key, shape) / math.sqrt(modes)
        same = input_size == output_size
        self.skip = jax.random.normal(skip_key, (output_size,)) if same else None
        self.input_size = input_size
        self.output_size = output_size

    @property
    def eigenvalues(self) -> Complex[Array, " modes"]:
        """λ."""
        return jnp.exp(jax.lax.complex(-jnp.exp(self.decay), jnp.exp(self.phase)))

    def coefficients(self, xs: Float[Array, "*axes inputs"]) -> Coefficients:
        """λ and exp(γ) ∘ (B x)."""
        driven = jnp.exp(self.gain) * jnp.einsum("cmi,...i->c...m", self.input_weight, xs)
        return self.eigenvalues, jax.lax.complex(driven[0], driven[1])

    def emit(
        self, h: Complex[Array, "*axes modes"], xs: Float[Array, "*axes inputs"]
    ) -> Float[Array, "*axes outputs"]:
        """Re(C h) + D ∘ x."""
        ys = real_product(self.output_weight, h)
        return ys if self.skip is None else ys + self.skip * xs
