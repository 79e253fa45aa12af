"""Panels and frames: what the page's script draws, as plain data."""

from typing import Any, Literal

import numpy as np

from tapehead.inspection.report.pack import pack

Panel = dict[str, Any]
Frame = dict[str, Any]


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

    - `rows`: what a row is ("slot"); `names`: the rows' own names, where they are few.
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


def strip(
    label: str,
    values: np.ndarray,
    weight: float,
    kind: Literal["sequential", "diverging"] = "sequential",
    *,
    square: bool = False,
) -> dict[str, Any]:
    """A part of a frame: `values` `(time, columns, slots)`, `weight` its share of the width.

    `square` says that the columns are slots as well.
    """
    span = (0.0, 1.0) if kind == "sequential" else (None, None)
    return {
        "label": label,
        "data": pack(values, *span),
        "weight": weight,
        "map": kind,
        "square": square,
    }


def scored_spans(weights: np.ndarray) -> list[list[int]]:
    """The runs of steps with weight, as `[first, one past the last]`; none if all have it."""
    scored = weights > 0
    if scored.all():
        return []
    edges = np.flatnonzero(np.diff(np.concatenate([[False], scored, [False]]).astype(np.int8)))
    return edges.reshape(-1, 2).tolist()
