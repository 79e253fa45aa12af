"""Reverse: give back a list of bit vectors from its end."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Array, Int

from tapehead.tasks.algorithmic.recall import Recall


@dataclass(frozen=True)
class Reverse(Recall):
    """Read a list of random bit vectors, then give it back from the last to the first.

    A sequence of length `L` takes `2 L + 1` steps; batches are padded to `2 max_length + 1`.

    - Inputs `(time, batch, bits + 1)`: at steps `0 .. L-1` a vector in channels `0 .. bits-1`; at
      step `L` the delimiter, a 1 in the last channel; nothing afterwards.
    - Targets `(time, batch, bits)`: the vectors, last first, at steps `L+1 .. 2 L`, which alone
      have weight.

    A network that knows nothing pays `bits (min_length + max_length) / 2` bits per sequence: 84
    with the defaults, which are those of copy.

    A worked example, one row a step; the last input channel is the delimiter:

    >>> import jax
    >>> task = Reverse(min_length=3, max_length=3, bits=4)
    >>> batch = task.sample(jax.random.key(3), 1)
    >>> print(batch.inputs[:, 0].astype(int))
    [[1 0 1 0 0]
     [1 1 1 1 0]
     [0 0 1 0 0]
     [0 0 0 0 1]
     [0 0 0 0 0]
     [0 0 0 0 0]
     [0 0 0 0 0]]
    >>> print(batch.targets[:, 0].astype(int))
    [[0 0 0 0]
     [0 0 0 0]
     [0 0 0 0]
     [0 0 0 0]
     [0 0 1 0]
     [1 1 1 1]
     [1 0 1 0]]
    >>> print(batch.weights[:, 0])
    [0. 0. 0. 0. 1. 1. 1.]
    """

    def order(
        self, position: Int[Array, "time batch"], length: Int[Array, " batch"]
    ) -> Int[Array, "time batch"]:
        """The vector as far from the end as the position is from the beginning."""
        return length - 1 - position

    def answer(self, vectors: np.ndarray) -> np.ndarray:
        """The list backwards."""
        return vectors[::-1]
