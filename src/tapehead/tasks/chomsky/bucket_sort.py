"""Bucket sort."""

from dataclasses import dataclass
from typing import ClassVar

import jax.numpy as jnp
from jaxtyping import Array, Int, PRNGKeyArray

from tapehead.tasks.chomsky.strings import Strings, StringTask, random_symbols


@dataclass(frozen=True)
class BucketSort(StringTask):
    """Sort a string of the digits 0 to 4.

    - Question: random digits.
    - Answer: the same digits, rising.

    A context-sensitive language, though to count five digits is enough; guessing is right one time
    in five. Inputs, targets and protocol: `StringTask`.

    A worked example:

    >>> import jax
    >>> task = BucketSort(6, 6)
    >>> batch = task.sample(jax.random.key(0), 1)
    >>> print(batch.inputs[:, 0].argmax(-1), "->", batch.targets[6:, 0])
    [2 2 1 0 1 2 5 5 5 5 5 5] -> [0 1 1 2 2 2]
    >>> task.answer([1, 0, 4, 1])
    [0, 1, 1, 4]
    """

    symbols: ClassVar[int] = 5
    classes: ClassVar[int] = 5

    def questions(self, key: PRNGKeyArray, length: Int[Array, " batch"]) -> Strings:
        """Random digits."""
        question = random_symbols(key, self.max_length, length, self.symbols)
        there = jnp.arange(self.max_length)[:, None] < length
        answer = jnp.sort(jnp.where(there, question, self.symbols), axis=0)
        return Strings(question, length, answer, length)

    def answer(self, question: list[int]) -> list[int]:
        """Sort."""
        return sorted(question)
