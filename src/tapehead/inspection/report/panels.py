"""Panels and frames: what the page's script draws, as plain data."""

from typing import Any

import numpy as np

from tapehead.inspection.report.pack import pack

Panel = dict[str, Any]
Frame = dict[str, Any]

PAGE_SHARE = 300_000
"""The most characters that one map over time may take on the page, which has a dozen of them."""


def panel(
    title: str,
    values: np.ndarray,
    *,
    rows: str,
    note: str = "",
    names: list[str] | None = None,
    span: tuple[float, float] | None = None,
    slots: bool = False,
) -> Panel:
    """A heat map of `values` `(time, rows)`; NaN is drawn as nothing.

    **Arguments:**

    - `rows`: what a row is ("slot"); keys ("key") are drawn from the bottom up, as in piano rolls.
    - `names`: the rows' own names, where they are few.
    - `span`: the ends of the colour scale, by default those of the values.
    - `slots`: rows are slots of the memory, which the reader may reorder.
    """
    low, high = span or (None, None)
    packed = pack(values, low, high)
    return {
        "title": title,
        "note": note,
        "rows": rows,
        "names": names,
        "slots": slots,
        "map": "diverging" if packed["low"] < 0 else "sequential",
        "data": packed,
    }


def judged(drawn: Panel, wrong: np.ndarray, asked: int, things: str) -> Panel:
    """The panel with its wrong cells, a `(time, rows)` mask, marked and counted."""
    count = int(wrong.sum())
    said = f"{count} of {asked} {things} wrong" if count else f"all {asked} {things} right"
    return drawn | {"wrong": np.argwhere(wrong).tolist(), "verdict": said}


def frames(
    title: str,
    values: np.ndarray,
    *,
    note: str,
    rows: str,
    columns: str,
    span: tuple[float, float] | None = None,
    square: bool = False,
    heads: bool = False,
) -> list[Frame]:
    """A map of `values` `(time, slots, columns)` at every step, or none if it is too large.

    Where all steps would take more than a fair share of the page, every second is kept, or every
    fourth, and so on.

    **Arguments:**

    - `rows`, `columns`: what they are; `square`: columns are slots as well as rows.
    - `span`: the ends of the colour scale, by default those of the values.
    - `heads`: show beside it where the heads wrote and read.
    """
    low, high = span or (None, None)
    every = 1
    packed = pack(values.transpose(0, 2, 1), low, high)
    while len(packed["bytes"]) > PAGE_SHARE:
        every *= 2
        if every >= len(values):
            return []
        packed = pack(values[::every].transpose(0, 2, 1), low, high)
    thinned = f" Kept for every {every} steps only." if every > 1 else ""
    return [
        {
            "title": title,
            "note": note + thinned,
            "rows": rows,
            "columns": columns,
            "map": "diverging" if packed["low"] < 0 else "sequential",
            "square": square,
            "heads": heads,
            "every": every,
            "data": packed,
        }
    ]


def scored_spans(weights: np.ndarray) -> list[list[int]]:
    """The runs of steps with weight, as `[first, one past the last]`; none if all have it."""
    scored = weights > 0
    if scored.all():
        return []
    edges = np.flatnonzero(np.diff(np.concatenate([[False], scored, [False]]).astype(np.int8)))
    return edges.reshape(-1, 2).tolist()
