"""Residual units: two convolutions beside a way around them."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, PRNGKeyArray

from tapehead.cells import LayerNorm
from tapehead.networks.convolution import MILLION, Convolution

GENTLE = 0.3
"""How much of the usual size a unit's second convolution has at first, so that what it adds is
small beside what goes around it, and many units are no harder to begin with than one."""


class ResidualUnit(eqx.Module):
    """u(x) = P x + C₂ ∗ relu(norm(C₁ ∗ relu(norm(x)))), the C being 3×3 convolutions.

    P is the identity, or a 1×1 convolution where the size or the number of channels changes. The
    norm standardises the channels of every position by themselves, so that nothing depends on
    positions that need not be computed, and nothing on the other images of a batch.

    Sources: He, Zhang, Ren and Sun, "Identity mappings in deep residual networks" (2016), with the
    norm of Ba, Kiros and Hinton, "Layer normalization" (2016), for theirs, which is over the batch.
    """

    norms: tuple[LayerNorm, LayerNorm]
    convolutions: tuple[Convolution, Convolution]
    shortcut: Convolution | None

    def __init__(self, inputs: int, channels: int, *, stride: int = 1, key: PRNGKeyArray):
        keys = jax.random.split(key, 3)
        self.norms = LayerNorm(inputs), LayerNorm(channels)
        self.convolutions = (
            Convolution(inputs, channels, 3, stride=stride, key=keys[0]),
            Convolution(channels, channels, 3, gain=GENTLE, key=keys[1]),
        )
        same = inputs == channels and stride == 1
        self.shortcut = (
            None if same else Convolution(inputs, channels, 1, stride=stride, key=keys[2])
        )

    def __call__(
        self, x: Float[Array, "images height width inputs"]
    ) -> Float[Array, "images rows columns channels"]:
        """Images in, images out."""
        y = x
        for norm, convolution in zip(self.norms, self.convolutions, strict=True):
            y = convolution(jax.nn.relu(norm(y)))
        return y + (x if self.shortcut is None else self.shortcut(x))

    def products(self, active: Bool[Array, "images rows columns 1"]) -> Float[Array, " images"]:
        """Millions of multiplications where only the `active` positions of the output are wanted.

        The first convolution is then needed at these and at their neighbours.
        """
        near = self._counted(_with_neighbours(_with_neighbours(active, 1), 2))
        wanted = self._counted(active)
        first, second = (convolution.products / MILLION for convolution in self.convolutions)
        if self.shortcut is not None:
            second += self.shortcut.products / MILLION
        return near * first + wanted * second

    def _counted(self, active: Bool[Array, "images rows columns 1"]) -> Float[Array, " images"]:
        dtype = self.convolutions[0].weight.dtype
        return jnp.sum(active, axis=(1, 2, 3), dtype=dtype)


def _with_neighbours(active: Bool[Array, "..."], axis: int) -> Bool[Array, "..."]:
    """What is active, and what lies beside it along an axis."""
    beside = [(1, 1) if n == axis else (0, 0) for n in range(active.ndim)]
    padded, size = jnp.pad(active, beside), active.shape[axis]
    ahead, here, behind = (jax.lax.slice_in_dim(padded, n, n + size, axis=axis) for n in range(3))
    return ahead | here | behind
