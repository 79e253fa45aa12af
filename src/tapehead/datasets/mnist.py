"""MNIST: images of handwritten digits, from the original idx files."""

import math
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from tapehead.datasets.fetch import fetch
from tapehead.datasets.reading import read_bytes
from tapehead.datasets.registry import MNIST, Split
from tapehead.errors import UserError

VALIDATION = 5_000
"""How many images are held out from the end of the 60,000 training images."""


def read_idx(path: str | Path) -> UInt8[np.ndarray, "..."]:
    """The array of bytes in a gzipped idx file.

    The format: two zero bytes, a type code (8 for unsigned bytes, the only one read here), the
    number of axes, every axis' length as a big-endian 32-bit number, then the bytes.

    **Raises:** `UserError` if the file is missing, not gzip, or not of this format.
    """
    content = read_bytes(path)
    if len(content) < 4 or content[:3] != b"\0\0\x08":
        raise UserError(f"{path}: not an idx file of unsigned bytes (starts with {content[:4]!r})")
    axes = content[3]
    begin = 4 + 4 * axes
    if len(content) < begin:
        raise UserError(f"{path}: ends inside its idx header ({len(content)} bytes)")
    shape = tuple(int(n) for n in np.frombuffer(content, ">u4", axes, offset=4))
    if len(content) - begin != math.prod(shape):
        raise UserError(
            f"{path}: has {len(content) - begin} bytes of data where its header {shape} asks for "
            f"{math.prod(shape)}"
        )
    return np.frombuffer(content, np.uint8, offset=begin).reshape(shape)


def load_mnist(
    split: Split, *, data_dir: str | Path | None = None
) -> tuple[UInt8[np.ndarray, "images 28 28"], UInt8[np.ndarray, " images"]]:
    """The images (rows from the top, 0 for background to 255 for ink) and digits of a split.

    - `"train"`: the first 55,000 of the published training images.
    - `"validation"`: their last 5,000.
    - `"test"`: the published 10,000 test images.

    `data_dir` and where files come from: see `fetch`. **Raises:** `UserError` as `fetch` does.
    """
    stem = "t10k" if split == "test" else "train"
    images = read_idx(fetch(MNIST, f"{stem}-images-idx3-ubyte.gz", data_dir=data_dir))
    labels = read_idx(fetch(MNIST, f"{stem}-labels-idx1-ubyte.gz", data_dir=data_dir))
    part = {
        "train": slice(None, -VALIDATION),
        "validation": slice(-VALIDATION, None),
        "test": slice(None),
    }[split]
    return images[part], labels[part]
