"""Curves from a run's metrics: learning over updates, and generalisation over sizes."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from tapehead.tasks import Task
from tapehead.tasks.vision.omniglot import TOLD
from tapehead.training.evaluation import QUANTILES

Lines = Sequence[Mapping[str, Any]]
"""The lines of `metrics.jsonl`, as `Run.metrics` gives them."""


@dataclass(frozen=True)
class Measure:
    """How a metric is called and drawn.

    **Attributes:**

    - `label`: its name on an axis, with the unit.
    - `unit`: `"share"` for what is shown in per cent, else `""`.
    """

    label: str
    unit: Literal["share", ""] = ""


MEASURES: dict[str, Measure] = {
    "bits": Measure("bits per sequence"),
    "loss": Measure("loss (nats per scored step)"),
    "nll": Measure("negative log-likelihood (nats per step)"),
    "bits_per_character": Measure("bits per character"),
    "perplexity": Measure("perplexity"),
    "accuracy": Measure("accuracy", "share"),
    **{f"accuracy_{n}": Measure(f"accuracy at sighting {n}", "share") for n in TOLD},
    "legal": Measure("steps predicted legally", "share"),
    "error_free": Measure("sequences predicted legally", "share"),
    "sequence_accuracy": Measure("sequences without error", "share"),
    "bit_accuracy": Measure("right bits", "share"),
    "wrong_bits": Measure("wrong bits per sequence"),
    "ponder": Measure("sub-steps per input"),
    **{f"ponder_p{q}": Measure(f"sub-steps of {q} % at most") for q in QUANTILES},
    "units": Measure("residual units per position"),
    **{f"units_p{q}": Measure(f"units of {q} % at most") for q in QUANTILES},
    "computation": Measure("million multiplications per image"),
    "evicted": Measure("rows pushed out of full buckets"),
    "gradient_norm": Measure("gradient norm"),
    "level": Measure("level of the curriculum"),
}
"""The metrics that have a name of their own, in the order in which they are shown."""


def measure(name: str) -> Measure:
    """How the metric `name` is called and drawn."""
    return MEASURES.get(name) or Measure(name.replace("_", " "))


def in_order(names: Iterable[str]) -> list[str]:
    """Metric names as they are shown: the known ones first."""
    known = list(MEASURES)
    return sorted(set(names), key=lambda n: (known.index(n) if n in known else len(known), n))


@dataclass(frozen=True)
class Curve:
    """One metric of every network.

    **Attributes:**

    - `x`: updates or sizes, ascending.
    - `seeds`: for each network its values, `None` where it has none (it was held because it had
        solved the task).
    - `middle`: the median over the networks; one that is held counts with its last value.
    """

    x: tuple[float, ...]
    seeds: tuple[tuple[float | None, ...], ...]
    middle: tuple[float | None, ...]


def _median(values: Iterable[float | None]) -> float | None:
    known = sorted(v for v in values if v is not None)
    if not known:
        return None
    half = len(known) // 2
    return known[half] if len(known) % 2 else (known[half - 1] + known[half]) / 2


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _curve(points: Iterable[tuple[float, Sequence[float | None]]]) -> Curve:
    """A curve from `(x, value of every network)`."""
    rows = [(x, [_finite(v) for v in values]) for x, values in sorted(points, key=lambda p: p[0])]
    last: list[float | None] = [None] * (len(rows[0][1]) if rows else 0)
    middle = []
    for _, values in rows:
        last = [
            now if now is not None else before for now, before in zip(values, last, strict=True)
        ]
        middle.append(_median(last))
    return Curve(
        tuple(x for x, _ in rows),
        tuple(zip(*(values for _, values in rows), strict=True)),
        tuple(middle),
    )


def learning_curve(lines: Lines, metric: str, source: str = "validation") -> Curve:
    """A metric by update: on the training batches (`"train"`) or on an evaluated set."""
    return _curve(
        (line["update"], line["metrics"][metric])
        for line in lines
        if (line["kind"] == source or (line["kind"], line.get("set")) == ("evaluation", source))
        and metric in line["metrics"]
    )


def size_curve(lines: Lines, metric: str) -> Curve:
    """A metric by size on the task's axis: the generalisation curve."""
    points = {
        line["size"]: line["metrics"][metric]
        for line in lines
        if line["kind"] == "evaluation" and line["size"] is not None and metric in line["metrics"]
    }
    return _curve(points.items())


def thinned(curve: Curve, most: int = 400) -> Curve:
    """At most `most` points: neighbours are averaged, and stand at the last one's update."""
    every = math.ceil(len(curve.x) / most)
    if every <= 1:
        return curve

    def mean(values: Sequence[float | None]) -> float | None:
        known = [v for v in values if v is not None]
        return sum(known) / len(known) if known else None

    def blocks(values: Sequence[Any]) -> list[Sequence[Any]]:
        return [values[i : i + every] for i in range(0, len(values), every)]

    return Curve(
        tuple(block[-1] for block in blocks(curve.x)),
        tuple(tuple(mean(block) for block in blocks(values)) for values in curve.seeds),
        tuple(mean(block) for block in blocks(curve.middle)),
    )


def trained_range(task: Task) -> tuple[int, int] | None:
    """The sizes on its axis that a task trains on; `None` for one not tried at other sizes."""
    return task.span if task.sizes else None
