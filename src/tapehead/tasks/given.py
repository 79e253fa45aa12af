"""`Given`: learning from examples that somebody has at hand."""

import abc
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from tapehead.errors import at_least, within
from tapehead.sequences import Sequences
from tapehead.tasks.finite import FiniteTask
from tapehead.tasks.losses import quantile_loss, value_metrics
from tapehead.tasks.task import Data

SHORT = 32
"""Up to this many steps, the lengths to which sequences are padded are multiples of 16."""


def room(size: int, least: int = 512) -> int:
    """The room to make for `size` things: at most a quarter more, and the same for many sizes.

    What is compiled for one size then serves others, as of the parts of a cross-validation.

    >>> [room(size) for size in (3, 512, 513, 1000, 2700)]
    [512, 512, 640, 1024, 3072]
    """
    unit = max(1, 2 ** (max(size - 1, 1).bit_length() - 3))
    return max(least, -(-size // unit) * unit)


class Examples(NamedTuple):
    """Examples of about one length, in room for some more.

    **Attributes:**

    - `inputs`: `(room, time, features)`, or `(room, time)` integer tokens.
    - `mask`: `(room, time)`, False where there is nothing to be read.
    - `targets`: `(room, time, ...)`, or `(room, 1, ...)` for one answer to a whole sequence.
    - `weights`: `(room, time)`, how much each answer counts.
    - `size`: how many examples there are, a number.
    """

    inputs: Any
    mask: Any
    targets: Any
    weights: Any
    size: Any

    @classmethod
    def of(
        cls,
        inputs: Sequence[np.ndarray],
        masks: Sequence[np.ndarray],
        targets: Sequence[np.ndarray],
        weights: Sequence[np.ndarray],
    ) -> "Examples":
        """From arrays of each example by itself, in NumPy, padded with zeros.

        Each leads with the example's time axis; targets may have one entry instead.
        """
        longest = max(len(mask) for mask in masks)
        time = -(-longest // 16) * 16 if longest <= SHORT else longest
        size = len(inputs)

        def stacked(arrays: Sequence[np.ndarray], time: int, dtype: Any) -> np.ndarray:
            filled = np.zeros((room(size), time, *arrays[0].shape[1:]), dtype)
            for row, array in zip(filled, arrays, strict=False):
                row[: len(array)] = array
            return filled

        kinds = [
            np.float32 if np.issubdtype(x[0].dtype, np.floating) else np.int32
            for x in (inputs, targets)
        ]
        once = all(len(target) == 1 for target in targets)
        return cls(
            stacked(inputs, time, kinds[0]),
            stacked(masks, time, bool),
            stacked(targets, 1 if once else time, kinds[1]),
            stacked(weights, time, np.float32),
            np.int32(size),
        )


@dataclass(frozen=True)
class Given(FiniteTask, abc.ABC):
    """A task over examples that are handed in as `data`: a tuple of `Examples`, one a bucket.

    It is in no registry, because nothing by which the examples could be found again is among its
    settings. How many examples there are is part of the data, and not of what is compiled.
    """

    features: int = 1
    """Features of an input, or symbols."""
    outputs: int = 1
    """Numbers that the network gives at each step."""
    symbols: bool = False
    """Whether inputs are symbols."""

    def __post_init__(self):
        super().__post_init__()
        at_least(type(self).__name__, 1, features=self.features, outputs=self.outputs)

    @property
    def input_size(self) -> int:
        """The features."""
        return self.features

    @property
    def output_size(self) -> int:
        """The outputs."""
        return self.outputs

    @property
    def tokens(self) -> bool:
        """Whether inputs are symbols."""
        return self.symbols

    def size(self, data: Data) -> int:
        """How many examples there are in all buckets."""
        return sum(self.bucket_sizes(data))

    def bucket_sizes(self, data: Data) -> tuple[int, ...]:
        """How many examples there are in each."""
        return tuple(bucket.size for bucket in data)

    def bucket_rooms(self, data: Data) -> tuple[int, ...]:
        """For how many there is room."""
        return tuple(bucket.weights.shape[0] for bucket in data)

    def bucket_at(self, bucket: int, indices: Int[Array, " batch"], data: Data) -> Sequences:
        """Examples of one bucket, time first."""
        inputs, mask, targets, weights = (jnp.swapaxes(x[indices], 0, 1) for x in data[bucket][:4])
        targets = jnp.broadcast_to(targets, (weights.shape[0], *targets.shape[1:]))
        return Sequences(inputs, targets, weights, mask)

    def batch_at(self, indices: Int[Array, " batch"], data: Data) -> Sequences:
        """Examples of all lengths, bucket after bucket, padded to the longest of all."""
        longest = max(bucket.weights.shape[1] for bucket in data)
        chosen, start = None, 0
        for number, size in enumerate(self.bucket_sizes(data)):
            own = self.bucket_at(number, jnp.clip(indices - start, 0, size - 1), data)
            fill = longest - own.weights.shape[0]
            own = jax.tree.map(
                lambda x, fill=fill: jnp.pad(x, [(0, fill)] + [(0, 0)] * (x.ndim - 1)), own
            )
            chosen = own if chosen is None else _columns(indices >= start, own, chosen)
            start = start + size
        assert chosen is not None
        return chosen


def _columns(here: Bool[Array, " batch"], on_true: Sequences, on_false: Sequences) -> Sequences:
    """The sequences of `on_true` where it is true, else those of `on_false`."""

    def pick(a: Array, b: Array) -> Array:
        return jnp.where(here.reshape(1, -1, *[1] * (a.ndim - 2)), a, b)

    return jax.tree.map(pick, on_true, on_false)


@dataclass(frozen=True)
class GivenClasses(Given):
    """Give each sequence, or each of its steps, its class."""

    output_kind = "classes"
    score: ClassVar[str] = "accuracy"


@dataclass(frozen=True)
class GivenValues(Given):
    """Give each sequence, or each of its steps, its values."""

    output_kind = "values"
    score: ClassVar[str] = "loss"
    higher_is_better: ClassVar[bool] = False

    def metrics(
        self, outputs: Float[Array, "time *batch outputs"], sequences: Sequences
    ) -> dict[str, Float[Array, "*batch"]]:
        """`error`, the mean absolute error, and `loss`, the mean squared error."""
        found = value_metrics(outputs, sequences, tolerance=self.tolerance)
        return {"error": found["error"], "loss": found["squared_error"]}


@dataclass(frozen=True)
class GivenQuantiles(Given):
    """Give quantiles of the values of each sequence, or of each of its steps.

    The outputs are as many numbers for each value as there are levels.
    """

    levels: tuple[float, ...] = (0.5,)
    """The quantiles' levels, between 0 and 1."""

    output_kind = "values"
    score: ClassVar[str] = "loss"
    higher_is_better: ClassVar[bool] = False

    def __post_init__(self):
        super().__post_init__()
        for level in self.levels:
            within("GivenQuantiles", 0, 1, level=level)

    def loss(
        self, outputs: Float[Array, "time *batch outputs"], targets: Array
    ) -> Float[Array, "time *batch"]:
        """The pinball loss of every step; see `quantile_loss`."""
        return quantile_loss(outputs, targets, self.levels)

    def metrics(
        self, outputs: Float[Array, "time *batch outputs"], sequences: Sequences
    ) -> dict[str, Float[Array, "*batch"]]:
        """`loss`, the mean pinball loss over the steps that have weight, and over their values."""
        scored = sequences.weights > 0
        losses = jnp.where(scored, self.loss(outputs, sequences.targets), 0)
        asked = jnp.maximum(jnp.sum(scored, axis=0).astype(outputs.dtype), 1)
        return {"loss": jnp.sum(losses, axis=0) / (asked * sequences.targets.shape[-1])}
