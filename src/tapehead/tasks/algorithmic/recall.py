"""`Recall`: read a list of bit vectors, then give it back in some order."""

import abc
import dataclasses
from dataclasses import dataclass
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int, PRNGKeyArray

from tapehead.sequences import Sequences
from tapehead.tasks.algorithmic.bits import (
    at_steps,
    check_range,
    check_sizes,
    doubling,
    random_bits,
    random_sizes,
)
from tapehead.tasks.task import Data, Task


@dataclass(frozen=True)
class Recall(Task):
    """A list of random bit vectors, a delimiter, then the vectors again, in an order to be given.

    A sequence of length `L` takes `2 L + 1` steps; batches are padded to `2 max_length + 1`.

    - Inputs `(time, batch, bits + 1)`: at steps `0 .. L-1` a vector in channels `0 .. bits-1`; at
      step `L` the delimiter, a 1 in the last channel; nothing afterwards.
    - Targets `(time, batch, bits)`: the vectors, at steps `L+1 .. 2 L`, which alone have weight.
    """

    min_length: int = 1
    """Fewest vectors in a sequence."""
    max_length: int = 20
    """Most vectors in a sequence."""
    bits: int = 8
    """Bits in each vector."""

    sizes: ClassVar[tuple[int, ...]] = (5, 10, 20, 30, 50, 100, 120)

    def __post_init__(self):
        owner = type(self).__name__
        check_range(owner, "length", self.min_length, self.max_length)
        check_sizes(owner, bits=self.bits)

    @abc.abstractmethod
    def order(
        self, position: Int[Array, "time batch"], length: Int[Array, " batch"]
    ) -> Int[Array, "time batch"]:
        """Which vector is asked for at each position of the answer (outside `[0, L)`: any)."""

    @abc.abstractmethod
    def answer(self, vectors: np.ndarray) -> np.ndarray:
        """The right answer to one list `(length, bits)`, in NumPy: the exact solver."""

    @property
    def input_size(self) -> int:
        """The bits and the delimiter's channel."""
        return self.bits + 1

    @property
    def output_size(self) -> int:
        """The bits."""
        return self.bits

    def sample(self, key: PRNGKeyArray, batch: int, data: Data = ()) -> Sequences:
        """Lists with lengths uniform over `min_length` to `max_length`."""
        size_key, bits_key = jax.random.split(key)
        length = random_sizes(size_key, batch, self.min_length, self.max_length)
        vectors = random_bits(bits_key, (self.max_length, batch, self.bits))
        time = jnp.arange(2 * self.max_length + 1)[:, None]
        position = time - length - 1
        answering = (position >= 0) & (position < length)

        shown = jnp.where((time < length)[..., None], at_steps(vectors, time + 0 * length), 0)
        delimiter = (time == length).astype(jnp.float32)
        wanted = at_steps(vectors, self.order(position, length))
        return Sequences(
            inputs=jnp.concatenate([shown, delimiter[..., None]], axis=-1),
            targets=jnp.where(answering[..., None], wanted, 0),
            weights=answering.astype(jnp.float32),
            mask=time <= 2 * length,
        )

    def solve(self, sequences: Sequences) -> np.ndarray:
        """Find the delimiter and answer what came before it."""
        inputs = np.asarray(sequences.inputs)
        targets = np.zeros((*inputs.shape[:-1], self.bits), inputs.dtype)
        for b in range(inputs.shape[1]):
            (length,) = np.flatnonzero(inputs[:, b, self.bits])
            vectors = inputs[:length, b, : self.bits]
            targets[length + 1 : 2 * length + 1, b] = self.answer(vectors)
        return targets

    def resized(self, size: int) -> "Recall":
        """The same with exactly `size` vectors in every list."""
        return dataclasses.replace(self, min_length=size, max_length=size)

    def evaluations(self) -> dict[str, Task]:
        """The lengths at which the 2014 paper tests copying, and 100."""
        return {f"length {n}": self.resized(n) for n in (10, 20, 30, 50, 100, 120)}

    def lessons(self) -> tuple[Task, ...]:
        """The longest length doubles from lesson to lesson; the shortest stays."""
        longest = doubling(self.min_length, self.max_length)
        return *(dataclasses.replace(self, max_length=n) for n in longest[:-1]), self
