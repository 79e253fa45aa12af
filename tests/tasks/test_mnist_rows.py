"""MNIST by rows, on the published files."""

import os

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tapehead.datasets import load_mnist
from tapehead.tasks import MnistRows

pytestmark = pytest.mark.skipif(
    "TAPEHEAD_DATA" not in os.environ, reason="TAPEHEAD_DATA names no folder of data sets"
)


def test_the_splits_are_the_published_files():
    sizes = {split: MnistRows(split=split).data() for split in ("train", "validation", "test")}
    assert [data.labels.shape[0] for data in sizes.values()] == [55_000, 5_000, 10_000]
    digits = np.concatenate([sizes["train"].labels, sizes["validation"].labels])
    # Counted in the published training labels.
    counted = [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    assert np.bincount(digits).tolist() == counted
    assert digits[:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]


def test_rows_are_the_images_rows_scaled():
    images, labels = load_mnist("test")
    task = MnistRows(split="test")
    batch = task.batch_at(jnp.array([3, 9999]), task.data())
    np.testing.assert_allclose(batch.inputs[:, 1], images[9999] / 255, rtol=1e-6)
    assert batch.targets[-1].tolist() == labels[[3, 9999]].tolist()
    assert batch.weights.sum().item() == 2
    assert batch.mask is None


def test_batches_are_drawn_from_all_images():
    task = MnistRows()
    data = task.data()
    shown = np.asarray(task.sample(jax.random.key(0), 2000, data).targets[-1])
    share = np.bincount(shown, minlength=10) / 2000
    np.testing.assert_allclose(share, np.bincount(data.labels) / 55_000, atol=0.03)


def test_held_out_images_judge_progress():
    task = MnistRows()
    assert task.validation() == MnistRows(split="validation")
    assert task.evaluations() == {"test": MnistRows(split="test")}
    assert not task.solved({"accuracy": 1.0})
