"""Streams of handwritten digits in which some are counted, at two speeds."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PRNGKeyArray

from tapehead.datasets.mnist import load_mnist
from tapehead.errors import at_least
from tapehead.sequences import Sequences
from tapehead.tasks.held_out import HeldOutTask
from tapehead.tasks.task import Data, expect_data
from tapehead.tasks.vision.mnist import SIDE, Images

NOT_ASKED = -1
"""In the place of a count that is not asked for."""


@dataclass(frozen=True)
class DigitCounts(HeldOutTask):
    """Count the odd digits of every T, and the threes of all T².

    - Inputs `(T², batch, 785)`: at every step the pixels of a handwritten digit, from 0 to 1,
        row by row; and 1 at the first of every T steps, else 0.
    - Targets `(T², batch, 2)`: at every T-th step how many of the last T digits are odd; at the
        last step how many of all are threes. −1 where a count is not asked for.
    - Every T-th step has weight.

    The loss is the sum of the squared errors of what is asked for. Who knows nothing but the mean
    has an `odd_error` of about T/4 and a `threes_error` of about 0.09 T², which are mean squared
    errors.

    Training draws digits anew without end, from the first 55,000 images of MNIST; the other 5,000
    are for validation. Those and the test's 10,000 come in the order of the files.

    Source: Jaderberg et al., "Decoupled neural interfaces using synthetic gradients" (2017),
    section 3.2, there with T = 10 and one stream without beginning; the mark of a first step and
    the separate sequences are ours.

    A worked example with two made-up images, a 3 and a 4, the first of which is all ink:

    >>> import jax, jax.numpy as jnp
    >>> from tapehead.tasks.vision.mnist import Images
    >>> ink = jnp.zeros((2, 28, 28), jnp.uint8).at[0].set(255)
    >>> task = DigitCounts(period=2)
    >>> batch = task.sample(jax.random.key(1), 1, Images(ink, jnp.array([3, 4])))
    >>> print(batch.inputs[:, 0, 0], batch.inputs[:, 0, -1])
    [1. 0. 1. 0.] [1. 0. 1. 0.]
    >>> print(batch.targets[:, 0].T)
    [[-1.  1. -1.  1.]
     [-1. -1. -1.  2.]]
    >>> print(batch.weights[:, 0])
    [0. 1. 0. 1.]
    """

    period: int = 5
    """T, the digits of which the odd ones are counted; threes are counted in its square."""

    score: ClassVar[str] = "threes_error"
    higher_is_better: ClassVar[bool] = False
    output_kind = "values"
    defaults: ClassVar[Mapping[str, Any]] = MappingProxyType(
        {"batch": 32, "updates": 2000, "stop_when_solved": False, "evaluate_every": 500}
    )

    def __post_init__(self):
        super().__post_init__()
        at_least("DigitCounts", 2, period=self.period)

    @property
    def input_size(self) -> int:
        """The pixels, and the mark of a first step."""
        return SIDE**2 + 1

    @property
    def output_size(self) -> int:
        """The two counts."""
        return 2

    def data(self) -> Images:
        """The images and digits of the split, as bytes; see `tapehead.datasets.load_mnist`."""
        return Images.of(*load_mnist(self.split))

    def size(self, data: Data) -> int:
        """How many sequences the split has, each of other digits, but at least one."""
        return max(data.labels.shape[0] // self.period**2, 1)

    def sample(self, key: PRNGKeyArray, batch: int, data: Data = ()) -> Sequences:
        """Digits drawn uniformly, with replacement, from `data` (which cannot be left out)."""
        expect_data("DigitCounts", data)
        shape = (self.period**2, batch)
        return self.of(jax.random.randint(key, shape, 0, data.labels.shape[0]), data)

    def batch_at(self, indices: Int[Array, " batch"], data: Data) -> Sequences:
        """The sequences at `indices`, of digits that follow one another in the files."""
        steps = jnp.arange(self.period**2)[:, None]
        return self.of((indices * self.period**2 + steps) % data.labels.shape[0], data)

    def of(self, images: Int[Array, "time batch"], data: Data) -> Sequences:
        """The sequences of these images, by their numbers."""
        period, time = self.period, self.period**2
        shape = images.shape
        pixels = data.pixels(images.reshape(-1)).reshape(*shape, -1)
        first = (jnp.arange(time) % period == 0)[:, None, None].astype(pixels.dtype)
        digits = data.labels[images]
        odd = jnp.sum((digits % 2 == 1).reshape(period, period, -1), axis=1)
        threes = jnp.sum(digits == 3, axis=0)
        asked = jnp.zeros((*shape, 2)) + NOT_ASKED
        asked = asked.at[period - 1 :: period, :, 0].set(odd.astype(asked.dtype))
        return Sequences(
            inputs=jnp.concatenate([pixels, jnp.broadcast_to(first, (*shape, 1))], axis=-1),
            targets=asked.at[-1, :, 1].set(threes.astype(asked.dtype)),
            weights=jnp.zeros(shape).at[period - 1 :: period].set(1),
        )

    def errors(
        self, outputs: Float[Array, "*axes 2"], targets: Float[Array, "*axes 2"]
    ) -> Float[Array, "*axes 2"]:
        """The squared errors; 0 where nothing is asked."""
        return jnp.where(targets == NOT_ASKED, 0, outputs - targets) ** 2

    def loss(
        self, outputs: Float[Array, "time *batch 2"], targets: Array
    ) -> Float[Array, "time *batch"]:
        """The loss of every step: the sum of the squared errors of what is asked for."""
        return jnp.sum(self.errors(outputs, targets), axis=-1)

    def metrics(
        self, outputs: Float[Array, "time *batch 2"], sequences: Sequences
    ) -> dict[str, Float[Array, "*batch"]]:
        """The mean squared errors of both counts, `odd_error` and `threes_error`."""
        scored = (sequences.weights > 0)[..., None]
        found = jnp.where(scored, self.errors(outputs, sequences.targets), 0)
        odd, threes = jnp.moveaxis(jnp.sum(found, axis=0), -1, 0)
        return {"odd_error": odd / self.period, "threes_error": threes}
