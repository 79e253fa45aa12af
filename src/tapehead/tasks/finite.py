"""`FiniteTask`: so many examples and no more, each seen once an epoch in a random order."""

import abc
from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Int, PRNGKeyArray

from tapehead.sequences import Sequences
from tapehead.tasks.order import shuffled
from tapehead.tasks.task import Data, Task, Turn, expect_data


class Place(NamedTuple):
    """Where an update stands: in which epoch, and at which batch of which bucket."""

    epoch: Int[Array, ""]
    bucket: Int[Array, ""]
    batch: Int[Array, ""]


@dataclass(frozen=True)
class FiniteTask(Task):
    """A task over a fixed number of examples.

    Training goes through all of them in a random order, then through all again in another one;
    the run's key and the number of the update alone say which come next, so that a run that is
    resumed goes on where it was. The last batch of an epoch is filled up with examples of its
    beginning.

    Examples of different lengths may be kept in buckets, each padded only to its own longest. The
    buckets' batches then come in a random order too, the same for all networks of a run.
    """

    def bucket_sizes(self, data: Data) -> tuple[int, ...]:
        """How many examples each bucket holds; one bucket holds all unless a subclass has more."""
        return (self.size(data),)

    def bucket_rooms(self, data: Data) -> tuple[int, ...]:
        """How many examples each bucket has room for, where their numbers are part of the data.

        By default the numbers are known when updates are compiled, and there is no more room.
        """
        return self.bucket_sizes(data)

    @abc.abstractmethod
    def size(self, data: Data) -> int:
        """How many examples there are."""

    @abc.abstractmethod
    def batch_at(self, indices: Int[Array, " batch"], data: Data) -> Sequences:
        """The examples at `indices`, each in `[0, size(data))`, all of one length."""

    def bucket_at(self, bucket: int, indices: Int[Array, " batch"], data: Data) -> Sequences:
        """The examples at `indices` of a bucket, each in `[0, bucket_sizes(data)[bucket])`."""
        return self.batch_at(indices, data)

    def sample(self, key: PRNGKeyArray, batch: int, data: Data = ()) -> Sequences:
        """Examples drawn uniformly, with replacement, from `data` (which cannot be left out)."""
        expect_data(type(self).__name__, data)
        return self.batch_at(jax.random.randint(key, (batch,), 0, self.size(data)), data)

    def draw(self, turn: Turn, batch: int, data: Data = (), bucket: int = 0) -> Sequences:
        """The examples whose turn it is."""
        expect_data(type(self).__name__, data)
        size, room = self.bucket_sizes(data)[bucket], self.bucket_rooms(data)[bucket]
        epoch, _, number = self.place(turn.number, batch, data)
        positions = (number * batch + jnp.arange(batch)) % size
        key = jax.random.fold_in(jax.random.fold_in(turn.run, epoch), bucket)
        return self.bucket_at(bucket, shuffled(key, positions, size, room), data)

    def buckets(self, data: Data) -> int:
        """How many buckets there are."""
        return len(self.bucket_sizes(data))

    def bucket(self, number: Int[Array, ""], batch: int, data: Data) -> Int[Array, ""]:
        """Which bucket's turn it is."""
        return self.place(number, batch, data).bucket

    def place(self, number: Int[Array, ""], batch: int, data: Data) -> Place:
        """Where update `number` of a run stands."""
        counts = [-(-part // batch) for part in self.bucket_sizes(data)]
        total = sum(counts)
        epoch, position = number // total, number % total
        order = jax.random.fold_in(jax.random.key(0), epoch)
        most = sum(-(-room // batch) for room in self.bucket_rooms(data))
        turn = shuffled(order, position, total, most)
        ends = jnp.cumsum(jnp.array(counts))
        bucket = jnp.searchsorted(ends, turn, side="right").astype(jnp.int32)
        return Place(epoch, bucket, turn - (ends - jnp.array(counts))[bucket])
