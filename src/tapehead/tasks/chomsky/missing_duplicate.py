"""Missing duplicate: which bit is missing from a string that comes twice?"""

from dataclasses import dataclass
from typing import ClassVar

import jax
import jax.numpy as jnp
from jaxtyping import Array, Int, PRNGKeyArray

from tapehead.tasks.chomsky.strings import Strings, StringTask, looked_up, random_symbols, single

MISSING, FILL = 2, 3


@dataclass(frozen=True)
class MissingDuplicate(StringTask):
    """Find the one bit that is missing from a string given twice.

    - Question: half as many random bits as it is long, twice, with one of all of them replaced by
      symbol 2; symbol 3 follows where the length is odd. A question of one symbol is a 1.
    - Answer: the missing bit; to a question of one symbol it is 1.

    A context-sensitive language; guessing is right half of the time. Inputs, targets and protocol:
    `StringTask`.

    A worked example:

    >>> import jax
    >>> task = MissingDuplicate(7, 7)
    >>> batch = task.sample(jax.random.key(0), 1)
    >>> print(batch.inputs[:, 0].argmax(-1), "->", batch.targets[7:, 0])
    [1 1 0 1 2 0 3 4] -> [1]
    >>> task.answer([0, 1, 1, 0, 0, 2, 1, 0])
    [1]
    """

    symbols: ClassVar[int] = 4

    def questions(self, key: PRNGKeyArray, length: Int[Array, " batch"]) -> Strings:
        """Random bits, one of them hidden."""
        bit_key, place_key = jax.random.split(key)
        half = jnp.maximum(length // 2, 1)
        bits = random_symbols(bit_key, self.max_length, half, 2)
        place = jnp.arange(self.max_length)[:, None]
        hidden = jax.random.randint(place_key, length.shape, 0, 2 * half)
        question = jnp.where(place < 2 * half, looked_up(bits, place % half), FILL)
        question = jnp.where(place == hidden, MISSING, question)
        answer = looked_up(bits, (hidden % half)[None])[0]
        one = length == 1
        return Strings(jnp.where(one, 1, question), length, *single(jnp.where(one, 1, answer)))

    def answer(self, question: list[int]) -> list[int]:
        """Look at the same place of the other half."""
        if len(question) == 1:
            return [1]
        half = len(question) // 2
        hidden = question.index(MISSING)
        return [question[(hidden + half) % (2 * half)]]
