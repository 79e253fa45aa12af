"""Multiplication: the product of the two marked numbers of a long sequence."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import jax.numpy as jnp
import numpy as np
from jaxtyping import PRNGKeyArray

from tapehead.errors import at_least
from tapehead.sequences import Sequences
from tapehead.tasks.length import LengthTask
from tapehead.tasks.longlag.marked import marked_numbers
from tapehead.tasks.task import Data


@dataclass(frozen=True)
class Multiplication(LengthTask):
    """Multiply the two marked numbers of a long sequence.

    As `Adding`, with numbers from [0, 1] and their product: a sequence has `length` to `1.1 length`
    steps; the first mark is on one of the first ten numbers, the second on another of the first
    `length / 2 − 1`; a mark is 1, that of the first and of the last step is −1, every other is 0.
    Where the first step would be marked, its number counts as 1.

    - Inputs `(time, batch, 2)`: a random number and its mark at every step.
    - Targets `(time, batch, 1)`: at the last step, which alone has weight, the product.

    A step is right within 0.04. The task is solved when at most 6 of 1,000 sequences are wrong:
    the stricter of the paper's two criteria, fewer than 13 of the last 2,000 of training. Always
    answering the mean, 1/4, has a squared error of 0.0486.

    Source: Hochreiter and Schmidhuber, "Long short-term memory" (1997), experiment 5.

    A worked example:

    >>> import jax
    >>> batch = Multiplication(20).sample(jax.random.key(0), 1)
    >>> numbers = batch.inputs[:, 0, 0][batch.inputs[:, 0, 1] == 1]
    >>> numbers.size
    2
    >>> bool(abs(numbers.prod() - batch.targets[batch.weights > 0][0, 0]) < 1e-6)
    True
    """

    length: int = 100
    """Steps of the shortest sequence."""

    sizes: ClassVar[tuple[int, ...]] = (50, 100, 200)
    score: ClassVar[str] = "accuracy"
    output_kind = "values"

    def __post_init__(self):
        at_least("Multiplication", 4, length=self.length)

    @property
    def input_size(self) -> int:
        """A number and its mark."""
        return 2

    @property
    def output_size(self) -> int:
        """The product."""
        return 1

    def sample(self, key: PRNGKeyArray, batch: int, data: Data = ()) -> Sequences:
        """Numbers, marks and lengths, all uniform."""
        drawn = marked_numbers(key, batch, length=self.length, low=0.0)
        product = jnp.prod(jnp.where(drawn.counted, drawn.inputs[..., 0], 1), axis=0)
        return Sequences(
            inputs=drawn.inputs,
            targets=jnp.where(drawn.last, product, 0)[..., None],
            weights=drawn.last.astype(jnp.float32),
            mask=drawn.mask,
        )

    def solved(self, metrics: Mapping[str, float]) -> bool:
        """Fewer than 13 wrong in 2,000, as the paper counts."""
        return metrics["accuracy"] > 1 - 13 / 2000

    def solve(self, sequences: Sequences) -> np.ndarray:
        """Multiply what is marked."""
        inputs, mask = np.asarray(sequences.inputs), np.asarray(sequences.mask)
        targets = np.zeros(sequences.targets.shape, np.float32)
        for b, end in enumerate(mask.sum(axis=0)):
            targets[end - 1, b, 0] = np.prod([n for n, mark in inputs[:end, b] if mark == 1])
        return targets
