"""What came of a comparison, as curves."""

import math
from collections.abc import Sequence
from html import escape
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from tapehead.comparison.comparison import Comparison
from tapehead.comparison.table import table
from tapehead.errors import UserError
from tapehead.inspection.measures import (
    Curve,
    in_order,
    learning_curve,
    measure,
    size_curve,
    thinned,
    trained_range,
)
from tapehead.inspection.report.charts import chart
from tapehead.inspection.report.page import document
from tapehead.tasks import TASKS

COLOURS = """
.s3 { color: light-dark(#7a4fb5, #b99aec); } .s4 { color: light-dark(#8a6d00, #d9b93b); }
.s5 { color: light-dark(#5b636c, #a0a8b2); } .s6 { color: light-dark(#b0307a, #f08cc4); }
"""
"""Colours for more lines than the report has."""


def curves(comparison: Comparison, metric: str) -> tuple[dict[str, Curve], dict[str, Curve]]:
    """Of every model, the metric by update on fresh sequences, and by size after training."""
    learning, sizes = {}, {}
    for name, run in comparison.runs.items():
        lines = run.metrics()
        if (curve := thinned(learning_curve(lines, metric))).x:
            learning[name] = curve
        if (curve := size_curve(lines, metric)).x:
            sizes[name] = curve
    return learning, sizes


def metrics(comparison: Comparison) -> list[str]:
    """The metrics of the task, its score first."""
    found = {
        name
        for run in comparison.runs.values()
        for line in run.metrics()
        if line["kind"] == "evaluation"
        for name in line["metrics"]
    }
    score = comparison.task.score
    return [name for name in (score, *in_order(found - {score, "optimal_bits"})) if name in found]


def charts(comparison: Comparison) -> dict[str, list[dict[str, Any]]]:
    """The charts of the page: every metric by update, and by size."""
    task = comparison.task
    found: dict[str, list[dict[str, Any]]] = {"learning": [], "generalisation": []}
    for metric in metrics(comparison):
        learning, sizes = curves(comparison, metric)
        if learning:
            found["learning"].append(chart(metric, "update", learning))
        if sizes:
            drawn = chart(metric, task.axis, sizes)
            if trained := trained_range(task):
                low, high = trained
                drawn["band"] = {"low": low, "high": high, "label": f"trained on {low} to {high}"}
            found["generalisation"].append(drawn)
    return {name: drawn for name, drawn in found.items() if drawn}


def page(comparison: Comparison) -> str:
    """The page: the table and the curves in one file that loads nothing."""
    heading, rows = table(comparison)
    names = "".join(f'<th class="number" scope="col">{escape(column)}</th>' for column in heading)
    body = "".join(
        f'<tr><th scope="row">{escape(name)}</th>'
        + "".join(f'<td class="number">{escape(cell)}</td>' for cell in cells)
        + "</tr>"
        for name, *cells in rows
    )
    drawn = charts(comparison)
    captions = {
        "learning": "<b>Learning curves</b> on fresh sequences: the median of the seeds, and each "
        "of them thinner.",
        "generalisation": f"<b>Performance against {escape(comparison.task.axis)}</b> after "
        "training.",
    }
    figures = {
        name.capitalize(): (
            f'<section class="part" id="{name}"><h2>{name.capitalize()}</h2><figure>'
            f'<div data-figure="{name}"></div><figcaption>{captions[name]}</figcaption></figure>'
            "</section>"
        )
        for name in drawn
    }
    title = f"{', '.join(comparison.runs)} on {TASKS.name_of(comparison.task)}"
    head = (
        f'<header class="title"><p class="kicker">Comparison</p><h1>{escape(title)}</h1></header>'
    )
    parts = {
        "Table": (
            '<section class="part" id="table"><div class="scroll"><table><thead><tr>'
            f"{names}</tr></thead><tbody>{body}</tbody></table></div>"
            '<p class="note">Median over the seeds (lowest to highest).</p></section>'
        ),
        **figures,
        "Reproduce": (
            '<section class="part" id="reproduce"><h2>Do it again</h2>'
            f"<pre>{escape(comparison.command)}</pre></section>"
        ),
    }
    return document(title, head, parts, drawn, style=COLOURS)


def carried(values: Sequence[float | None]) -> list[float]:
    """The values, the last one known in place of each that is missing; NaN before the first."""
    last = math.nan
    return [last := last if value is None else value for value in values]


def picture(comparison: Comparison, path: Path) -> None:
    """Draw the score by update and by size with matplotlib: medians, and the range of the seeds."""
    from matplotlib.figure import Figure

    score = comparison.task.score
    panels = [
        (found, label)
        for found, label in zip(
            curves(comparison, score), ("update", comparison.task.axis), strict=True
        )
        if found
    ]
    drawing = Figure(figsize=(5.5 * len(panels), 3.8), layout="constrained")
    axes = drawing.subplots(1, len(panels), squeeze=False)[0]
    for place, (found, label) in zip(axes, panels, strict=True):
        for name, curve in found.items():
            seeds = np.array([carried(values) for values in curve.seeds])
            low, high = np.nanmin(seeds, axis=0), np.nanmax(seeds, axis=0)
            (line,) = place.plot(curve.x, curve.middle, label=name)
            place.fill_between(curve.x, low, high, color=line.get_color(), alpha=0.15, linewidth=0)
        place.set(xlabel=label, ylabel=measure(score).label)
        place.grid(alpha=0.25)
        if measure(score).unit == "share":
            place.set_ylim(-0.02, 1.02)
    axes[0].legend(frameon=False)
    drawing.savefig(path, dpi=150)


def write_figures(comparison: Comparison) -> list[Path]:
    """Write `figure.html`, and `figure.svg` where matplotlib is installed.

    **Returns:** where they lie.

    **Raises:** `UserError` if they cannot be written.
    """
    written = [comparison.folder / "figure.html"]
    try:
        written[0].write_text(page(comparison), encoding="utf-8")
        if find_spec("matplotlib") and charts(comparison):
            written.append(comparison.folder / "figure.svg")
            picture(comparison, written[1])
    except OSError as error:
        raise UserError(f"cannot write {error.filename}: {error.strerror}") from None
    return written
