"""Compute sqrt: the square root of a binary number."""

import math
from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jaxtyping import Array, Int, PRNGKeyArray

from tapehead.tasks.chomsky.binary import carries, handed, random_number, read, written
from tapehead.tasks.chomsky.strings import Strings, StringTask, looked_up


@dataclass(frozen=True)
class ComputeSqrt(StringTask):
    """Give the square root of a binary number, rounded down; highest bit first.

    - Question: the bits of a number uniform over 1 to 2ⁿ − 1, leading zeros included.
    - Answer: the bits of its root, half as many (rounded up), leading zeros included.

    A context-sensitive language. Inputs, targets and protocol: `StringTask`.

    A worked example:

    >>> import jax
    >>> task = ComputeSqrt(7, 7)
    >>> batch = task.sample(jax.random.key(0), 1)
    >>> print(batch.inputs[:, 0].argmax(-1), "->", batch.targets[7:, 0])
    [0 1 1 1 0 0 0 2 2 2 2] -> [0 1 1 1]
    >>> task.answer([1, 0, 0, 1, 0, 1])  # 37: 6 × 6 = 36
    [1, 1, 0]
    """

    def questions(self, key: PRNGKeyArray, length: Int[Array, " batch"]) -> Strings:
        """Random numbers, and their roots digit by digit, as on paper."""
        size = self.max_length
        number = random_number(key, size, length)
        question = looked_up(number, length - 1 - jnp.arange(size)[:, None])
        half = (size + 1) // 2
        asked = (length + 1) // 2

        def digit(
            state: tuple[Array, Array], pair: Int[Array, " batch"]
        ) -> tuple[tuple[Array, Array], Array]:
            """Bring down two bits; the next digit is 1 if 4 root + 1 can be taken away."""
            root, rest = state
            down = looked_up(number, jnp.stack([2 * pair, 2 * pair + 1]))
            down = jnp.where((pair >= 0) & (jnp.stack([2 * pair, 2 * pair + 1]) < size), down, 0)
            rest = jnp.concatenate([down, rest[:-2]])
            ones, zeros = jnp.ones_like(root[:1]), jnp.zeros_like(root[:1])
            taken = jnp.concatenate([ones, zeros, root[:-2]])
            borrows = carries(rest != taken, (rest < taken).astype(jnp.int32))
            fits = borrows[-1] == 0
            less = (rest - taken - handed(borrows)) % 2
            new = jnp.concatenate([fits.astype(jnp.int32)[None], root[:-1]])
            before = pair >= 0
            return (
                jnp.where(before, new, root),
                jnp.where(before & fits, less, rest),
            ), fits.astype(jnp.int32)

        zeros = jnp.zeros((half + 3, *length.shape), jnp.int32)
        pairs = asked - 1 - jnp.arange(half)[:, None]
        _, answer = jax.lax.scan(digit, (zeros, zeros), pairs)
        return Strings(question, length, answer, asked)

    def answer(self, question: list[int]) -> list[int]:
        """The root of a whole number of any size."""
        root = written(math.isqrt(read(question[::-1])))
        places = (len(question) + 1) // 2
        return [*[0] * (places - len(root)), *root[::-1]]
