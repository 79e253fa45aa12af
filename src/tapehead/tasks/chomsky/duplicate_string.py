"""Duplicate string."""

from dataclasses import dataclass
from typing import ClassVar

from jaxtyping import Array, Int

from tapehead.tasks.chomsky.strings import Rearranged


@dataclass(frozen=True)
class DuplicateString(Rearranged):
    """Give a string of bits twice.

    - Question: random bits.
    - Answer: the same two times, one after the other.

    A context-sensitive language; guessing is right half of the time. Inputs, targets and protocol:
    `StringTask`.

    A worked example:

    >>> import jax
    >>> task = DuplicateString(4, 4)
    >>> batch = task.sample(jax.random.key(0), 1)
    >>> print(batch.inputs[:, 0].argmax(-1), "->", batch.targets[4:, 0])
    [0 0 0 1 2 2 2 2 2 2 2 2] -> [0 0 0 1 0 0 0 1]
    >>> task.answer([0, 1, 1])
    [0, 1, 1, 0, 1, 1]
    """

    copies: ClassVar[int] = 2

    def order(
        self, position: Int[Array, "answer 1"], length: Int[Array, " batch"]
    ) -> Int[Array, "answer batch"]:
        """From the beginning, and again."""
        return position % length

    def answer(self, question: list[int]) -> list[int]:
        """Twice."""
        return question + question
