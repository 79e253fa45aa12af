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
from tapehead.training.evaluation import QUANTILES

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
    """The metrics that have a chart of their own."""
    found = {name for line in lines if line["kind"] in kinds for name in line["metrics"]}
    beside = {f"{name}_p{q}" for name in found for q in QUANTILES} | {"optimal_bits"}
    return in_order(found - beside)


def _beside(metric: str) -> dict[str, str]:
    """Metrics that are drawn beside another one, by what they are called there."""
    low, _, high = QUANTILES
    between = {f"{q} % take at most": f"{metric}_p{q}" for q in (low, high)}
    return between | ({"optimal estimator": "optimal_bits"} if metric == "bits" else {})


def learning_charts(lines: Lines) -> list[Chart]:
    """Every metric by update: training batches and validation, and what is possible at best.

    A count whose distribution is known is drawn with its outer quantiles.
    """
    charts = []
    for metric in _names(lines, "train", "evaluation"):
        curves = {
            "training": thinned(learning_curve(lines, metric, "train")),
            "validation": thinned(learning_curve(lines, metric)),
        }
        for name, beside in _beside(metric).items():
            curves[name] = thinned(learning_curve(lines, beside))
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
        curves |= {name: size_curve(lines, beside) for name, beside in _beside(metric).items()}
        curves = {name: curve for name, curve in curves.items() if curve.x}
        if curves:
            drawn = chart(metric, task.axis, curves)
            if trained := trained_range(task):
                low, high = trained
                sizes = f"{low} to {high}" if low < high else f"{high}"
                drawn["band"] = {"low": low, "high": high, "label": f"trained on {sizes}"}
            charts.append(drawn)
    return charts
