"""Binary numbers of any length, the lowest bit first, and questions about two of them."""

import abc
from dataclasses import dataclass
from typing import ClassVar

import jax
import jax.numpy as jnp
from jaxtyping import Array, Int, PRNGKeyArray

from tapehead.tasks.chomsky.strings import Strings, StringTask, looked_up, random_symbols

Bits = Int[Array, "bits batch"]

SIGN, END = 2, 2
"""The symbol between two numbers; the answer's last class."""


def random_number(key: PRNGKeyArray, longest: int, length: Int[Array, " batch"]) -> Bits:
    """Numbers uniform over 1 to 2**length − 1."""
    place_key, bit_key = jax.random.split(key)
    # The highest 1 is at the top of half of all numbers, one below it in a quarter, and so on;
    # all bits below it are free.
    share = jax.random.uniform(place_key, length.shape)
    zeros = jnp.floor(-jnp.log2(1 - share * (1 - 2.0 ** -length.astype(jnp.float32))))
    highest = jnp.clip(length - 1 - zeros.astype(jnp.int32), 0, length - 1)
    bits = random_symbols(bit_key, longest, highest, 2)
    return jnp.where(jnp.arange(longest)[:, None] == highest, 1, bits)


def digits_of(number: Bits) -> Int[Array, " batch"]:
    """How many digits a number has without leading zeros; 0 has none."""
    place = 1 + jnp.arange(len(number))[:, None]
    return jnp.max(jnp.where(number == 1, place, 0), axis=0)


def carries(settled: Bits, one: Bits) -> Bits:
    """What each place hands on: `one` where it is `settled`, else what it was handed itself."""
    place = jnp.arange(len(one))[:, None]
    last = jax.lax.cummax(jnp.where(settled, 2 * place + one, -1), axis=0)
    return jnp.where(last >= 0, last % 2, 0)


def handed(carry: Bits) -> Bits:
    """What each place is handed: the carry of the place below."""
    return jnp.concatenate([jnp.zeros_like(carry[:1]), carry[:-1]])


def added(a: Bits, b: Bits) -> Bits:
    """a + b, in as many places."""
    both = a + b
    return (both + handed(carries(both != 1, both // 2))) % 2


def multiplied(a: Bits, b: Bits) -> Bits:
    """a · b, in as many places."""
    size = len(a)
    spectrum = jnp.fft.rfft(a, 2 * size, axis=0) * jnp.fft.rfft(b, 2 * size, axis=0)
    # Counts of at most `size`, so rounding finds them however the transform rounds.
    counts = jnp.round(jnp.fft.irfft(spectrum, 2 * size, axis=0)[:size]).astype(jnp.int32)

    def place(carry: Array, count: Array) -> tuple[Array, Array]:
        total = carry + count
        return total // 2, total % 2

    return jax.lax.scan(place, jnp.zeros_like(counts[0]), counts)[1]


@dataclass(frozen=True)
class TwoNumbers(StringTask):
    """A question of two positive binary numbers, lowest bit first, and a sign between them.

    Each number is uniform over all that its digits can hold but 0; the length of the first is
    uniform over those that leave the second a digit. Questions of one or two symbols are one
    number, uniform over 0 to 2ⁿ − 2.
    """

    symbols: ClassVar[int] = 3
    classes: ClassVar[int] = 3

    @abc.abstractmethod
    def result(
        self, a: Bits, b: Bits, length: Int[Array, " batch"]
    ) -> tuple[Bits, Int[Array, " batch"]]:
        """The bits of the answer, and how many of them come before its end.

        `b` is 0 where the question, `length` symbols, is too short for two numbers.
        """

    def questions(self, key: PRNGKeyArray, length: Int[Array, " batch"]) -> Strings:
        """Two numbers, or one where there is no room for two."""
        size = self.max_length
        first_key, second_key, split_key, short_key = jax.random.split(key, 4)
        two = length >= 3
        first = jax.random.randint(split_key, length.shape, 1, jnp.maximum(length - 1, 2))
        second = jnp.maximum(length - 1 - first, 1)
        small = jax.random.randint(short_key, length.shape, 0, jnp.where(length == 1, 1, 3))
        place = jnp.arange(size)[:, None]
        alone = jnp.where(place < 2, (small >> jnp.minimum(place, 1)) % 2, 0)
        a = jnp.where(two, random_number(first_key, size, first), alone)
        b = jnp.where(two, random_number(second_key, size, second), 0)
        question = jnp.where(
            place < first, a, jnp.where(place == first, SIGN, looked_up(b, place - first - 1))
        )
        bits, count = self.result(a, b, length)
        bits = jnp.concatenate([bits, jnp.zeros_like(bits[:1])])
        answer = jnp.where(jnp.arange(size + 1)[:, None] == count, END, bits)
        return Strings(jnp.where(two, question, a), length, answer, count + 1)


def read(symbols: list[int]) -> int:
    """The number that bits stand for, the lowest first."""
    return sum(bit << place for place, bit in enumerate(symbols))


def operands(question: list[int]) -> tuple[int, int]:
    """The two numbers of a question; the second is 0 where there is only one."""
    sign = question.index(SIGN) if SIGN in question else len(question)
    return read(question[:sign]), read(question[sign + 1 :])


def written(number: int) -> list[int]:
    """Its bits, the lowest first, without leading zeros; 0 is one zero."""
    return [int(digit) for digit in f"{number:b}"[::-1]]
