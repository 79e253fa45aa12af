"""Charts of a run's metrics, as plain data for the page's script."""

from typing import Any

from tapehead.inspection.measures import (
    Curve,
    Lines,
    in_order,
    learning_curve,
    measure,
    size_curve,
    thinned,
    trained_range,
)
from tapehead.tasks import Task

Chart = dict[str, Any]

WIDE = 30
"""The ratio of the largest to the smallest value from which an axis is logarithmic."""


def _rounded(values: tuple[float | None, ...]) -> list[float | None]:
    """Values to five digits, which is finer than anyone can see."""
    return [None if v is None else float(f"{v:.5g}") for v in values]


def _series(name: str, curve: Curve) -> dict[str, Any]:
    return {
        "name": name,
        "x": list(curve.x),
        "seeds": [_rounded(values) for values in curve.seeds],
        "middle": _rounded(curve.middle),
    }


def chart(metric: str, xlabel: str, curves: dict[str, Curve]) -> Chart:
    """One metric's named curves, on a logarithmic axis where the values ask for one."""
    known = measure(metric)
    values = [v for c in curves.values() for seed in c.seeds for v in seed if v is not None]
    positive = [v for v in values if v > 0]
    wide = min(values, default=0) >= 0 and positive and max(positive) > WIDE * min(positive)
    return {
        "label": known.label,
        "unit": known.unit,
        "scale": "log" if wide and known.unit != "share" else "linear",
        "xlabel": xlabel,
        "series": [_series(name, curve) for name, curve in curves.items()],
    }


def _names(lines: Lines, *kinds: str) -> list[str]:
    found = {name for line in lines if line["kind"] in kinds for name in line["metrics"]}
    return [name for name in in_order(found) if name != "optimal_bits"]


def learning_charts(lines: Lines) -> list[Chart]:
    """Every metric by update: training batches and validation, and what is possible at best."""
    charts = []
    for metric in _names(lines, "train", "evaluation"):
        curves = {
            "training": thinned(learning_curve(lines, metric, "train")),
            "validation": thinned(learning_curve(lines, metric)),
        }
        if metric == "bits":
            curves["optimal estimator"] = thinned(learning_curve(lines, "optimal_bits"))
        curves = {name: curve for name, curve in curves.items() if curve.x}
        if curves:
            charts.append(chart(metric, "update", curves))
    return charts


def size_charts(lines: Lines, task: Task) -> list[Chart]:
    """Every metric by size on the task's axis, with the range trained on.

    The share of right bits comes first, since it still tells something where no sequence is
    without error, and then the score.
    """
    charts = []
    first = ["bit_accuracy", task.score]
    names = _names(lines, "evaluation")
    for metric in sorted(names, key=lambda n: first.index(n) if n in first else len(first)):
        curves = {"network": size_curve(lines, metric)}
        if metric == "bits":
            curves["optimal estimator"] = size_curve(lines, "optimal_bits")
        curves = {name: curve for name, curve in curves.items() if curve.x}
        if curves:
            drawn = chart(metric, task.axis, curves)
            if trained := trained_range(task):
                low, high = trained
                sizes = f"{low} to {high}" if low < high else f"{high}"
                drawn["band"] = {"low": low, "high": high, "label": f"trained on {sizes}"}
            charts.append(drawn)
    return charts
