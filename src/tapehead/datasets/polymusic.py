"""Polyphonic music as piano rolls: Bach's four-part chorales and the Nottingham folk tunes."""

import zipfile
import zlib
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from jaxtyping import UInt8

from tapehead.datasets.fetch import fetch
from tapehead.datasets.registry import POLYMUSIC, Split
from tapehead.errors import UserError, among

KEYS = 88
"""Keys of a piano."""
LOWEST = 21
"""The MIDI number of the lowest of them, A0."""

Collection = Literal["jsb-chorales", "nottingham"]
STEMS = {"jsb-chorales": "JSB_Chorales", "nottingham": "Nottingham"}
PARTS = {"train": "train", "validation": "valid", "test": "test"}

Rolls = list[UInt8[np.ndarray, "steps 88"]]


def read_npz(path: str | Path, part: str) -> Rolls:
    """The rolls `<part>_roll`, one after another in one array, cut by `<part>_lengths`.

    **Raises:** `UserError` if the file is not of this form.
    """
    try:
        with Path(path).open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            roll, lengths = arrays[f"{part}_roll"], arrays[f"{part}_lengths"]
        rolls = np.split(roll, np.cumsum(lengths)[:-1])
    except (OSError, ValueError, KeyError, TypeError, EOFError, zlib.error, zipfile.BadZipFile):
        raise UserError(f"{path}: not a file of {part}_roll and {part}_lengths") from None
    return _checked(path, rolls)


def read_mat(path: str | Path, part: str) -> Rolls:
    """The rolls in the cell array `<part>data` of a MATLAB file, as published.

    **Raises:** `UserError` if scipy is not installed, or the file is not of this form.
    """
    try:
        from scipy.io import loadmat
    except ImportError:
        raise UserError(
            f"{path}: reading MATLAB files needs scipy; run: pip install 'tapehead[data]'"
        ) from None
    name = f"{part}data"
    try:
        cells: Any = loadmat(path, variable_names=[name])[name]
    except Exception as error:  # scipy's reader fails in every way on a damaged file
        raise UserError(f"{path}: not a MATLAB file with {name} ({type(error).__name__})") from None
    return _checked(path, list(cells.ravel()))


def _checked(path: str | Path, rolls: list[Any]) -> Rolls:
    for number, roll in enumerate(rolls):
        if roll.ndim != 2 or roll.shape[1] != KEYS or not len(roll) or roll.max() > 1:
            raise UserError(
                f"{path}: piece {number} must be steps of {KEYS} keys, each 0 or 1, got shape "
                f"{roll.shape}"
            )
    return [roll.astype(np.uint8) for roll in rolls]


def load_polymusic(
    collection: Collection, split: Split, *, data_dir: str | Path | None = None
) -> Rolls:
    """The pieces of a split: for each an array `(steps, 88)`, 1 where a key sounds.

    Key 0 is the lowest of a piano, A0 (MIDI number 21). Pieces are of different lengths.

    - `"jsb-chorales"`: 229 / 76 / 77 pieces in train / validation / test, 13,807 / 4,602 / 4,725
      steps, each a quarter note.
    - `"nottingham"`: 694 / 173 / 170 pieces, 176,561 / 45,513 / 44,463 steps.

    `data_dir` and where files come from: see `fetch`. **Raises:** `UserError` as `fetch` does.

    Source: Boulanger-Lewandowski, Bengio and Vincent, "Modeling temporal dependencies in
    high-dimensional sequences" (2012), whose splits these are.
    """
    among("load_polymusic", get_args(Collection), collection=collection)
    among("load_polymusic", get_args(Split), split=split)
    stem = STEMS[collection]
    path = fetch(POLYMUSIC, f"{stem}.npz", f"{stem}.mat", data_dir=data_dir)
    return {".npz": read_npz, ".mat": read_mat}[path.suffix](path, PARTS[split])
