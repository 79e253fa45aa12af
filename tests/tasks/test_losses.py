"""Losses and measures against hand-made and float64 values."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tapehead.sequences import Sequences
from tapehead.tasks.losses import bit_losses, bits_loss, class_loss
from tapehead.tasks.losses import bit_metrics as plain_bit_metrics
from tapehead.tasks.losses import class_metrics as plain_class_metrics

bit_metrics, class_metrics = jax.jit(plain_bit_metrics), jax.jit(plain_class_metrics)


def test_bit_losses_equal_their_definition(x64):
    logits = np.linspace(-20, 20, 81)
    for target in (0.0, 1.0, 0.3):
        sigma = 1 / (1 + np.exp(-logits))
        expected = -target * np.log(sigma) - (1 - target) * np.log1p(-sigma)
        found = bit_losses(jnp.asarray(logits), jnp.full(81, target))
        np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-12)


def test_bit_losses_neither_overflow_nor_vanish():
    logits = jnp.array([1e4, -1e4, 1e4, -1e4, 50.0])
    targets = jnp.array([1.0, 0.0, 0.0, 1.0, 1.0])
    np.testing.assert_allclose(
        bit_losses(logits, targets), [0, 0, 1e4, 1e4, np.exp(-50.0)], rtol=1e-6
    )
    slopes = jax.vmap(jax.grad(bit_losses))(logits, targets)
    np.testing.assert_allclose(slopes, [0, 0, 1, -1, 0], atol=1e-6)
    # No corner at 0, where networks start that are initialised to nothing.
    np.testing.assert_allclose(jax.grad(bit_losses)(0.0, 1.0), -0.5)
    np.testing.assert_allclose(jax.grad(bit_losses)(0.0, 0.0), 0.5)


def bits(outputs, targets, weights):
    outputs, targets, weights = (np.float32(x) for x in (outputs, targets, weights))
    sequences = Sequences(np.zeros((len(weights), 1), np.float32), targets, weights)
    return {k: v.item() for k, v in bit_metrics(outputs, sequences).items()}


def test_bit_metrics_by_hand():
    found = bits(
        [[9.0, 9.0], [0.0, 0.0], [-1.0, 1.0]], [[0.0, 0.0], [1.0, 0.0], [0.0, 0.0]], [0.0, 1.0, 0.5]
    )
    nats = 2 * np.log(2) + np.log1p(np.exp(-1)) + np.log1p(np.exp(1))
    assert found["bits"] == pytest.approx(nats / np.log(2))
    # Two logits of 0, which decide nothing, and one on the wrong side.
    assert found["wrong_bits"] == 3
    assert found["bit_accuracy"] == pytest.approx(0.25)
    assert found["sequence_accuracy"] == 0


def test_a_nan_is_wrong_and_stays():
    found = bits([[np.nan], [3.0]], [[1.0], [1.0]], [1.0, 1.0])
    assert np.isnan(found["bits"])
    assert found["wrong_bits"] == 1
    assert found["sequence_accuracy"] == 0


def test_metrics_of_one_sequence_and_of_many_batch_axes():
    rng = np.random.default_rng(0)
    outputs = rng.normal(size=(5, 2, 3, 4)).astype(np.float32)
    targets = rng.integers(0, 2, (5, 2, 3, 4)).astype(np.float32)
    weights = rng.integers(0, 2, (5, 2, 3)).astype(np.float32)
    weights[0] = 1
    many = bit_metrics(outputs, Sequences(targets, targets, weights))
    one = bit_metrics(
        outputs[:, 1, 2], Sequences(targets[:, 1, 2], targets[:, 1, 2], weights[:, 1, 2])
    )
    for name, value in many.items():
        assert value.shape == (2, 3)
        np.testing.assert_allclose(np.asarray(value)[1, 2], one[name], rtol=1e-6)


def test_bits_loss_sums_over_the_bits():
    outputs, targets = jnp.array([[1.0, -2.0]]), jnp.array([[1.0, 1.0]])
    expected = np.log1p(np.exp(-1.0)) + np.log1p(np.exp(2.0))
    np.testing.assert_allclose(bits_loss(outputs, targets), [expected], rtol=1e-6)


def test_class_measures_by_hand():
    outputs = jnp.array([[9.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 5.0]])[:, None]
    targets = jnp.array([[2], [1], [2]])
    np.testing.assert_allclose(
        class_loss(outputs, targets)[:, 0],
        [np.log(np.exp(9) + 2), np.log(np.e + 2) - 1, np.log(np.exp(5) + 2) - 5],
        rtol=1e-5,
    )
    sequences = Sequences(outputs, targets, jnp.array([[0.0], [1.0], [1.0]]))
    found = class_metrics(outputs, sequences)
    assert found["accuracy"].item() == 1
    wanted = (np.log(np.e + 2) - 1 + np.log(np.exp(5) + 2) - 5) / 2
    assert found["loss"].item() == pytest.approx(wanted, rel=1e-5)


@pytest.mark.parametrize("outputs", [[1.0, 1.0], [np.nan, 0.0], [0.0, np.nan], [0.0, 1.0]])
def test_ties_and_nans_are_not_right_classes(outputs):
    outputs = np.float32([[outputs]])
    sequences = Sequences(outputs, np.zeros((1, 1), np.int32), np.ones((1, 1), np.float32))
    assert class_metrics(outputs, sequences)["accuracy"].item() == 0
