"""Digits among pieces of others: where everything lies, on made-up images."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from quick import QUICK

from tapehead.errors import UserError
from tapehead.tasks import ClutteredMnist
from tapehead.tasks.vision.mnist import Images
from tapehead.testing.tasks import check_task

COUNT = 12
# Every image is of a single level, its own number, so that it is known wherever it is seen.
LEVELS = Images(
    jnp.broadcast_to(jnp.arange(1, COUNT + 1, dtype=jnp.uint8)[:, None, None], (COUNT, 28, 28)),
    jnp.arange(COUNT, dtype=jnp.int32) % 10,
)

ALL = np.arange(COUNT)


@functools.partial(jax.jit, static_argnums=0, compiler_options=QUICK)
def layers(task, indices):
    return task.layers(indices, LEVELS)


def drawn(task, indices=ALL):
    return [np.round(255 * np.asarray(x)).astype(int) for x in layers(task, jnp.asarray(indices))]


TASK = ClutteredMnist(side=36, clutter=3, piece=5)


def test_it_is_a_task():
    check_task(ClutteredMnist(side=30, clutter=2, piece=3), data=LEVELS, batch=4)


def test_a_digit_is_whole_and_pieces_are_of_others():
    digits, clutter = drawn(TASK)
    corners = set()
    for number in range(COUNT):
        rows, columns = np.nonzero(digits[number] == number + 1)
        assert len(rows) == 28 * 28 == np.count_nonzero(digits[number])
        assert (np.ptp(rows), np.ptp(columns)) == (27, 27)
        corners.add((int(rows[0]), int(columns[0])))
        seen = set(np.unique(clutter[number])) - {0}
        assert 1 <= len(seen) <= 3
        assert number + 1 not in seen
        assert 25 <= np.count_nonzero(clutter[number]) <= 3 * 25
    assert len(corners) > COUNT // 2


def test_places_are_an_image_s_own():
    once = drawn(TASK)
    again = drawn(TASK, ALL[::-1])
    held_out = drawn(dataclasses.replace(TASK, split="test"))
    for one, other, elsewhere in zip(once, again, held_out, strict=True):
        np.testing.assert_array_equal(one, other[::-1])
        assert not np.array_equal(one, elsewhere)


def test_the_brighter_pixel_is_seen():
    digits, clutter = drawn(TASK)
    shown = jax.jit(TASK.shown, compiler_options=QUICK)(jnp.asarray(ALL), LEVELS)
    expected = np.maximum(digits, clutter).reshape(1, COUNT, -1)
    np.testing.assert_allclose(255 * np.asarray(shown), expected, atol=1e-3)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"side": 27}, "ClutteredMnist: side must be at least 28, got 27"),
        ({"clutter": -1}, "ClutteredMnist: clutter must be at least 0, got -1"),
        ({"piece": 29}, "ClutteredMnist: piece must be between 1 and 28, got 29"),
        ({"split": "tset"}, "ClutteredMnist: split must be one of"),
    ],
)
def test_mistakes_are_named(settings, message):
    with pytest.raises(UserError) as raised:
        ClutteredMnist(**settings)
    assert str(raised.value).startswith(message)
