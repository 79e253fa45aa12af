"""Copy: repeat a list of bit vectors."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Array, Int

from tapehead.tasks.algorithmic.recall import Recall


@dataclass(frozen=True)
class Copy(Recall):
    """Read a list of random bit vectors, then give it back in the same order.

    A sequence of length `L` takes `2 L + 1` steps; batches are padded to `2 max_length + 1`.

    - Inputs `(time, batch, bits + 1)`: at steps `0 .. L-1` a vector in channels `0 .. bits-1`; at
      step `L` the delimiter, a 1 in the last channel; nothing afterwards.
    - Targets `(time, batch, bits)`: the vectors, at steps `L+1 .. 2 L`, which alone have weight.

    A network that knows nothing pays `bits (min_length + max_length) / 2` bits per sequence: 84
    with the defaults, which are the paper's.

    Source: Graves, Wayne and Danihelka, "Neural Turing Machines" (2014), section 4.1.

    A worked example, one row a step; the last input channel is the delimiter:

    >>> import jax
    >>> task = Copy(min_length=3, max_length=3, bits=4)
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
     [1 0 1 0]
     [1 1 1 1]
     [0 0 1 0]]
    >>> print(batch.weights[:, 0])
    [0. 0. 0. 0. 1. 1. 1.]
    """

    def order(
        self, position: Int[Array, "time batch"], length: Int[Array, " batch"]
    ) -> Int[Array, "time batch"]:
        """The vector at the same position."""
        return position + 0 * length

    def answer(self, vectors: np.ndarray) -> np.ndarray:
        """The list itself."""
        return vectors
