"""Even pairs: does the string end as it began?"""

import itertools
from dataclasses import dataclass

import jax.numpy as jnp
from jaxtyping import Array, Int, PRNGKeyArray

from tapehead.tasks.chomsky.strings import Strings, StringTask, looked_up, random_symbols, single


@dataclass(frozen=True)
class EvenPairs(StringTask):
    """Say whether a string of bits has as many changes as make an even number: 01 and 10 together.

    - Question: random bits.
    - Answer: 0 if the pairs 01 and 10 are even in number, which is to say that the first bit is
      also the last, else 1.

    A regular language; guessing is right half of the time. Inputs, targets and protocol:
    `StringTask`.

    A worked example:

    >>> import jax
    >>> task = EvenPairs(6, 6)
    >>> batch = task.sample(jax.random.key(0), 1)
    >>> print(batch.inputs[:, 0].argmax(-1), "->", batch.targets[6:, 0])
    [0 0 0 1 1 1 2] -> [1]
    >>> task.answer([0, 0, 1, 1, 1, 0])
    [0]
    """

    def questions(self, key: PRNGKeyArray, length: Int[Array, " batch"]) -> Strings:
        """Random bits."""
        question = random_symbols(key, self.max_length, length, self.symbols)
        last = looked_up(question, (length - 1)[None])[0]
        return Strings(question, length, *single((question[0] != last).astype(jnp.int32)))

    def answer(self, question: list[int]) -> list[int]:
        """Count the pairs."""
        pairs = itertools.pairwise(question)
        return [sum(a != b for a, b in pairs) % 2]
