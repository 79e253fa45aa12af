"""What tasks of languages with counts of symbols share: aⁿbⁿ and aⁿbⁿcⁿ."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int, PRNGKeyArray

from tapehead.errors import UserError, at_least
from tapehead.sequences import Sequences
from tapehead.tasks.task import Data, Task

MARKER = 0
"""The symbol before and after every string; the letters come after it."""


@dataclass(frozen=True)
class Counting(Task):
    """Say after every symbol of a string which may come next; the string is as many of each letter.

    The strings are one for every n from `min_n` to `max_n`. Training draws n uniformly;
    tests pass over every string once. With L letters a string takes `L n + 1` steps; batches are
    padded.

    - Inputs `(time, batch, L + 1)`: the marker, then the string, one-hot: marker, a, b, ...
    - Targets `(time, batch, L + 1)`: 1 for each symbol that may come next: a at first, a or b
        after an a; then what the counts say; at the end the marker.
    """

    min_n: int = 1
    """The smallest n."""
    max_n: int = 10
    """The largest n."""

    letters: ClassVar[int]
    axis: ClassVar[str] = "n"
    sizes: ClassVar[tuple[int, ...]] = (10, 20, 50, 100, 200, 500, 1000)
    defaults: ClassVar[Mapping[str, Any]] = MappingProxyType({"stop_when_solved": False})

    def __post_init__(self):
        owner = type(self).__name__
        at_least(owner, 1, min_n=self.min_n)
        if self.max_n < self.min_n:
            raise UserError(
                f"{owner}: max_n must be at least min_n ({self.min_n}), got {self.max_n}"
            )

    @property
    def input_size(self) -> int:
        """The marker and the letters."""
        return 1 + self.letters

    @property
    def output_size(self) -> int:
        """The marker and the letters."""
        return 1 + self.letters

    def size(self, data: Data) -> int:
        """How many strings there are."""
        return self.max_n - self.min_n + 1

    def batch_at(self, indices: Int[Array, " batch"], data: Data) -> Sequences:
        """The strings by their n, of which the first is `min_n`."""
        n = self.min_n + indices
        time = jnp.arange(self.letters * self.max_n + 1)[:, None]
        # Step 0 shows the marker; the letter of a later step, counted from 1, is one for every n.
        shown = jnp.where(time == 0, MARKER, (time - 1) // n + 1)
        mask = time <= self.letters * n
        following = jnp.where(time == self.letters * n, MARKER, time // n + 1)
        targets = jax.nn.one_hot(following, self.output_size, dtype=jnp.float32)
        # How many a's there will be is not known before they end.
        undecided = ((time >= 1) & (time <= n))[..., None]
        targets = jnp.where(undecided, jnp.zeros(self.output_size).at[1:3].set(1), targets)
        inputs = jax.nn.one_hot(shown, self.input_size, dtype=jnp.float32)
        return Sequences(
            inputs=jnp.where(mask[..., None], inputs, 0),
            targets=jnp.where(mask[..., None], targets, 0),
            weights=mask.astype(jnp.float32),
            mask=mask,
        )

    def sample(self, key: PRNGKeyArray, batch: int, data: Data = ()) -> Sequences:
        """Strings with n uniform from `min_n` to `max_n`."""
        return self.batch_at(jax.random.randint(key, (batch,), 0, self.size(data)), data)

    def solve(self, sequences: Sequences) -> np.ndarray:
        """Count the letters and keep to the language."""
        inputs = np.asarray(sequences.inputs)
        targets = np.zeros(inputs.shape, np.float32)
        for b in range(inputs.shape[1]):
            counts = [0] * (self.letters + 1)
            for t in np.flatnonzero(inputs[:, b].sum(axis=-1)):
                symbol = int(inputs[t, b].argmax())
                counts[symbol] += 1
                if symbol <= 1:
                    legal = [1, 2] if symbol else [1]
                elif counts[symbol] < counts[1]:
                    legal = [symbol]
                else:
                    legal = [MARKER if symbol == self.letters else symbol + 1]
                targets[t, b, legal] = 1
        return targets

    def resized(self, size: int) -> "Counting":
        """All strings from n of `min_n` (or `size`, if that is less) up to `size`.

        A network generalises to n if it accepts all of them: a `sequence_accuracy` of 1.
        """
        return dataclasses.replace(self, min_n=min(self.min_n, size), max_n=size)

    def evaluations(self) -> dict[str, Task]:
        """Strings up to ten times as long."""
        return {f"n {10 * self.max_n}": self.resized(10 * self.max_n)}
