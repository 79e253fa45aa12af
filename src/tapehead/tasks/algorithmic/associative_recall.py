"""Associative recall: shown one item of a list, give back the next."""

import dataclasses
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PRNGKeyArray

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
class AssociativeRecall(Task):
    """Read a list of items, each of a few bit vectors; shown one of them again, give the next.

    With `n = vectors`, a sequence of `K` items takes `K (n + 1) + 2 n + 2` steps; batches are
    padded to `max_items`.

    - Inputs `(time, batch, bits + 2)`: every item is a step with a 1 in channel `bits`, the item
      delimiter, and then `n` vectors in channels `0 .. bits-1`, a step each. The query follows: a
      step with a 1 in channel `bits + 1`, the query delimiter, the `n` vectors of any item but
      the last, and the query delimiter again. Nothing afterwards.
    - Targets `(time, batch, bits)`: the item that followed the queried one, in the last `n`
      steps, which alone have weight. Should the list hold the queried item more than once, the
      first time counts.

    A network that knows nothing pays `n bits` bits per sequence: 18 with the defaults, which are
    the paper's.

    Source: Graves, Wayne and Danihelka, "Neural Turing Machines" (2014), section 4.3.

    A worked example of three items, one row a step; the last two input channels are the delimiters
    of items and of the query:

    >>> import jax
    >>> task = AssociativeRecall(min_items=3, max_items=3, vectors=2, bits=3)
    >>> batch = task.sample(jax.random.key(0), 1)
    >>> print(batch.inputs[:, 0].astype(int))
    [[0 0 0 1 0]
     [0 0 1 0 0]
     [1 0 0 0 0]
     [0 0 0 1 0]
     [0 1 0 0 0]
     [1 1 0 0 0]
     [0 0 0 1 0]
     [1 1 0 0 0]
     [0 1 1 0 0]
     [0 0 0 0 1]
     [0 0 1 0 0]
     [1 0 0 0 0]
     [0 0 0 0 1]
     [0 0 0 0 0]
     [0 0 0 0 0]]
    >>> print(batch.targets[-2:, 0].astype(int))
    [[0 1 0]
     [1 1 0]]
    """

    min_items: int = 2
    """Fewest items in a list."""
    max_items: int = 6
    """Most items in a list."""
    vectors: int = 3
    """Bit vectors in each item."""
    bits: int = 6
    """Bits in each vector."""

    axis: ClassVar[str] = "items"
    sizes: ClassVar[tuple[int, ...]] = (2, 4, 6, 8, 10, 12, 15, 20)

    def __post_init__(self):
        check_range("AssociativeRecall", "items", self.min_items, self.max_items, minimum=2)
        check_sizes("AssociativeRecall", vectors=self.vectors, bits=self.bits)

    @property
    def input_size(self) -> int:
        """The bits and the two delimiters' channels."""
        return self.bits + 2

    @property
    def output_size(self) -> int:
        """The bits."""
        return self.bits

    def sample(self, key: PRNGKeyArray, batch: int, data: Data = ()) -> Sequences:
        """Numbers of items uniform over their range; queries uniform over all but the last."""
        count_key, query_key, bits_key = jax.random.split(key, 3)
        n, most = self.vectors, self.max_items
        count = random_sizes(count_key, batch, self.min_items, most)
        items = random_bits(bits_key, (most, batch, n, self.bits))
        drawn = jax.random.randint(query_key, (batch,), 0, count - 1)
        lanes = jnp.arange(batch)
        query = items[drawn, lanes]
        # The first item equal to the query is before the last, as the drawn one is.
        position = jnp.argmax(jnp.all(items == query, axis=(-2, -1)), axis=0)
        answer = items[position + 1, lanes]

        time = jnp.arange(most * (n + 1) + 2 * n + 2)[:, None]
        after = time - count * (n + 1)  # steps since the query began
        listing = after < 0
        inside = time % (n + 1)
        # Every item with a row of zeros before it, where its delimiter goes.
        rows = jnp.pad(items, [(0, 0), (0, 0), (1, 0), (0, 0)]).transpose(0, 2, 1, 3)
        rows = rows.reshape(most * (n + 1), batch, self.bits)
        shown = jnp.where(listing[..., None], at_steps(rows, time + 0 * count), 0)
        shown += at_steps(query.swapaxes(0, 1), after - 1)
        item_delimiter = listing & (inside == 0)
        query_delimiter = (after == 0) | (after == n + 1)
        signals = jnp.stack([item_delimiter, query_delimiter], axis=-1).astype(jnp.float32)
        answering = (after >= n + 2) & (after < 2 * n + 2)
        return Sequences(
            inputs=jnp.concatenate([shown, signals], axis=-1),
            targets=at_steps(answer.swapaxes(0, 1), after - (n + 2)),
            weights=answering.astype(jnp.float32),
            mask=after < 2 * n + 2,
        )

    def solve(self, sequences: Sequences) -> np.ndarray:
        """Cut the list at its delimiters, look for the query, and give the item after it."""
        inputs = np.asarray(sequences.inputs)
        targets = np.zeros((*inputs.shape[:-1], self.bits), inputs.dtype)
        for b in range(inputs.shape[1]):
            bits, marks, queries = np.split(inputs[:, b], [self.bits, self.bits + 1], axis=-1)
            begin, end = np.flatnonzero(queries)
            starts = [*np.flatnonzero(marks), begin]
            items = [bits[i + 1 : j] for i, j in pairwise(starts)]
            query = bits[begin + 1 : end]
            found = next(i for i, item in enumerate(items) if np.array_equal(item, query))
            targets[end + 1 : end + 1 + len(query), b] = items[found + 1]
        return targets

    def resized(self, size: int) -> "AssociativeRecall":
        """The same with exactly `size` items in every list."""
        return dataclasses.replace(self, min_items=size, max_items=size)

    def evaluations(self) -> dict[str, Task]:
        """The numbers of items at which the paper's generalisation is read."""
        return {f"items {n}": self.resized(n) for n in (6, 10, 12, 15, 20)}

    def lessons(self) -> tuple[Task, ...]:
        """The most items double from lesson to lesson; the fewest stay."""
        most = doubling(self.min_items, self.max_items)
        return *(dataclasses.replace(self, max_items=n) for n in most[:-1]), self
