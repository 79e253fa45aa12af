"""ECG5000: single heartbeats, each of one of five classes."""

from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import Float, Int

from tapehead.datasets.fetch import fetch
from tapehead.datasets.reading import lines, read_text
from tapehead.datasets.registry import ECG5000
from tapehead.errors import UserError, among

STEPS = 140
"""Samples of a heartbeat."""

Part = Literal["train", "test"]


def read_rows(path: str | Path) -> Float[np.ndarray, "beats 141"]:
    """The rows of a file: the class, then the samples.

    **Raises:** `UserError` if the file is not of this form.
    """
    rows = []
    for number, line in enumerate(lines(read_text(path)), 1):
        try:
            row = np.array(line.split(), float)
        except ValueError:
            raise UserError(f"{path}: line {number} is not numbers") from None
        if len(row) != 1 + STEPS:
            raise UserError(
                f"{path}: line {number} has {len(row)} numbers where {1 + STEPS} are expected"
            )
        rows.append(row)
    return np.array(rows)


def load_ecg5000(
    part: Part, *, data_dir: str | Path | None = None
) -> tuple[Float[np.ndarray, "beats 140"], Int[np.ndarray, " beats"]]:
    """Heartbeats of 140 samples, and the class of each, 1 to 5; 1 is normal.

    500 for training (292, 177, 10, 19 and 2 of the classes), 4,500 as the test, as published.

    `data_dir` and where files come from: see `fetch`. **Raises:** `UserError` as `fetch` does.

    Source: Chen et al., "A general framework for never-ending learning from time series streams"
    (2015), from a record of the BIDMC database (Goldberger et al. 2000).
    """
    among("load_ecg5000", ("train", "test"), part=part)
    rows = read_rows(fetch(ECG5000, f"ECG5000_{part.upper()}.txt.gz", data_dir=data_dir))
    return rows[:, 1:], rows[:, 0].astype(np.int64)
