"""Modular arithmetic: sums, differences and products modulo 5, without brackets."""

from dataclasses import dataclass
from typing import ClassVar

import jax
import jax.numpy as jnp
from jaxtyping import Array, Int, PRNGKeyArray

from tapehead.tasks.chomsky.arithmetic import MINUS, MODULUS, PLUS, TIMES, value
from tapehead.tasks.chomsky.strings import Strings, StringTask, random_symbols, single


@dataclass(frozen=True)
class ModularArithmetic(StringTask):
    """Give the value modulo 5 of digits joined by +, − and ×; products come before sums.

    - Question: random digits 0 to 4, with a random operator between any two: + is symbol 5, − is
      6, × is 7. An even length is one symbol shorter.
    - Answer: the value, 0 to 4.

    A regular language; guessing is right about one time in five. Inputs, targets and protocol:
    `StringTask`.

    A worked example:

    >>> import jax
    >>> task = ModularArithmetic(7, 7)
    >>> batch = task.sample(jax.random.key(0), 1)
    >>> print(batch.inputs[:, 0].argmax(-1), "->", batch.targets[7:, 0])
    [2 6 2 7 4 5 4 8] -> [3]
    >>> task.answer([1, 5, 2, 7, 3])  # 1 + 2 × 3 = 7
    [2]
    """

    symbols: ClassVar[int] = MODULUS + 3
    classes: ClassVar[int] = MODULUS

    def questions(self, key: PRNGKeyArray, length: Int[Array, " batch"]) -> Strings:
        """Digits and operators in turn."""
        length = length - (length + 1) % 2
        digit_key, operator_key = jax.random.split(key)
        digits = random_symbols(digit_key, self.max_length, length, MODULUS)
        operators = PLUS + random_symbols(operator_key, self.max_length, length, 3)
        place = jnp.arange(self.max_length)[:, None]
        question = jnp.where(place % 2 == 0, digits, operators)

        def read(
            state: tuple[Array, Array], symbol: Int[Array, " batch"]
        ) -> tuple[tuple[Array, Array], None]:
            """The terms that are finished, summed, and the product that is not."""
            total, term = state
            ends = (symbol == PLUS) | (symbol == MINUS)
            total = jnp.where(ends, total + term, total)
            factor = jnp.where(symbol < MODULUS, symbol, 1)
            sign = jnp.where(symbol == MINUS, -1, 1)
            return (total % MODULUS, jnp.where(ends, sign, term * factor) % MODULUS), None

        heeded = jnp.where(place < length, question, TIMES)
        start = (jnp.zeros_like(length), jnp.ones_like(length))
        (total, term), _ = jax.lax.scan(read, start, heeded)
        return Strings(question, length, *single((total + term) % MODULUS))

    def answer(self, question: list[int]) -> list[int]:
        """Parse and reckon."""
        return [value(question)]
