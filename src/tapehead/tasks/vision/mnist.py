"""Handwritten digits to be named, and `MnistTask`, which shows them a part at a time."""

import abc
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, ClassVar, NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, UInt8

from tapehead.datasets.mnist import load_mnist
from tapehead.errors import UserError
from tapehead.sequences import Sequences
from tapehead.tasks.finite import FiniteTask
from tapehead.tasks.held_out import HeldOutTask
from tapehead.tasks.task import Data

SIDE = 28
CLASSES = 10


class Images(NamedTuple):
    """The arrays of a split: images of bytes, and the digit each shows."""

    images: UInt8[Array, "size 28 28"]
    labels: Int[Array, " size"]

    @classmethod
    def of(cls, images: UInt8[np.ndarray, "size 28 28"], labels: np.ndarray) -> "Images":
        """From arrays of any kind.

        **Raises:** `UserError` if the images are not of 28 by 28 bytes, or the labels are not as
        many or not digits.
        """
        if images.shape[1:] != (SIDE, SIDE) or images.dtype != np.uint8:
            raise UserError(
                f"MNIST: expected images (size, {SIDE}, {SIDE}) of bytes, got shape "
                f"{images.shape} of {images.dtype}"
            )
        if labels.shape != images.shape[:1]:
            raise UserError(
                f"MNIST: expected a label for each of {len(images)} images, got shape "
                f"{labels.shape}"
            )
        if labels.size and not 0 <= labels.min() <= labels.max() < CLASSES:
            raise UserError(
                f"MNIST: expected labels from 0 to {CLASSES - 1}, got {labels.min()} to "
                f"{labels.max()}"
            )
        return cls(jnp.asarray(images), jnp.asarray(labels, jnp.int32))

    def pixels(self, indices: Int[Array, " batch"]) -> Float[Array, "batch 28 28"]:
        """The images at `indices`, their bytes scaled to [0, 1] on the device."""
        return self.images[indices].astype(jnp.float32) / 255


@dataclass(frozen=True)
class DigitTask(HeldOutTask, FiniteTask):
    """A digit to be named at the last step; a subclass says what is shown.

    The training images are the first 55,000 of the published 60,000; the other 5,000 are held out
    for validation.

    Being right by chance costs log 10 = 2.30 nats and is right in 1 of 10 images. The task uses
    all the updates it is given: it never counts as solved.
    """

    score: ClassVar[str] = "accuracy"
    output_kind = "classes"
    defaults: ClassVar[Mapping[str, Any]] = MappingProxyType(
        {"batch": 100, "updates": 8000, "stop_when_solved": False}
    )

    @abc.abstractmethod
    def shown(
        self, indices: Int[Array, " batch"], data: Images
    ) -> Float[Array, "time batch features"]:
        """The images at `indices` as sequences of numbers from 0 (background) to 1."""

    @property
    def output_size(self) -> int:
        """The digits."""
        return CLASSES

    def data(self) -> Images:
        """The images and digits of the split, as bytes; see `tapehead.datasets.load_mnist`."""
        return Images.of(*load_mnist(self.split))

    def size(self, data: Data) -> int:
        """How many images the split has."""
        return data.labels.shape[0]

    def batch_at(self, indices: Int[Array, " batch"], data: Data) -> Sequences:
        """The images at `indices`."""
        inputs = self.shown(indices, data)
        shape = inputs.shape[:2]
        return Sequences(
            inputs=inputs,
            targets=jnp.broadcast_to(data.labels[indices], shape),
            weights=jnp.zeros(shape).at[-1].set(1),
        )


@dataclass(frozen=True)
class MnistTask(DigitTask):
    """An image of a digit alone; a subclass says in which parts it is shown."""

    @abc.abstractmethod
    def parts(self, pixels: Float[Array, "batch 28 28"]) -> Float[Array, "time batch features"]:
        """The images as sequences."""

    def shown(
        self, indices: Int[Array, " batch"], data: Images
    ) -> Float[Array, "time batch features"]:
        """The images at `indices`, in parts."""
        return self.parts(data.pixels(indices))
