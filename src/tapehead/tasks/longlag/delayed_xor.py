"""Delayed XOR: the exclusive or of two bits that lie far apart."""

from dataclasses import dataclass
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PRNGKeyArray

from tapehead.errors import at_least
from tapehead.sequences import Sequences
from tapehead.tasks.length import LengthTask
from tapehead.tasks.task import Data


@dataclass(frozen=True)
class DelayedXor(LengthTask):
    """Give the exclusive or of the two marked bits of a long sequence of random bits.

    The first mark is in the first tenth of the `length` steps, the second in the last tenth.
    Storing one of the two bits does not help at all: a network has to learn to store the first,
    while all it is told is nothing but noise until it does.

    - Inputs `(time, batch, 2)`: a random bit, as −1 or 1, and its mark, 0 or 1.
    - Targets `(time, batch, 1)`: at the last step, which alone has weight, 1 if the two marked
        bits differ.

    The task is solved by 1,000 sequences without an error. Hochreiter and Schmidhuber, "Long
    short-term memory" (1997), section 6, name strongly delayed XOR as a problem that their
    algorithm cannot easily solve.

    A worked example, bits above and marks below:

    >>> import jax
    >>> batch = DelayedXor(10).sample(jax.random.key(0), 1)
    >>> print(batch.inputs[:, 0].T.astype(int), batch.targets[-1, 0, 0])
    [[-1  1  1  1  1 -1 -1  1 -1  1]
     [ 1  0  0  0  0  0  0  0  0  1]] 1.0
    """

    length: int = 100
    """Steps of a sequence."""

    sizes: ClassVar[tuple[int, ...]] = (10, 20, 50, 100, 200)

    def __post_init__(self):
        at_least("DelayedXor", 2, length=self.length)

    @property
    def input_size(self) -> int:
        """A bit and its mark."""
        return 2

    @property
    def output_size(self) -> int:
        """The exclusive or."""
        return 1

    def sample(self, key: PRNGKeyArray, batch: int, data: Data = ()) -> Sequences:
        """Bits and marks, all uniform."""
        bits_key, first_key, second_key = jax.random.split(key, 3)
        bits = jax.random.bernoulli(bits_key, shape=(self.length, batch))
        tenth = max(self.length // 10, 1)
        first = jax.random.randint(first_key, (batch,), 0, tenth)
        second = jax.random.randint(second_key, (batch,), self.length - tenth, self.length)
        time = jnp.arange(self.length)[:, None]
        marked = (time == first) | (time == second)
        answer = jnp.sum(bits & marked, axis=0) == 1
        last = time == self.length - 1
        inputs = jnp.stack([jnp.where(bits, 1.0, -1.0), marked.astype(jnp.float32)], axis=-1)
        return Sequences(
            inputs=inputs,
            targets=jnp.where(last & answer, 1.0, 0.0)[..., None],
            weights=jnp.broadcast_to(last, marked.shape).astype(jnp.float32),
        )

    def solve(self, sequences: Sequences) -> np.ndarray:
        """Compare the two that are marked."""
        inputs = np.asarray(sequences.inputs)
        targets = np.zeros(sequences.targets.shape, np.float32)
        for b in range(inputs.shape[1]):
            one, other = inputs[inputs[:, b, 1] == 1, b, 0]
            targets[-1, b, 0] = one != other
        return targets
