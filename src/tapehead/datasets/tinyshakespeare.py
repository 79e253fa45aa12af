"""Tiny Shakespeare: one text, in three parts."""

from pathlib import Path
from typing import get_args

from tapehead.datasets.fetch import fetch
from tapehead.datasets.reading import parts, read_text
from tapehead.datasets.registry import TINY_SHAKESPEARE, Split
from tapehead.errors import among


def load_tiny_shakespeare(split: Split, *, data_dir: str | Path | None = None) -> str:
    """A part of 1,115,394 characters from Shakespeare's plays (65 different ones, all ASCII).

    The first twentieth for validation, the last tenth as the test, all between for training.
    `data_dir` and where the file comes from: see `fetch`. **Raises:** `UserError` as `fetch` does.
    """
    among("load_tiny_shakespeare", get_args(Split), split=split)
    text = read_text(fetch(TINY_SHAKESPEARE, "input.txt.gz", "input.txt", data_dir=data_dir))
    return parts(text)[split]
