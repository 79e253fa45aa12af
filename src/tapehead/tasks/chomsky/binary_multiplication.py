"""Binary multiplication."""

import math
from dataclasses import dataclass

import jax.numpy as jnp
from jaxtyping import Array, Int

from tapehead.tasks.chomsky.binary import (
    END,
    SIGN,
    Bits,
    TwoNumbers,
    digits_of,
    multiplied,
    operands,
    written,
)


@dataclass(frozen=True)
class BinaryMultiplication(TwoNumbers):
    """Multiply two binary numbers, lowest bit first.

    - Question: the bits of a number, symbol 2, and the bits of another. The lengths are random,
      and numbers uniform over all that have room but 0. Questions of 1 or 2 symbols are a single
      number, from 0 to 2ⁿ − 2.
    - Answer: the bits of the product without leading zeros, and then class 2. To a single number
      the answer is one 0 less than it has symbols, and then class 2.

    A context-sensitive language. Inputs, targets and protocol: `StringTask`.

    A worked example:

    >>> import jax
    >>> task = BinaryMultiplication(8, 8)
    >>> batch = task.sample(jax.random.key(0), 1)
    >>> steps = batch.mask[:, 0].sum()
    >>> print(batch.inputs[:, 0].argmax(-1), "->", batch.targets[8:steps, 0])
    [0 1 0 2 0 1 0 1 3 3 3 3 3 3 0 0 0] -> [0 0 1 0 1 2]
    >>> task.answer([1, 0, 1, 2, 1, 1])  # 5 × 3 = 15
    [1, 1, 1, 1, 2]
    """

    def result(
        self, a: Bits, b: Bits, length: Int[Array, " batch"]
    ) -> tuple[Bits, Int[Array, " batch"]]:
        """The product; of one number, nothing but zeros."""
        product = multiplied(a, b)
        return product, jnp.where(length < 3, length - 1, digits_of(product))

    def answer(self, question: list[int]) -> list[int]:
        """Multiply."""
        if SIGN not in question:
            return [*[0] * (len(question) - 1), END]
        return [*written(math.prod(operands(question))), END]
