"""Reverse string."""

from dataclasses import dataclass

from jaxtyping import Array, Int

from tapehead.tasks.chomsky.strings import Rearranged


@dataclass(frozen=True)
class ReverseString(Rearranged):
    """Give a string of bits from its last to its first.

    - Question: random bits.
    - Answer: the same backwards.

    A deterministic context-free language; guessing is right half of the time. Inputs, targets and
    protocol: `StringTask`.

    A worked example:

    >>> import jax
    >>> task = ReverseString(6, 6)
    >>> batch = task.sample(jax.random.key(0), 1)
    >>> print(batch.inputs[:, 0].argmax(-1), "->", batch.targets[6:, 0])
    [0 0 0 1 1 1 2 2 2 2 2 2] -> [1 1 1 0 0 0]
    >>> task.answer([0, 1, 1])
    [1, 1, 0]
    """

    def order(
        self, position: Int[Array, "answer 1"], length: Int[Array, " batch"]
    ) -> Int[Array, "answer batch"]:
        """As far from the end as the position is from the beginning."""
        return length - 1 - position

    def answer(self, question: list[int]) -> list[int]:
        """Backwards."""
        return question[::-1]
