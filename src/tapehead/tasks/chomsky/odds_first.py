"""Odds first."""

from dataclasses import dataclass

import jax.numpy as jnp
from jaxtyping import Array, Int

from tapehead.tasks.chomsky.strings import Rearranged


@dataclass(frozen=True)
class OddsFirst(Rearranged):
    """Give the bits of a string at odd places, then those at even places.

    - Question: random bits s₁ s₂ … sₙ.
    - Answer: s₁ s₃ s₅ … s₂ s₄ s₆ …, as the paper defines it; the code that was published with it
      gives the two halves in the other order.

    A context-sensitive language; guessing is right half of the time. Inputs, targets and protocol:
    `StringTask`.

    A worked example:

    >>> import jax
    >>> task = OddsFirst(7, 7)
    >>> batch = task.sample(jax.random.key(0), 1)
    >>> print(batch.inputs[:, 0].argmax(-1), "->", batch.targets[7:, 0])
    [0 0 0 1 1 1 0 2 2 2 2 2 2 2] -> [0 0 1 0 0 1 1]
    >>> task.answer([0, 0, 1, 1, 0, 1, 0, 1])
    [0, 1, 0, 0, 0, 1, 1, 1]
    """

    def order(
        self, position: Int[Array, "answer 1"], length: Int[Array, " batch"]
    ) -> Int[Array, "answer batch"]:
        """Every second one from the first, then every second one from the second."""
        odds = (length + 1) // 2
        return jnp.where(position < odds, 2 * position, 2 * (position - odds) + 1)

    def answer(self, question: list[int]) -> list[int]:
        """Two slices."""
        return question[::2] + question[1::2]
