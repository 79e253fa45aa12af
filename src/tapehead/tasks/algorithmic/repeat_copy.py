"""Repeat copy: give back a list of bit vectors a stated number of times, then say so."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PRNGKeyArray

from tapehead.errors import UserError
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
class RepeatCopy(Task):
    """Read a list of random bit vectors and a number, give the list back so often, mark the end.

    A sequence of `L` vectors repeated `R` times takes `L + 1 + L R + 1` steps; batches are padded
    to the longest.

    - Inputs `(time, batch, bits + 2)`: at steps `0 .. L-1` a vector in channels `0 .. bits-1`; at
      step `L` the delimiter, a 1 in channel `bits`, and the number of repeats in channel
      `bits + 1`, as `(R - mean) / deviation` over the training distribution, so that it has mean
      0 and variance 1 there; nothing afterwards.
    - Targets `(time, batch, bits + 1)`: the list `R` times in channels `0 .. bits-1`, then one
      step with a 1 in the last channel, the end marker, and zeros elsewhere. These `L R + 1`
      steps have weight, all their channels included.

    A network that knows nothing pays `(bits + 1) (mean L mean R + 1)` bits per sequence: 281.25
    with the defaults, 242 of them for the vectors. (The paper's curves begin near 181.5, which is
    the vectors alone with 6 bits each.)

    Source: Graves, Wayne and Danihelka, "Neural Turing Machines" (2014), section 4.2.

    A worked example, one row a step; the number 2 is the least of 2 and 3, so one deviation below
    their mean:

    >>> import jax
    >>> task = RepeatCopy(min_length=2, max_length=2, min_repeats=2, max_repeats=3, bits=3)
    >>> batch = task.sample(jax.random.key(0), 1)
    >>> print(batch.inputs[:, 0].astype(int))
    [[ 0  0  1  0  0]
     [ 1  0  0  0  0]
     [ 0  0  0  1 -1]
     [ 0  0  0  0  0]
     [ 0  0  0  0  0]
     [ 0  0  0  0  0]
     [ 0  0  0  0  0]
     [ 0  0  0  0  0]
     [ 0  0  0  0  0]
     [ 0  0  0  0  0]]
    >>> print(batch.targets[:, 0].astype(int))
    [[0 0 0 0]
     [0 0 0 0]
     [0 0 0 0]
     [0 0 1 0]
     [1 0 0 0]
     [0 0 1 0]
     [1 0 0 0]
     [0 0 0 1]
     [0 0 0 0]
     [0 0 0 0]]
    >>> print(batch.weights[:, 0].astype(int), batch.mask[:, 0].astype(int))
    [0 0 0 1 1 1 1 1 0 0] [1 1 1 1 1 1 1 1 0 0]
    """

    min_length: int = 1
    """Fewest vectors in a list."""
    max_length: int = 10
    """Most vectors in a list."""
    min_repeats: int = 1
    """Fewest repeats."""
    max_repeats: int = 10
    """Most repeats."""
    bits: int = 8
    """Bits in each vector."""
    usual_repeats: tuple[int, int] | None = None
    """Least and most repeats that the repeat channel is normalised to; None: those above."""

    sizes: ClassVar[tuple[int, ...]] = (2, 5, 10, 15, 20)
    # One sequence at a time, as in the paper: sixteen times the updates find what few do not.
    defaults: ClassVar[Mapping[str, Any]] = MappingProxyType(
        {"batch": 1, "updates": 40_000, "log_every": 200, "evaluate_every": 1000}
    )

    def __post_init__(self):
        check_range("RepeatCopy", "length", self.min_length, self.max_length)
        check_range("RepeatCopy", "repeats", self.min_repeats, self.max_repeats)
        check_sizes("RepeatCopy", bits=self.bits)
        match self.usual_repeats:
            case None:
                pass
            case (int(least), int(most)) if 1 <= least <= most:
                pass
            case other:
                raise UserError(
                    f"RepeatCopy: usual_repeats must be two rising numbers from 1 up, got {other}"
                )

    @property
    def input_size(self) -> int:
        """The bits, the delimiter's channel and the number's."""
        return self.bits + 2

    @property
    def output_size(self) -> int:
        """The bits and the end marker's channel."""
        return self.bits + 1

    @property
    def normalisation(self) -> tuple[float, float]:
        """Mean and standard deviation of the repeats that a network is trained on.

        A single number of repeats has no deviation; 1 stands in for it.
        """
        least, most = self.usual_repeats or (self.min_repeats, self.max_repeats)
        variance = ((most - least + 1) ** 2 - 1) / 12
        return (least + most) / 2, variance**0.5 or 1.0

    def sample(self, key: PRNGKeyArray, batch: int, data: Data = ()) -> Sequences:
        """Lengths and repeats, each uniform over its range and independent of the other."""
        length_key, repeats_key, bits_key = jax.random.split(key, 3)
        length = random_sizes(length_key, batch, self.min_length, self.max_length)
        repeats = random_sizes(repeats_key, batch, self.min_repeats, self.max_repeats)
        vectors = random_bits(bits_key, (self.max_length, batch, self.bits))
        time = jnp.arange(self.max_length * (self.max_repeats + 1) + 2)[:, None]
        position = time - length - 1
        copying = (position >= 0) & (position < length * repeats)
        ending = position == length * repeats

        mean, deviation = self.normalisation
        count = (repeats.astype(jnp.float32) - mean) / deviation
        shown = jnp.where((time < length)[..., None], at_steps(vectors, time + 0 * length), 0)
        delimiter = (time == length).astype(jnp.float32)
        signals = jnp.stack([delimiter, delimiter * count], axis=-1)
        wanted = at_steps(vectors, jnp.where(copying, position % length, -1))
        marker = ending.astype(jnp.float32)
        return Sequences(
            inputs=jnp.concatenate([shown, signals], axis=-1),
            targets=jnp.concatenate([wanted, marker[..., None]], axis=-1),
            weights=(copying | ending).astype(jnp.float32),
            mask=position <= length * repeats,
        )

    def solve(self, sequences: Sequences) -> np.ndarray:
        """Find the delimiter, undo the normalisation of the number beside it, and repeat."""
        inputs = np.asarray(sequences.inputs)
        mean, deviation = self.normalisation
        targets = np.zeros((*inputs.shape[:-1], self.bits + 1), inputs.dtype)
        for b in range(inputs.shape[1]):
            (length,) = np.flatnonzero(inputs[:, b, self.bits])
            repeats = round(float(inputs[length, b, self.bits + 1]) * deviation + mean)
            copies = np.tile(inputs[:length, b, : self.bits], (repeats, 1))
            end = length + 1 + len(copies)
            targets[length + 1 : end, b, : self.bits] = copies
            targets[end, b, self.bits] = 1
        return targets

    def _changed(
        self, min_length: int, max_length: int, min_repeats: int, max_repeats: int
    ) -> "RepeatCopy":
        """The task with other ranges, the number still normalised as a network was trained."""
        usual = self.usual_repeats or (self.min_repeats, self.max_repeats)
        return dataclasses.replace(
            self,
            min_length=min_length,
            max_length=max_length,
            min_repeats=min_repeats,
            max_repeats=max_repeats,
            usual_repeats=usual,
        )

    def resized(self, size: int) -> "RepeatCopy":
        """Lists of exactly `size` vectors, repeated as often as before."""
        return self._changed(size, size, self.min_repeats, self.max_repeats)

    def evaluations(self) -> dict[str, Task]:
        """The longest list and most repeats, twice that length, and twice those repeats."""
        length, repeats = self.max_length, self.max_repeats
        cases = [(length, repeats), (2 * length, repeats), (length, 2 * repeats)]
        return {f"length {n} repeats {r}": self._changed(n, n, r, r) for n, r in cases}

    def lessons(self) -> tuple[Task, ...]:
        """The longest list and the most repeats double from lesson to lesson."""
        lengths = doubling(self.min_length, self.max_length)
        repeats = doubling(self.min_repeats, self.max_repeats)
        count = max(len(lengths), len(repeats))
        lengths = lengths[:1] * (count - len(lengths)) + lengths
        repeats = repeats[:1] * (count - len(repeats)) + repeats
        easier = zip(lengths[:-1], repeats[:-1], strict=True)
        return *(self._changed(self.min_length, n, self.min_repeats, r) for n, r in easier), self
