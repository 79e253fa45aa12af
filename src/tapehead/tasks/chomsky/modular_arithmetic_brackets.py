"""Modular arithmetic with brackets."""

from dataclasses import dataclass
from typing import ClassVar

from jaxtyping import Array, Int, PRNGKeyArray

from tapehead.tasks.chomsky.arithmetic import MODULUS, expressions, reckoned, value
from tapehead.tasks.chomsky.strings import Strings, StringTask, single


@dataclass(frozen=True)
class ModularArithmeticBrackets(StringTask):
    """Give the value modulo 5 of a bracketed expression of digits, +, − and ×.

    - Question: a random expression: digits 0 to 4; + is symbol 5, − is 6, × is 7, the brackets
      are 8 and 9. An expression of 1 to 4 symbols is d, −d, (d) or (−d); a longer one is (a∘b),
      with a random operator, the length of a uniform over all that are possible.
    - Answer: the value, 0 to 4.

    A deterministic context-free language; guessing is right about one time in five. Inputs,
    targets and protocol: `StringTask`.

    A worked example:

    >>> import jax
    >>> task = ModularArithmeticBrackets(11, 11)
    >>> batch = task.sample(jax.random.key(0), 1)
    >>> print(batch.inputs[:, 0].argmax(-1), "->", batch.targets[11:, 0])
    [ 8  8  6  2  7  2  9  7  6  4  9 10] -> [1]
    >>> task.answer([8, 3, 7, 8, 6, 4, 9, 9])  # (3 × (−4)) = −12
    [3]
    """

    symbols: ClassVar[int] = MODULUS + 5
    classes: ClassVar[int] = MODULUS

    def questions(self, key: PRNGKeyArray, length: Int[Array, " batch"]) -> Strings:
        """Random expressions."""
        question = expressions(key, self.max_length, length, operators=3)
        return Strings(question, length, *single(reckoned(question, length)))

    def answer(self, question: list[int]) -> list[int]:
        """Parse and reckon."""
        return [value(question)]
