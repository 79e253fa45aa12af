"""Solve equation: which digit has been replaced by an unknown?"""

from dataclasses import dataclass
from typing import ClassVar

import jax
import jax.numpy as jnp
from jaxtyping import Array, Int, PRNGKeyArray

from tapehead.tasks.chomsky.arithmetic import CLOSE, MODULUS, expressions, reckoned, value
from tapehead.tasks.chomsky.strings import Strings, StringTask, looked_up, single

UNKNOWN, EQUALS = CLOSE + 1, CLOSE + 2


@dataclass(frozen=True)
class SolveEquation(StringTask):
    """Solve a bracketed equation of +, − and one unknown modulo 5.

    - Question: an expression as in modular arithmetic with brackets, but without ×, in which one
      digit is replaced by the unknown, symbol 10; the sign =, symbol 11; the expression's value.
      The digit is the first one at or after a random place, going round. Questions of 1 or 2
      symbols are zeros.
    - Answer: the unknown digit, 0 to 4; it is determined, as no product can hide it. To questions
      of 1 or 2 symbols it is 0.

    A deterministic context-free language; guessing is right about one time in five. Inputs,
    targets and protocol: `StringTask`.

    A worked example:

    >>> import jax
    >>> task = SolveEquation(13, 13)
    >>> batch = task.sample(jax.random.key(0), 1)
    >>> print(batch.inputs[:, 0].argmax(-1), "->", batch.targets[13:, 0])
    [ 8  8  6  2  6  6  0  9  5 10  9 11  4 12] -> [1]
    >>> task.answer([8, 10, 6, 3, 9, 11, 4])  # (x − 3) = 4
    [2]
    """

    symbols: ClassVar[int] = EQUALS + 1
    classes: ClassVar[int] = MODULUS

    def questions(self, key: PRNGKeyArray, length: Int[Array, " batch"]) -> Strings:
        """Random expressions, a digit of each hidden."""
        expression_key, place_key = jax.random.split(key)
        inner = jnp.maximum(length - 2, 1)
        expression = expressions(expression_key, self.max_length, inner, operators=2)
        place = jnp.arange(self.max_length)[:, None]
        start = jax.random.randint(place_key, length.shape, 0, inner)
        distance = jnp.where(
            (expression < MODULUS) & (place < inner), (place - start) % inner, self.max_length
        )
        hidden = jnp.argmin(distance, axis=0)
        question = jnp.where(place == hidden, UNKNOWN, expression)
        question = jnp.where(place == inner, EQUALS, question)
        question = jnp.where(place == inner + 1, reckoned(expression, inner), question)
        answer = looked_up(expression, hidden[None])[0]
        short = length < 3
        return Strings(jnp.where(short, 0, question), length, *single(jnp.where(short, 0, answer)))

    def answer(self, question: list[int]) -> list[int]:
        """Try all five."""
        if UNKNOWN not in question:
            return [0]
        *left, _, right = question
        return [
            digit
            for digit in range(MODULUS)
            if value([digit if symbol == UNKNOWN else symbol for symbol in left]) == right
        ]
