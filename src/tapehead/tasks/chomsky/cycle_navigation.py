"""Cycle navigation: where on a circle does a walk end?"""

from dataclasses import dataclass
from typing import ClassVar

import jax.numpy as jnp
from jaxtyping import Array, Int, PRNGKeyArray

from tapehead.tasks.chomsky.strings import Strings, StringTask, random_symbols, single

PLACES = 5
"""Places on the circle."""


@dataclass(frozen=True)
class CycleNavigation(StringTask):
    """Say where on a circle of five places a walk that began at place 0 has ended.

    - Question: random steps: 0 goes one place back, 1 stays, 2 goes one place on.
    - Answer: the place, 0 to 4.

    A regular language; guessing is right one time in five. Inputs, targets and protocol:
    `StringTask`.

    A worked example:

    >>> import jax
    >>> task = CycleNavigation(6, 6)
    >>> batch = task.sample(jax.random.key(0), 1)
    >>> print(batch.inputs[:, 0].argmax(-1), "->", batch.targets[6:, 0])
    [2 1 1 0 2 0 3] -> [0]
    >>> task.answer([2, 2, 1, 0])
    [1]
    """

    symbols: ClassVar[int] = 3
    classes: ClassVar[int] = PLACES

    def questions(self, key: PRNGKeyArray, length: Int[Array, " batch"]) -> Strings:
        """Random steps."""
        question = random_symbols(key, self.max_length, length, self.symbols)
        # Beyond the end there are zeros, each a step back that is not taken.
        walked = jnp.sum(question, axis=0) - length
        return Strings(question, length, *single(walked % PLACES))

    def answer(self, question: list[int]) -> list[int]:
        """Walk."""
        place = 0
        for step in question:
            place = (place + step - 1) % PLACES
        return [place]
