"""Tiny Shakespeare: one text, in three consecutive parts."""

from pathlib import Path
from typing import get_args

from tapehead.datasets.fetch import fetch
from tapehead.datasets.reading import read_text
from tapehead.datasets.registry import TINY_SHAKESPEARE, Split
from tapehead.errors import among


def load_tiny_shakespeare(split: Split, *, data_dir: str | Path | None = None) -> str:
    """A part of 1,115,394 characters from Shakespeare's plays (65 different ones, all ASCII).

    - `"train"`: the first 17 of 20 parts.
    - `"validation"`: the next 1 of 20, so that train and validation are the first nine tenths.
    - `"test"`: the last tenth.

    `data_dir` and where the file comes from: see `fetch`. **Raises:** `UserError` as `fetch` does.
    """
    among("load_tiny_shakespeare", get_args(Split), split=split)
    text = read_text(fetch(TINY_SHAKESPEARE, "input.txt.gz", "input.txt", data_dir=data_dir))
    test, validation = len(text) * 9 // 10, len(text) * 17 // 20
    return {
        "train": text[:validation],
        "validation": text[validation:test],
        "test": text[test:],
    }[split]
