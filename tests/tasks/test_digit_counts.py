"""Counts of digits in streams, on made-up images."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from quick import QUICK, draw

from tapehead.errors import UserError
from tapehead.tasks import DigitCounts
from tapehead.tasks.vision.digit_counts import NOT_ASKED
from tapehead.tasks.vision.mnist import Images
from tapehead.testing.tasks import check_task

# Every image is of a single level, that of its number, so that the digit can be read off.
DIGITS = np.random.default_rng(0).integers(0, 10, 60)
LEVELS = Images(
    jnp.broadcast_to(jnp.arange(60, dtype=jnp.uint8)[:, None, None], (60, 28, 28)),
    jnp.asarray(DIGITS, jnp.int32),
)
TASK = DigitCounts(period=3)


def test_it_is_a_task():
    check_task(TASK, data=LEVELS, batch=4)


def counted(inputs):
    """What is to be counted, from the images alone."""
    numbers = np.round(255 * inputs[..., 0]).astype(int)
    targets = np.full((*numbers.shape, 2), float(NOT_ASKED))
    for b in range(numbers.shape[1]):
        digits = [int(DIGITS[n]) for n in numbers[:, b]]
        for end in (3, 6, 9):
            targets[end - 1, b, 0] = sum(
                digit in (1, 3, 5, 7, 9) for digit in digits[end - 3 : end]
            )
        targets[8, b, 1] = digits.count(3)
    return targets


def test_what_is_counted():
    batch = draw(TASK, 16, data=LEVELS)
    np.testing.assert_array_equal(batch.targets, counted(batch.inputs))
    assert batch.targets[8, :, 1].max() > 0
    np.testing.assert_array_equal(batch.inputs[:, 0, -1], [1, 0, 0] * 3)
    np.testing.assert_array_equal(batch.weights[:, 0], [0, 0, 1] * 3)


def test_a_test_goes_through_all_digits_once():
    assert TASK.size(LEVELS) == 6
    batch = jax.jit(TASK.batch_at, compiler_options=QUICK)(jnp.arange(6), LEVELS)
    shown = np.round(255 * np.asarray(batch.inputs[..., 0])).astype(int)
    assert shown.T.ravel().tolist() == list(range(54))
    np.testing.assert_array_equal(batch.targets, counted(np.asarray(batch.inputs)))


def test_errors_are_of_what_is_asked_for():
    batch = draw(TASK, 5, data=LEVELS)
    mean = np.broadcast_to(np.array([1.0, 2.0], np.float32), batch.targets.shape)
    found = {name: np.asarray(x) for name, x in TASK.metrics(mean, batch).items()}
    odd, threes = batch.targets[2::3, :, 0], batch.targets[8, :, 1]
    np.testing.assert_allclose(found["odd_error"], ((odd - 1) ** 2).mean(axis=0), rtol=1e-6)
    np.testing.assert_allclose(found["threes_error"], (threes - 2) ** 2, rtol=1e-6)
    total = np.sum(batch.weights * np.asarray(TASK.loss(mean, batch.targets)))
    assert total == pytest.approx(np.sum(3 * found["odd_error"] + found["threes_error"]), rel=1e-6)


def test_mistakes_are_named():
    with pytest.raises(UserError, match="DigitCounts: period must be at least 2, got 1"):
        DigitCounts(period=1)
    with pytest.raises(UserError, match="DigitCounts: split must be one of"):
        DigitCounts(split="tset")  # pyright: ignore[reportArgumentType]
