"""Parity: whether the number of ones is odd, the bits read one at a time."""

import dataclasses
from dataclasses import dataclass
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PRNGKeyArray

from tapehead.sequences import Sequences
from tapehead.tasks.algorithmic.bits import check_range
from tapehead.tasks.task import Data, Task


@dataclass(frozen=True)
class Parity(Task):
    """Say at the end of a sequence of random bits whether the number of ones was odd.

    - Inputs `(time, batch, 1)`: the bits, as −1 or 1, `min_length` to `max_length` of them.
    - Targets `(time, batch, 1)`: at the last step, which alone has weight, 1 if it was odd.

    The task is solved by 1,000 sequences without an error. With 500 to 600 bits it is one that
    networks whose weights are drawn until they happen to be right learn sooner than those trained
    by gradients, according to Hochreiter and Schmidhuber, "Long short-term memory" (1997), section
    5, from Hochreiter and Schmidhuber, "LSTM can solve hard long time lag problems" (1996).

    A worked example:

    >>> import jax
    >>> batch = Parity(3, 6).sample(jax.random.key(0), 1)
    >>> print(batch.inputs[batch.mask][:, 0].astype(int), batch.targets[batch.weights > 0])
    [-1  1  1  1  1] [[0.]]
    """

    min_length: int = 1
    """Fewest bits."""
    max_length: int = 40
    """Most bits."""

    sizes: ClassVar[tuple[int, ...]] = (10, 20, 50, 100, 200, 500)

    def __post_init__(self):
        check_range("Parity", "length", self.min_length, self.max_length)

    @property
    def input_size(self) -> int:
        """One bit."""
        return 1

    @property
    def output_size(self) -> int:
        """The parity."""
        return 1

    def sample(self, key: PRNGKeyArray, batch: int, data: Data = ()) -> Sequences:
        """Bits by a fair coin, lengths uniform."""
        bits_key, length_key = jax.random.split(key)
        bits = jax.random.bernoulli(bits_key, shape=(self.max_length, batch))
        lengths = jax.random.randint(length_key, (batch,), self.min_length, self.max_length + 1)
        time = jnp.arange(self.max_length)[:, None]
        mask, last = time < lengths, time == lengths - 1
        odd = jnp.sum(bits & mask, axis=0) % 2 == 1
        inputs = jnp.where(mask, jnp.where(bits, 1.0, -1.0), 0)[..., None]
        return Sequences(
            inputs=inputs,
            targets=jnp.where(last & odd, 1.0, 0.0)[..., None],
            weights=last.astype(jnp.float32),
            mask=mask,
        )

    def solve(self, sequences: Sequences) -> np.ndarray:
        """Turn the answer over at every one."""
        bits, mask = np.asarray(sequences.inputs)[..., 0] > 0, np.asarray(sequences.mask)
        targets = np.zeros(sequences.targets.shape, np.float32)
        for b, end in enumerate(mask.sum(axis=0)):
            targets[end - 1, b, 0] = bool(np.bitwise_xor.reduce(bits[:end, b]))
        return targets

    def resized(self, size: int) -> "Parity":
        """Exactly that many bits."""
        return dataclasses.replace(self, min_length=size, max_length=size)

    def evaluations(self) -> dict[str, Task]:
        """Five times as many bits as the longest sequence of training."""
        return {f"length {5 * self.max_length}": self.resized(5 * self.max_length)}

    def lessons(self) -> tuple[Task, ...]:
        """The longest length doubles from lesson to lesson; the shortest stays."""
        longest = max(self.min_length, 2)
        easier = []
        while longest < self.max_length:
            easier.append(dataclasses.replace(self, max_length=longest))
            longest *= 2
        return *easier, self
