"""Binary addition."""

from dataclasses import dataclass

import jax.numpy as jnp
from jaxtyping import Array, Int

from tapehead.tasks.chomsky.binary import (
    END,
    Bits,
    TwoNumbers,
    added,
    digits_of,
    operands,
    written,
)


@dataclass(frozen=True)
class BinaryAddition(TwoNumbers):
    """Add two binary numbers, lowest bit first.

    - Question: the bits of a number, symbol 2, and the bits of another. The lengths are random,
      and numbers uniform over all that have room but 0. Questions of 1 or 2 symbols are a single
      number, from 0 to 2ⁿ − 2.
    - Answer: the bits of the sum without leading zeros, and then class 2.

    A context-sensitive language. Inputs, targets and protocol: `StringTask`.

    A worked example:

    >>> import jax
    >>> task = BinaryAddition(8, 8)
    >>> batch = task.sample(jax.random.key(0), 1)
    >>> steps = batch.mask[:, 0].sum()
    >>> print(batch.inputs[:, 0].argmax(-1), "->", batch.targets[8:steps, 0])
    [0 1 0 2 0 1 0 1 3 3 3 3 3 0 0 0 0] -> [0 0 1 1 2]
    >>> task.answer([1, 0, 0, 1, 2, 0, 0, 0, 0, 0, 1])  # 9 + 32 = 41
    [1, 0, 0, 1, 0, 1, 2]
    """

    def result(
        self, a: Bits, b: Bits, length: Int[Array, " batch"]
    ) -> tuple[Bits, Int[Array, " batch"]]:
        """The sum; 0 is one zero."""
        total = added(a, b)
        return total, jnp.maximum(digits_of(total), 1)

    def answer(self, question: list[int]) -> list[int]:
        """Add."""
        return [*written(sum(operands(question))), END]
