"""Convolutions over images."""

import math

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

MILLION = 1e6
"""What multiplications are counted in."""


class Convolution(eqx.Module):
    """A convolution, zeros beyond the edges: y_ij = Σ_km W_km x_{si+k, sj+m}, s the stride.

    **Attributes:**

    - `weight`: W, `(outputs, inputs, window, window)`, drawn from a normal distribution of variance
        2 / (inputs window²), which suits what has gone through ReLU, times the square of `gain`.
    - `stride`: pixels from one place of the window to the next.

    Source of the variance: He, Zhang, Ren and Sun, "Delving deep into rectifiers" (2015).
    """

    weight: Float[Array, "outputs inputs window window"]
    stride: int = eqx.field(static=True)

    def __init__(
        self,
        inputs: int,
        outputs: int,
        window: int,
        *,
        stride: int = 1,
        gain: float = 1.0,
        key: PRNGKeyArray,
    ):
        deviation = gain * math.sqrt(2 / (inputs * window**2))
        shape = (outputs, inputs, window, window)
        self.weight = deviation * jax.random.normal(key, shape, jnp.float32)
        self.stride = stride

    def __call__(
        self, x: Float[Array, "images height width inputs"]
    ) -> Float[Array, "images rows columns outputs"]:
        """Images in, images out; the stride divides their sides, rounded up."""
        outputs, _, window, _ = self.weight.shape
        x = jnp.pad(x, [(0, 0), *(self._margins(side) for side in x.shape[1:3]), (0, 0)])
        rows, columns = (range(0, side - window + 1, self.stride) for side in x.shape[1:3])
        # As one product of all windows: in a loop, such as that over a run's updates, XLA's own
        # convolutions take ten times as long on a CPU.
        windows = jnp.concatenate(
            [
                x[:, k : k + rows[-1] + 1 : self.stride, m : m + columns[-1] + 1 : self.stride]
                for k in range(window)
                for m in range(window)
            ],
            axis=-1,
        )
        return windows @ self.weight.transpose(2, 3, 1, 0).reshape(-1, outputs)

    def _margins(self, side: int) -> tuple[int, int]:
        """Zeros before and after, so that there is a window for every place of the stride."""
        places = -(-side // self.stride)
        zeros = max((places - 1) * self.stride + self.weight.shape[-1] - side, 0)
        return zeros // 2, zeros - zeros // 2

    @property
    def products(self) -> int:
        """Multiplications for one position."""
        return self.weight.size
