"""MNIST pixel by pixel, in order or permuted."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Array, Float

from tapehead.errors import at_least
from tapehead.tasks.vision.mnist import SIDE, MnistTask


@dataclass(frozen=True)
class MnistPixels(MnistTask):
    """Read the 784 pixels of a handwritten digit one by one, then say which digit it is.

    - Inputs `(784, batch, 1)`: at step `t` pixel `t`, from 0 (background) to 1; row by row from
        the top left, or, with `permuted`, in one random order that is the same for all images.
    - Targets `(784, batch)`: the digit. Only the last step has weight.

    Which images there are, and how they are drawn: see `DigitTask`.

    Source: Le, Jaitly and Hinton, "A simple way to initialize recurrent networks of rectified
    linear units" (2015), for both orders.

    A worked example with a made-up image whose top left pixel alone is inked:

    >>> import jax.numpy as jnp
    >>> from tapehead.tasks.vision.mnist import Images
    >>> ink = jnp.zeros((1, 28, 28), jnp.uint8).at[0, 0, 0].set(255)
    >>> batch = MnistPixels().batch_at(jnp.array([0]), Images(ink, jnp.array([7])))
    >>> batch.inputs.shape, batch.inputs[:3, 0, 0].tolist()
    ((784, 1, 1), [1.0, 0.0, 0.0])
    """

    permuted: bool = False
    """Show the pixels in a random order, the same for every image."""
    order_seed: int = 0
    """Decides that order."""

    defaults: ClassVar[Mapping[str, Any]] = MappingProxyType(
        {"batch": 100, "updates": 5000, "stop_when_solved": False, "evaluate_every": 1000}
    )

    def __post_init__(self):
        super().__post_init__()
        at_least("MnistPixels", 0, order_seed=self.order_seed)

    @property
    def input_size(self) -> int:
        """One pixel."""
        return 1

    def parts(self, pixels: Float[Array, "batch 28 28"]) -> Float[Array, "784 batch 1"]:
        """Pixels in their order."""
        flat = pixels.reshape(-1, SIDE * SIDE)
        if self.permuted:
            flat = flat[:, np.random.default_rng(self.order_seed).permutation(SIDE * SIDE)]
        return flat.T[..., None]
