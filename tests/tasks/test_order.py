"""Orders of examples: each once an epoch, buckets included, by the update's number alone."""

import functools
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from quick import batch_at

from tapehead.sequences import Sequences
from tapehead.tasks.finite import FiniteTask
from tapehead.tasks.order import shuffled
from tapehead.tasks.stream import StreamTask
from tapehead.tasks.task import Turn


@functools.partial(jax.jit, static_argnums=1)
def order_of_all(key, size):
    return shuffled(key, jnp.arange(size), size)


@settings(max_examples=10, deadline=None)
@given(st.sampled_from([1, 2, 3, 5, 8, 33, 64, 70]), st.integers(0, 2**32 - 1))
def test_an_order_is_a_permutation(size, seed):
    order = order_of_all(jax.random.key(seed), size)
    assert sorted(np.asarray(order)) == list(range(size))


def test_orders_are_random():
    """Every number stands at every place about equally often, and neighbours are unrelated."""
    keys = jax.random.split(jax.random.key(0), 6000)
    orders = np.asarray(jax.jit(jax.vmap(lambda key: shuffled(key, jnp.arange(6), 6)))(keys))
    counts = np.array([np.bincount(orders[:, place], minlength=6) for place in range(6)])
    # Binomial with 6000 trials of 1/6: a deviation of 28.9; all within five of them.
    assert np.abs(counts - 1000).max() < 145
    followed = np.bincount((orders[:, 1] - orders[:, 0]) % 6, minlength=6)
    assert followed[0] == 0
    assert np.abs(followed[1:] - 1200).max() < 155


def test_a_large_order_is_no_dearer():
    found = np.asarray(
        jax.jit(lambda key: shuffled(key, jnp.arange(1000), 2**31 - 1))(jax.random.key(1))
    )
    assert len(np.unique(found)) == 1000
    assert 0 <= int(found.min()) < int(found.max()) < 2**31 - 1
    assert abs(np.mean(found / 2**31) - 0.5) < 0.05


@dataclass(frozen=True)
class Ragged(FiniteTask):
    """Examples are their own numbers, in buckets of several lengths."""

    sizes_of: tuple[int, ...] = (7, 5, 12)

    input_size = 1
    output_size = 1

    def bucket_sizes(self, data):
        return self.sizes_of

    def size(self, data):
        return sum(self.sizes_of)

    def batch_at(self, indices, data):
        inputs = jnp.broadcast_to(indices, (9, *indices.shape)).astype(jnp.float32)
        return Sequences(inputs, inputs, jnp.ones(inputs.shape))

    def bucket_at(self, bucket, indices, data):
        whole = self.batch_at(indices + sum(self.sizes_of[:bucket]), data)
        return jax.tree.map(lambda x: x[: bucket + 2], whole)

    def loss(self, outputs, targets):
        return outputs[..., 0] - targets

    def metrics(self, outputs, sequences):
        return {}


def turn(number, key):
    return Turn(jnp.int32(number), jax.random.fold_in(key, number), key)


@functools.partial(jax.jit, static_argnums=(0, 2, 4))
def drawn(task, at, batch, data, bucket=0):
    return task.draw(at, batch, data, bucket)


def test_every_example_is_seen_each_epoch_in_its_bucket():
    task, key, data = Ragged(), jax.random.key(3), np.zeros(1)
    bucket_of = jax.jit(lambda number: task.bucket(number, 3, data))
    epochs = []
    for epoch in range(2):
        seen, buckets = [], []
        for number in range(3 + 2 + 4):
            at = turn(9 * epoch + number, key)
            bucket = int(bucket_of(at.number))
            batch = jax.tree.map(np.asarray, drawn(task, at, 3, data, bucket))
            assert batch.inputs.shape == (bucket + 2, 3)
            seen += batch.inputs[0].astype(int).tolist()
            buckets.append(bucket)
        assert set(seen) == set(range(24))
        assert np.bincount(buckets).tolist() == [3, 2, 4]
        epochs.append((seen, buckets))
    assert epochs[0] != epochs[1]
    other = drawn(task, turn(0, jax.random.key(4)), 3, data, epochs[0][1][0])
    assert np.asarray(other.inputs)[0].astype(int).tolist() != epochs[0][0][:3]


@dataclass(frozen=True)
class Counting(StreamTask):
    """The stream 0, 1, 2, ..."""

    length: int = 4
    forgotten: float = 0.0
    input_size = 100

    def data(self):
        return np.arange(50)


def test_a_stream_is_read_in_order():
    task, key = Counting(), jax.random.key(0)
    data = jnp.asarray(task.data())
    for number in range(8):
        batch = jax.tree.map(np.asarray, drawn(task, turn(number, key), 3, data))
        # Three parts of 16 symbols, of which 12 can be read in pieces of 4 with what follows.
        first = np.array([0, 16, 32]) + 4 * (number % 3)
        np.testing.assert_array_equal(batch.inputs, first + np.arange(4)[:, None])
        np.testing.assert_array_equal(batch.targets, batch.inputs + 1)
        begins = task.begins(turn(number, key), 3, data)
        assert begins.tolist() == [number % 3 == 0] * 3


def test_a_share_of_the_parts_is_forgotten():
    task, data = Counting(forgotten=0.3), jnp.arange(5000)
    keys = jax.random.split(jax.random.key(0), 40)
    begins = jax.jit(jax.vmap(lambda key: task.begins(turn(1, key), 50, data)))(keys)
    # Binomial with 2000 trials of 0.3: a deviation of 0.01; within five of them.
    assert abs(np.mean(begins) - 0.3) < 0.05


@pytest.mark.parametrize("symbols", [2, 21, 50])
def test_a_held_out_stream_is_scored_once(symbols):
    task = Counting()
    data = np.arange(symbols)
    batch = batch_at(task, range(task.size(data)), data)
    scored = batch.targets[batch.weights > 0]
    assert sorted(scored) == list(range(1, symbols))
