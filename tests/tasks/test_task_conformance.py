"""`check_task` on everything registered, with its usual and with random settings."""

import dataclasses
import doctest
import os
import sys

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from quick import sample

from tapehead.errors import UserError
from tapehead.tasks import (
    TASKS,
    Adding,
    AssociativeRecall,
    Copy,
    DynamicNgrams,
    KeyValue,
    MnistPixels,
    MnistRows,
    PrioritySort,
    RepeatCopy,
    Reverse,
    TemporalOrder,
)
from tapehead.tasks.chomsky.strings import StringTask
from tapehead.tasks.music.music import gather
from tapehead.tasks.vision.mnist import Images
from tapehead.testing.tasks import check_sequences, check_solver, check_task
from tapehead.training.config import RunConfig

REAL = {"mnist-rows", "mnist-pixels", "jsb-chorales", "nottingham"}
CLUTTERED = {"cluttered-mnist"}
"""Checked in test_cluttered_mnist.py, on made-up data."""
COUNTS = {"digit-counts"}
"""Checked in test_digit_counts.py, on made-up data."""
EPISODES = {"omniglot"}
"""Checked in test_omniglot.py, on made-up data."""
TEXTS = {"imdb", "shakespeare", "ptb-words", "ptb-characters", "text8", "enwik8", "text"}
"""Checked in test_language.py, on made-up data."""
STRINGS = {name for name in TASKS if issubclass(TASKS[name], StringTask)}
"""They have tests of their own, `test_chomsky.py`."""
APART = REAL | CLUTTERED | COUNTS | EPISODES | TEXTS | STRINGS


@pytest.mark.parametrize("name", [name for name in TASKS if name not in APART])
def test_registered_tasks_conform(name):
    check_task(TASKS[name]())


@pytest.mark.skipif("TAPEHEAD_DATA" not in os.environ, reason="TAPEHEAD_DATA names no data sets")
@pytest.mark.parametrize("name", sorted(REAL))
def test_registered_tasks_on_real_data_conform(name):
    check_task(TASKS[name](), batch=4)


@pytest.mark.parametrize("name", [name for name in TASKS if name not in STRINGS])
def test_worked_examples(name, monkeypatch):
    # One compilation for each example, instead of one for each of its operations.
    compiled = eqx.filter_jit(TASKS[name].sample)
    monkeypatch.setattr(
        TASKS[name], "sample", lambda *given: jax.tree.map(np.asarray, compiled(*given))
    )
    module = sys.modules[TASKS[name].__module__]
    failed, tried = doctest.testmod(module)
    assert tried >= 3
    assert failed == 0


@pytest.mark.parametrize("name", TASKS)
def test_defaults_are_settings_of_a_run(name):
    known = {field.name for field in dataclasses.fields(RunConfig)}
    assert {setting.partition(".")[0] for setting in TASKS[name].defaults} <= known


def ranges(low, high):
    return st.tuples(st.integers(low, high), st.integers(low, high)).map(sorted)


BITS = st.integers(1, 4)
SETTINGS = {
    Adding: st.tuples(st.integers(4, 30), st.sampled_from(["1997", "uniform"])).map(
        lambda s: Adding(*s)
    ),
    TemporalOrder: st.tuples(st.integers(10, 30), st.sampled_from([2, 3])).map(
        lambda s: TemporalOrder(*s)
    ),
    Copy: st.tuples(ranges(1, 5), BITS).map(lambda s: Copy(*s[0], s[1])),
    Reverse: st.tuples(ranges(1, 5), BITS).map(lambda s: Reverse(*s[0], s[1])),
    RepeatCopy: st.tuples(
        ranges(1, 4), ranges(1, 4), BITS, st.one_of(st.none(), ranges(1, 6).map(tuple))
    ).map(lambda s: RepeatCopy(*s[0], *s[1], s[2], s[3])),
    # Few and short items, so that a list often holds the queried one twice.
    AssociativeRecall: st.tuples(ranges(2, 6), st.integers(1, 2), st.integers(1, 2)).map(
        lambda s: AssociativeRecall(*s[0], s[1], s[2])
    ),
    # As many pairs as there are keys, at times.
    KeyValue: st.tuples(ranges(1, 4), st.sampled_from([4, 6])).map(lambda s: KeyValue(*s[0], s[1])),
    PrioritySort: st.tuples(ranges(1, 6), BITS, st.sampled_from([None, 1])).map(
        lambda s: PrioritySort(s[0][1], s[0][0], s[1], s[2])
    ),
    DynamicNgrams: st.tuples(ranges(1, 9), st.just(0)).map(
        lambda s: DynamicNgrams(s[0][0], s[0][1])
    ),
}


@pytest.mark.parametrize("kind", SETTINGS)
@settings(max_examples=3)  # each is compiled anew
@given(draw=st.data())
def test_solvers_with_random_settings(kind, draw):
    task = draw.draw(SETTINGS[kind])
    key = jax.random.key(draw.draw(st.integers(0, 2**32 - 1)))
    sequences = sample(task, 16, key)
    check_sequences(task, sequences, 16)
    check_solver(task, sequences)


@pytest.mark.parametrize("task", [MnistRows(), MnistPixels(permuted=True)], ids=repr)
def test_a_task_on_made_up_images_conforms(task):
    rng = np.random.default_rng(0)
    images = jnp.asarray(rng.integers(0, 256, (30, 28, 28)), jnp.uint8)
    check_task(task, data=Images(images, jnp.asarray(rng.integers(0, 10, 30), jnp.int32)))


def test_pixels_come_in_one_order_for_all_images():
    images = jnp.arange(2 * 784, dtype=jnp.float32).reshape(2, 28, 28)
    plain = np.asarray(MnistPixels().parts(images))[..., 0]
    np.testing.assert_array_equal(plain, np.arange(2 * 784).reshape(2, 784).T)
    mixed = np.asarray(MnistPixels(permuted=True).parts(images))[..., 0]
    assert sorted(mixed[:, 0]) == list(range(784))
    np.testing.assert_array_equal(mixed[:, 1], mixed[:, 0] + 784)
    assert not np.array_equal(mixed, plain)
    other = np.asarray(MnistPixels(permuted=True, order_seed=1).parts(images))[..., 0]
    assert not np.array_equal(mixed, other)


@pytest.mark.parametrize("broken", ["weights", "targets", "key", "solver", "lessons", "loss"])
def test_the_suite_finds_faults(broken):
    """Each fault is found: the suite can fail."""

    class Faulty(Copy):
        def sample(self, key, batch, data=()):
            if broken == "key":
                key = jax.random.key(0)
            sequences = Copy.sample(self, key, batch)
            if broken == "weights":
                return sequences._replace(weights=jnp.ones_like(sequences.weights))
            if broken == "targets":
                return sequences._replace(targets=sequences.targets.at[-1].set(0.5))
            return sequences

        def solve(self, sequences):
            return (
                Copy.solve(self, sequences)[::-1]
                if broken == "solver"
                else Copy.solve(self, sequences)
            )

        def lessons(self):
            return (self.resized(1),) if broken == "lessons" else Copy.lessons(self)

        def loss(self, outputs, targets):
            loss = Copy.loss(self, outputs, targets)
            return jnp.cumsum(loss, axis=0) if broken == "loss" else loss

    with pytest.raises(AssertionError, match=r"^\w+: "):
        check_task(Faulty(2, 3, 2))


def test_outputs_are_of_a_kind_that_is_known():
    with pytest.raises(UserError, match=r"^Faulty: output_kind must be .* got 'clases'; did you"):

        class Faulty(Copy):
            output_kind = "clases"


def test_one_compilation_serves_all_keys():
    sample = eqx.filter_jit(eqx.debug.assert_max_traces(Copy(1, 3).sample, max_traces=1))
    for seed in range(3):
        sample(jax.random.key(seed), 2)


MISTAKES = [
    (lambda: Copy(min_length=0), "Copy: min_length must be at least 1, got 0"),
    (lambda: Copy(3, 2), "Copy: max_length must be at least min_length, got 2 and 3"),
    (lambda: Copy(bits=0), "Copy: bits must be at least 1, got 0"),
    (lambda: Copy(max_length=2.5), "Copy: max_length must be a whole number, got 2.5"),
    (lambda: Copy(max_length="9"), "Copy: max_length must be a whole number, got '9'"),
    (lambda: Copy().resized(0), "Copy: min_length must be at least 1, got 0"),
    (lambda: Reverse(bits=-1), "Reverse: bits must be at least 1, got -1"),
    (lambda: RepeatCopy(min_repeats=0), "RepeatCopy: min_repeats must be at least 1, got 0"),
    (lambda: RepeatCopy(max_repeats=0), "RepeatCopy: max_repeats must be at least 1, got 0"),
    (
        lambda: RepeatCopy(usual_repeats=(3, 2)),
        "RepeatCopy: usual_repeats must be two rising numbers from 1 up, got (3, 2)",
    ),
    (
        lambda: RepeatCopy(usual_repeats=(1, 2, 3)),
        "RepeatCopy: usual_repeats must be two rising numbers from 1 up, got (1, 2, 3)",
    ),
    (
        lambda: AssociativeRecall(min_items=1),
        "AssociativeRecall: min_items must be at least 2, got 1",
    ),
    (
        lambda: AssociativeRecall(vectors=0),
        "AssociativeRecall: vectors must be at least 1, got 0",
    ),
    (lambda: KeyValue(bits=5), "KeyValue: bits must be even and at most 48, got 5"),
    (
        lambda: KeyValue().resized(65),
        "KeyValue: 12 bits make only 64 different keys, too few for 65 pairs; give more bits",
    ),
    (
        lambda: PrioritySort(items=4, sorted_items=5),
        "PrioritySort: sorted_items must be at most items (4), got 5",
    ),
    (lambda: DynamicNgrams(order=0), "DynamicNgrams: order must be at least 1, got 0"),
    (lambda: DynamicNgrams(order=17), "DynamicNgrams: order must be between 1 and 16, got 17"),
    (
        lambda: DynamicNgrams(order=6, length=5),
        "DynamicNgrams: length must be at least order (6), got 5",
    ),
    (
        lambda: MnistRows(split="tset"),
        "MnistRows: split must be one of train, validation, test, got 'tset'; did you mean 'test'?",
    ),
    (lambda: Adding(3), "Adding: length must be at least 4, got 3"),
    (
        lambda: Adding(form="1998"),
        "Adding: form must be one of 1997, uniform, got '1998'; did you mean '1997'?",
    ),
    (lambda: TemporalOrder(9), "TemporalOrder: length must be at least 10, got 9"),
    (lambda: TemporalOrder(symbols=4), "TemporalOrder: symbols must be 2 or 3, got 4"),
    (
        lambda: MnistPixels(order_seed=-1),
        "MnistPixels: order_seed must be at least 0, got -1",
    ),
    (
        lambda: Images.of(np.zeros((2, 27, 28), np.uint8), np.zeros(2, int)),
        "MNIST: expected images (size, 28, 28) of bytes, got shape (2, 27, 28) of uint8",
    ),
    (
        lambda: Images.of(np.zeros((2, 28, 28)), np.zeros(2, int)),
        "MNIST: expected images (size, 28, 28) of bytes, got shape (2, 28, 28) of float64",
    ),
    (
        lambda: Images.of(np.zeros((2, 28, 28), np.uint8), np.zeros(3, int)),
        "MNIST: expected a label for each of 2 images, got shape (3,)",
    ),
    (
        lambda: Images.of(np.zeros((2, 28, 28), np.uint8), np.array([0, 10])),
        "MNIST: expected labels from 0 to 9, got 0 to 10",
    ),
    (
        lambda: gather([np.zeros((3, 88)), np.zeros((0, 88))]),
        "gather: expected pieces (steps, 88) of at least one step, but piece 1 has shape (0, 88)",
    ),
    (lambda: gather([]), "gather: expected at least one piece, got none"),
    (lambda: MnistRows().resized(3), "MnistRows: comes in one size only, so not in 3"),
    (
        lambda: MnistRows().sample(jax.random.key(0), 2),
        "MnistRows: sample needs the task's data: sample(key, n, task.data())",
    ),
]


@pytest.mark.parametrize(("mistake", "message"), MISTAKES, ids=[m for _, m in MISTAKES])
def test_mistakes_are_named(mistake, message):
    with pytest.raises(UserError) as raised:
        mistake()
    assert str(raised.value) == message
