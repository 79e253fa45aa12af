"""Omniglot's episodes on made-up drawings."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from quick import draw as drawn
from quick import measure, sample

from tapehead.errors import UserError
from tapehead.sequences import Sequences
from tapehead.tasks import Omniglot
from tapehead.tasks.vision.omniglot import PLACES, TILTS
from tapehead.tasks.vision.turning import moved
from tapehead.testing.tasks import check_sequences, check_solver, check_task

NOISE = np.random.default_rng(0).integers(0, 256, (12, 20, 20, 20)).astype(np.uint8)
NAMED = NOISE.copy()
"""The first two pixels say which character it is, and which drawing."""
NAMED[:, :, 0, 0] = np.arange(12)[:, None]
NAMED[:, :, 0, 1] = np.arange(20)


def test_episodes_conform():
    task = Omniglot("test", min_classes=2, max_classes=5, labels=6, sightings=3)
    check_task(task, batch=4, data=jnp.asarray(NOISE))


@settings(max_examples=2)
@given(draw=st.data())
def test_solved_with_random_settings(draw):
    low, high, labels = sorted(draw.draw(st.integers(1, 6)) for _ in range(3))
    task = Omniglot("test", low, high, labels, draw.draw(st.integers(2, 20)))
    key = jax.random.key(draw.draw(st.integers(0, 2**32 - 1)))
    sequences = sample(task, 8, key, NOISE)
    check_sequences(task, sequences, 8)
    check_solver(task, sequences)


def test_episodes_are_what_they_should_be():
    task = Omniglot("test", min_classes=2, max_classes=4, labels=7, sightings=6)
    inputs, targets, weights, mask = drawn(task, 40, 3, NAMED)[:4]
    lengths, seen, labels, firsts = set(), set(), set(), set()
    for b in range(40):
        steps = mask[:, b].sum()
        assert mask[:steps, b].all()
        assert not inputs[steps:, b].any()
        shown = np.round(255 * inputs[:steps, b, :400].reshape(-1, 20, 20)).astype(int)
        who, hand, label = shown[:, 0, 0], shown[:, 0, 1], targets[:steps, b]
        np.testing.assert_array_equal(shown, NAMED[who, hand])
        np.testing.assert_array_equal(weights[:, b], mask[:, b])
        assert len(set(zip(who, hand, strict=True))) == steps  # no drawing twice
        assert np.unique(who, return_counts=True)[1].tolist() == [6] * (steps // 6)
        assert len(set(zip(who, label, strict=True))) == len(set(who)) == len(set(label))
        told = inputs[:, b, 400:]
        assert not told[0].any()
        np.testing.assert_array_equal(told[1:steps], np.eye(7)[label[:-1]])
        lengths.add(steps)
        seen |= set(who)
        labels |= set(label)
        firsts.add(tuple(np.unique(label, return_index=True)[1]))
    assert lengths == {12, 18, 24}
    assert seen == set(range(12))
    assert labels == set(range(7))
    assert len(firsts) > 20


def test_training_turns_all_images_of_a_character_alike():
    quarters = np.zeros((4, 20, 20, 20), np.uint8)
    quarters[:, :, :6] = 200  # ink in the upper third
    task = Omniglot(min_classes=4, max_classes=4, labels=4, sightings=8, shift=1)
    batch = drawn(task, 20, 0, quarters)
    images = batch.inputs[..., :400].reshape(32, 20, 20, 20)
    halves = [images[..., :10, :], images[..., :, :10], images[..., 10:, :], images[..., :, 10:]]
    side = np.argmax([half.sum(axis=(-1, -2)) for half in halves], axis=0)
    turned = {(b, label): set() for b in range(20) for label in range(4)}
    for (t, b), where in np.ndenumerate(side):
        turned[b, int(batch.targets[t, b])].add(int(where))
    assert all(len(sides) == 1 for sides in turned.values())
    assert {where for sides in turned.values() for where in sides} == {0, 1, 2, 3}
    assert len({image.tobytes() for image in images.reshape(-1, 400)}) > 4 * TILTS


@pytest.mark.parametrize("quarter", range(4))
def test_quarters_of_a_turn_and_whole_shifts_are_exact(quarter):
    image = np.random.default_rng(1).random((20, 20)).astype(np.float32)
    seen = jnp.asarray(PLACES[quarter * TILTS + TILTS // 2])
    np.testing.assert_array_equal(
        moved(image, seen, jnp.zeros(2, int)), np.rot90(image, quarter), err_msg="not turned"
    )
    shifted = np.zeros_like(image)
    shifted[:18, 1:] = image[2:, :19]
    there = moved(image, seen, jnp.array([2, -1]))
    np.testing.assert_array_equal(there, np.rot90(shifted, quarter))


def test_accuracy_by_sighting_is_counted():
    task = Omniglot("test", min_classes=2, max_classes=3, labels=4, sightings=10)
    batch = drawn(task, 5, 1, NOISE)
    outputs = np.random.default_rng(2).normal(size=(30, 5, 4)).astype(np.float32)
    found = jax.tree.map(np.asarray, measure(task, outputs, batch))
    targets, mask = batch.targets, batch.mask
    for b in range(5):
        counts, right = dict.fromkeys(range(4), 0), {n: [] for n in range(1, 11)}
        for t in range(mask[:, b].sum()):
            label = int(targets[t, b])
            counts[label] += 1
            right[counts[label]].append(outputs[t, b].argmax() == label)
        for n in (1, 2, 5, 10):
            np.testing.assert_allclose(found[f"accuracy_{n}"][b], np.mean(right[n]), rtol=1e-6)
        everything = np.concatenate(list(right.values()))
        np.testing.assert_allclose(found["accuracy"][b], np.mean(everything), rtol=1e-6)


def test_sightings_that_there_are_not_have_no_accuracy():
    task = Omniglot("test", sightings=4)
    batch = Sequences(*(jax.ShapeDtypeStruct((20, 2), kind) for kind in (float, int, float)))
    found = jax.eval_shape(task.metrics, jax.ShapeDtypeStruct((20, 2, 5), float), batch)
    assert set(found) == {"accuracy", "loss", "accuracy_1", "accuracy_2"}


def test_tests_are_on_characters_never_seen():
    task = Omniglot(max_classes=8, labels=60)
    assert task.validation() == Omniglot("validation", max_classes=8, labels=60)
    assert task.evaluations() == {"test": Omniglot("test", max_classes=8, labels=60)}
    assert task.sizes == (5, 10, 20, 50)
    assert task.resized(20) == Omniglot("test", 20, 20, 60)
    assert task.validation().resized(20).split == "validation"
    assert not task.solved({"accuracy": 1.0})


few = functools.partial(Omniglot, min_classes=2, max_classes=3, labels=3)
MISTAKES = [
    (lambda: Omniglot("tset"), "Omniglot: split must be one of train, validation, test, got "),
    (lambda: Omniglot(min_classes=0), "Omniglot: min_classes must be at least 1, got 0"),
    (lambda: few(max_classes=1), "Omniglot: max_classes must be at least min_classes, got 1 and 2"),
    (lambda: few(labels=2), "Omniglot: 3 characters need as many labels, got 2"),
    (lambda: few(shift=-1), "Omniglot: shift must be at least 0, got -1"),
    (lambda: few(sightings=21), "Omniglot: sightings must be between 2 and 20, got 21"),
    (lambda: few().resized(4), "Omniglot: 4 characters need as many labels, got 3"),
    (
        lambda: Omniglot(labels=13, max_classes=13).sample(jax.random.key(0), 2, NOISE),
        "Omniglot: the train split has 12 characters, too few for episodes of 13",
    ),
    (
        lambda: Omniglot().sample(jax.random.key(0), 2),
        "Omniglot: sample needs the task's data: sample(key, n, task.data())",
    ),
]


@pytest.mark.parametrize(("mistake", "message"), MISTAKES, ids=[m for _, m in MISTAKES])
def test_mistakes_are_named(mistake, message):
    with pytest.raises(UserError) as raised:
        mistake()
    assert str(raised.value).startswith(message)
    assert "\n" not in str(raised.value)
