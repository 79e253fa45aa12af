"""The idx format, and the loader of MNIST on made-up files."""

import gzip
import hashlib

import numpy as np
import pytest

from tapehead.datasets import DataFile, Dataset, load_mnist
from tapehead.datasets import mnist as module
from tapehead.datasets.mnist import read_idx
from tapehead.errors import UserError


def idx(array):
    head = bytes([0, 0, 8, array.ndim]) + np.asarray(array.shape, ">u4").tobytes()
    return head + array.astype(np.uint8).tobytes()


def test_an_idx_file_is_read(tmp_path):
    array = np.arange(24).reshape(2, 3, 4)
    path = tmp_path / "a.gz"
    path.write_bytes(gzip.compress(idx(array)))
    np.testing.assert_array_equal(read_idx(path), array)


GOOD = idx(np.zeros((2, 3)))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"not gzip at all", "not a whole gzip file"),
        (b"", "not an idx file"),
        (gzip.compress(GOOD)[:-9], "not a whole gzip file"),
        (gzip.compress(b""), "not an idx file"),
        (gzip.compress(b"\0\0\x0d" + GOOD[3:]), "not an idx file of unsigned bytes"),
        (gzip.compress(GOOD[:9]), "ends inside its idx header"),
        (gzip.compress(GOOD[:-1]), r"has 5 bytes of data where its header \(2, 3\) asks for 6"),
        (gzip.compress(GOOD + b"\0"), "has 7 bytes of data"),
    ],
    ids=["no gzip", "empty", "torn", "nothing", "other numbers", "header", "short", "long"],
)
def test_bad_idx_files_are_named(tmp_path, content, message):
    path = tmp_path / "bad.gz"
    path.write_bytes(content)
    with pytest.raises(UserError, match=message) as raised:
        read_idx(path)
    assert str(raised.value).startswith(str(path))
    assert "\n" not in str(raised.value)


def test_a_missing_idx_file_is_named(tmp_path):
    with pytest.raises(UserError, match="cannot be read: No such file"):
        read_idx(tmp_path / "none.gz")


def test_the_splits(tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    made = {
        "train-images-idx3-ubyte.gz": rng.integers(0, 256, (12, 28, 28)),
        "train-labels-idx1-ubyte.gz": np.arange(12) % 10,
        "t10k-images-idx3-ubyte.gz": rng.integers(0, 256, (3, 28, 28)),
        "t10k-labels-idx1-ubyte.gz": np.array([7, 2, 1]),
    }
    files = []
    (tmp_path / "mnist").mkdir()
    for name, array in made.items():
        content = gzip.compress(idx(array))
        (tmp_path / "mnist" / name).write_bytes(content)
        files.append(DataFile(name, hashlib.sha256(content).hexdigest(), len(content), ()))
    monkeypatch.setattr(module, "MNIST", Dataset("mnist", "", "", "", tuple(files)))
    monkeypatch.setattr(module, "VALIDATION", 4)

    images, labels = load_mnist("train", data_dir=tmp_path)
    np.testing.assert_array_equal(images, made["train-images-idx3-ubyte.gz"][:8])
    assert labels.tolist() == [0, 1, 2, 3, 4, 5, 6, 7]
    images, labels = load_mnist("validation", data_dir=tmp_path)
    np.testing.assert_array_equal(images, made["train-images-idx3-ubyte.gz"][8:])
    assert labels.tolist() == [8, 9, 0, 1]
    images, labels = load_mnist("test", data_dir=tmp_path)
    assert labels.tolist() == [7, 2, 1]
    assert images.dtype == np.uint8
