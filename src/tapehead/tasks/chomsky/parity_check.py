"""Parity check: is the number of ones even?"""

from dataclasses import dataclass

import jax.numpy as jnp
from jaxtyping import Array, Int, PRNGKeyArray

from tapehead.tasks.chomsky.strings import Strings, StringTask, random_symbols, single


@dataclass(frozen=True)
class ParityCheck(StringTask):
    """Say whether a string of bits has an even number of ones.

    - Question: random bits.
    - Answer: 0 if the ones are even in number, else 1.

    A regular language; guessing is right half of the time. Inputs, targets and protocol:
    `StringTask`.

    A worked example:

    >>> import jax
    >>> task = ParityCheck(6, 6)
    >>> batch = task.sample(jax.random.key(0), 1)
    >>> print(batch.inputs[:, 0].argmax(-1), "->", batch.targets[6:, 0])
    [0 0 0 1 1 1 2] -> [1]
    >>> task.answer([1, 0, 1, 0, 1, 0])
    [1]
    """

    def questions(self, key: PRNGKeyArray, length: Int[Array, " batch"]) -> Strings:
        """Random bits."""
        question = random_symbols(key, self.max_length, length, self.symbols)
        return Strings(question, length, *single(jnp.sum(question, axis=0) % 2))

    def answer(self, question: list[int]) -> list[int]:
        """Count the ones."""
        return [question.count(1) % 2]
