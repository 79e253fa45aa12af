"""Figures with matplotlib, from a trace or from a run's metrics, for notebooks and papers.

Every function makes and returns a `Figure` of its own, which `figure.savefig("heads.pdf")` writes;
nothing global is touched, and no window opens. A trace must be of one sequence: pick it from a
batch with `trace.lane(0)`. matplotlib comes with `pip install 'tapehead[viz]'`.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tapehead.datasets.polymusic import KEYS, LOWEST
from tapehead.errors import UserError
from tapehead.inspection.measures import (
    Lines,
    learning_curve,
    measure,
    size_curve,
    trained_range,
)
from tapehead.inspection.trace import Trace
from tapehead.sequences import Sequences
from tapehead.tasks import Task

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BLUE, ORANGE, RED = "#0067a8", "#b8541a", "#c6361c"
SEQUENTIAL, DIVERGING = "viridis", "RdBu_r"


def _figure(rows: int, *, width: float = 7.0, height: float = 3.2, columns: int = 1) -> "Figure":
    """An empty figure without a window; `height` is that of one row, in inches."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise UserError(
            "figures: matplotlib is not installed; `pip install 'tapehead[viz]'` brings it"
        ) from None
    figure = Figure(figsize=(width, height * rows), layout="constrained")
    figure.subplots(rows, columns, squeeze=False)
    return figure


def _heat(
    axes: "Axes",
    values: np.ndarray,
    *,
    title: str,
    rows: str,
    columns: str = "step",
    span: tuple[float, float] | None = None,
    names: Sequence[str] | None = None,
    bar: bool = True,
) -> None:
    """A heat map of `values` `(columns, rows)`, with a colour bar; numbers count from 1."""
    known = values[np.isfinite(values)]
    most = float(np.max(np.abs(known), initial=0.0)) or 1.0
    low, high = span or (-most if known.min(initial=0) < 0 else 0.0, most)
    image = axes.imshow(
        values.T,
        aspect="auto",
        interpolation="nearest",
        cmap=DIVERGING if low < 0 else SEQUENTIAL,
        vmin=low,
        vmax=high,
        extent=(0.5, len(values) + 0.5, values.shape[1] + 0.5, 0.5),
    )
    axes.set(title=title, xlabel=columns, ylabel=rows)
    axes.locator_params(integer=True)
    if names is not None:
        axes.set_yticks(range(1, len(names) + 1), names)
    if bar:
        axes.figure.colorbar(image, ax=axes, pad=0.01, shrink=0.9)


def _of_one_sequence(name: str, values: Any, axes: int) -> np.ndarray:
    """The field as NumPy, refused if it has batch axes."""
    array = np.asarray(values)
    if array.ndim > axes:
        raise UserError(
            f"figures: expected the trace of one sequence, but {name} has shape {array.shape}; "
            "pick one with trace.lane(0)"
        )
    return array


def heads(trace: Trace) -> "Figure":
    """Where every head wrote and read: slots against steps, as in the NTM paper's figures 6 and 8.

    **Raises:** `UserError` if the trace holds no heads, or a batch of sequences.
    """
    weights = {
        kind: _of_one_sequence(kind, trace.find(f"memory.{kind}_weights"), 3)
        for kind in ("write", "read")
    }
    figure = _figure(sum(w.shape[1] for w in weights.values()), height=2.4)
    every = iter(figure.axes)
    for kind, values in weights.items():
        for head in range(values.shape[1]):
            number = f", head {head + 1}" if values.shape[1] > 1 else ""
            title = f"{kind.capitalize()} weights{number}"
            _heat(next(every), values[:, head], title=title, rows="slot", span=(0, 1))
    return figure


def gates(trace: Trace) -> "Figure":
    """Every gate between 0 and 1 of a memory's interface, one row each, against steps.

    **Raises:** `UserError` if the trace holds no gates, or a batch of sequences.
    """
    rows, names = [], []
    for name, field in trace.find_all("interface.*").items():
        short = name.rsplit(".", 1)[-1]
        if not short.endswith(("gate", "gates")):
            continue
        values = _of_one_sequence(short, field, 2)
        values = values.reshape(len(values), -1)
        rows.append(values)
        said = short.removesuffix("s").replace("_", " ")
        several = values.shape[1] > 1
        names += [f"{said} {i + 1}" if several else said for i in range(values.shape[1])]
    if not rows:
        raise UserError("figures: the trace holds no gates; record them with fields=('*gate*',)")
    figure = _figure(1, height=0.8 + 0.35 * len(names))
    joined = np.concatenate(rows, axis=1)
    _heat(figure.axes[0], joined, title="Gates", rows="", span=(0, 1), names=names)
    return figure


def memory(trace: Trace, steps: Sequence[int] | None = None) -> "Figure":
    """The memory's contents after a few steps, slots against the numbers they hold.

    `steps` counts from 0; by default four of them, evenly spread to the last.

    **Raises:** `UserError` if the trace holds no contents or a batch, or a step is not in it.
    """
    contents = _of_one_sequence("memory", trace.find("memory.memory"), 3)
    last = len(contents) - 1
    chosen = np.linspace(0, last, min(4, last + 1)).round().astype(int) if steps is None else steps
    for step in chosen:
        if not 0 <= step <= last:
            raise UserError(f"figures: step must be between 0 and {last}, got {step}")
    figure = _figure(1, columns=len(chosen), width=2.6 * len(chosen), height=3.4)
    most = float(np.max(np.abs(contents))) or 1.0
    for axes, step in zip(figure.axes[: len(chosen)], chosen, strict=True):
        _heat(
            axes,
            contents[step].T,
            title=f"after step {step + 1}",
            rows="slot",
            columns="number",
            span=(-most, most),
            bar=step == chosen[-1],
        )
    return figure


def links(trace: Trace, step: int = -1) -> "Figure":
    """The temporal links of a DNC after a step: the row's slot was written after the column's.

    **Raises:** `UserError` if the trace holds no links, or a batch of sequences.
    """
    values = _of_one_sequence("link", trace.find("memory.link"), 4)
    at = values[step]
    each = at[None] if at.ndim == 2 else at
    figure = _figure(1, columns=len(each), width=4.2 * len(each), height=3.8)
    for head, axes in enumerate(figure.axes[: len(each)]):
        number = f", head {head + 1}" if len(each) > 1 else ""
        title = f"Temporal links{number}"
        rows, columns = "slot written later", "slot written earlier"
        _heat(axes, each[head].T, title=title, rows=rows, columns=columns, span=(0, 1))
    return figure


def fields(trace: Trace, *patterns: str) -> "Figure":
    """Any recorded fields with one row a unit or slot, one under another.

    **Raises:** `UserError` if nothing of that shape is named.
    """
    chosen = {
        name: np.asarray(values)
        for pattern in patterns or ("*",)
        for name, values in trace.find_all(pattern).items()
        if values.ndim == 2
    }
    if not chosen:
        raise UserError(
            f"figures: none of {', '.join(patterns)} names a field of shape (time, rows) "
            f"(recorded: {', '.join(trace.names)})"
        )
    figure = _figure(len(chosen), height=2.2)
    for axes, (name, values) in zip(figure.axes, chosen.items(), strict=False):
        _heat(axes, values, title=name, rows="row")
    return figure


def computation(images: Any, taken: Any) -> "Figure":
    """How much was computed where: maps over images, both `(images, side, side)`.

    As in Figurnov et al. (2017), figure 1. `tapehead.inspection.maps.units_taken` makes the maps.

    **Raises:** `UserError` if they are not alike.
    """
    images, taken = np.asarray(images), np.asarray(taken)
    if images.shape != taken.shape or images.ndim != 3:
        raise UserError(
            "figures: expected images and maps of shape (images, side, side), got "
            f"{images.shape} and {taken.shape}"
        )
    columns = min(6, len(images))
    rows = -(-len(images) // columns)
    figure = _figure(rows, width=1.45 * columns, height=1.4, columns=columns)
    for axes in figure.axes:
        axes.axis("off")
    drawn = None
    for axes, image, of_image in zip(figure.axes, images, taken, strict=False):
        axes.imshow(1 - image, cmap="gray", vmin=0, vmax=1)
        drawn = axes.imshow(of_image, cmap="YlOrRd", vmin=0, vmax=taken.max(), alpha=0.62)
    if drawn is not None:
        figure.colorbar(drawn, ax=figure.axes, label="residual units", shrink=0.8)
    return figure


def example(task: Task, sequence: Sequences, outputs: Any) -> "Figure":
    """Input, target and output of one sequence of a task on bits; wrong bits are crossed.

    **Arguments:**

    - `sequence`: without batch axes; `outputs`: `(time, bits)`, logits.

    **Raises:** `UserError` if the task's outputs are not bits, or these are batches.
    """
    if task.output_kind != "bits":
        raise UserError(
            f"figures: example draws bits, but {type(task).__name__} gives {task.output_kind}"
        )
    logits = _of_one_sequence("outputs", outputs, 2)
    inputs, targets, weights = (np.asarray(x) for x in sequence[:3])
    asked = (weights > 0)[:, None]
    wrong = asked & ~np.where(targets > 0.5, logits > 0, logits < 0)
    chance = np.where(asked, 0.5 * (1 + np.tanh(logits / 2)), np.nan)
    figure = _figure(3, height=1.9)
    top, middle, bottom = figure.axes[:3]
    _heat(top, inputs, title="Input", rows="channel")
    _heat(middle, np.where(asked, targets, np.nan), title="Target", rows="bit", span=(0, 1))
    title = "Output: probability of a 1"
    if task.determined:
        steps, bits = np.nonzero(wrong)
        bottom.plot(steps + 1, bits + 1, "x", color=RED)
        title += f" ({len(steps)} of {int(asked.sum()) * targets.shape[1]} bits wrong)"
    _heat(bottom, chance, title=title, rows="bit", span=(0, 1))
    return figure


def piano_rolls(rolls: Mapping[str, Any]) -> "Figure":
    """Piano rolls `(steps, 88)` one under another, by their titles: a mark where a key sounds.

    All have the same scale: the range of keys that any of them uses, with every C named, and as
    many steps as the longest has.

    **Raises:** `UserError` if there is no roll, or one is not of 88 keys.
    """
    arrays = {title: np.asarray(roll) for title, roll in rolls.items()}
    wrong = [title for title, roll in arrays.items() if roll.ndim != 2 or roll.shape[1] != KEYS]
    if wrong or not arrays:
        got = f"'{wrong[0]}' has shape {arrays[wrong[0]].shape}" if wrong else "there is none"
        raise UserError(f"figures: piano_rolls expects rolls (steps, {KEYS}), but {got}")
    used = np.flatnonzero(np.any([roll.any(axis=0) for roll in arrays.values()], axis=0))
    low, high = (used[0], used[-1]) if len(used) else (0, KEYS - 1)
    longest = max(map(len, arrays.values()))
    figure = _figure(len(arrays), height=2.2, width=9.0)
    for axes, (title, roll) in zip(figure.axes, arrays.items(), strict=True):
        steps, keys = np.nonzero(roll)
        axes.barh(LOWEST + keys, 1.0, height=0.8, left=steps + 0.5, color=BLUE)
        axes.set(title=title, ylabel="key", xlim=(0.5, longest + 0.5))
        axes.set_ylim(LOWEST + low - 2, LOWEST + high + 2)
        cs = [note for note in range(24, 109, 12) if low - 2 <= note - LOWEST <= high + 2]
        axes.set_yticks(cs, [f"C{note // 12 - 1}" for note in cs])
        axes.grid(axis="y", alpha=0.4)
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
    figure.axes[-1].set_xlabel("step")
    return figure


def learning_curves(lines: Lines, metric: str = "loss") -> "Figure":
    """A metric by update, on training batches and in validation; one thin line a network.

    `lines` is what `Run.metrics()` gives.

    **Raises:** `UserError` if no line has the metric.
    """
    curves = {
        "training": learning_curve(lines, metric, "train"),
        "validation": learning_curve(lines, metric),
    }
    figure = _curves(curves, metric, "update")
    axes = figure.axes[0]
    positive = [v for c in curves.values() for v in c.middle if v]
    if measure(metric).unit != "share" and positive and max(positive) > 30 * min(positive):
        axes.set_yscale("log")
    return figure


def generalisation_curve(lines: Lines, task: Task, metric: str | None = None) -> "Figure":
    """A metric (by default the task's score) by size, with the sizes trained on shaded.

    **Raises:** `UserError` if no line has the metric at a size.
    """
    name = metric or task.score
    figure = _curves({"network": size_curve(lines, name)}, name, task.axis, marker="o")
    if trained := trained_range(task):
        axes = figure.axes[0]
        axes.axvspan(*trained, color=BLUE, alpha=0.09, lw=0)
        axes.text(trained[0], 0.02, " trained on", color=BLUE, transform=axes.get_xaxis_transform())
    return figure


def _curves(curves: Mapping[str, Any], metric: str, xlabel: str, marker: str = "") -> "Figure":
    drawn = {name: curve for name, curve in curves.items() if curve.x}
    if not drawn:
        raise UserError(f"figures: the metrics hold no '{metric}' by {xlabel}")
    figure = _figure(1)
    axes = figure.axes[0]
    for colour, (name, curve) in zip((BLUE, ORANGE), drawn.items(), strict=False):
        if len(curve.seeds) > 1:
            for values in curve.seeds:
                known = [np.nan if v is None else v for v in values]
                axes.plot(curve.x, known, color=colour, alpha=0.35, lw=0.8)
        label = f"{name}, median" if len(curve.seeds) > 1 else name
        middle = [np.nan if v is None else v for v in curve.middle]
        axes.plot(curve.x, middle, color=colour, lw=2, label=label, marker=marker)
    axes.set(xlabel=xlabel, ylabel=measure(metric).label)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", alpha=0.25)
    if len(drawn) > 1:
        axes.legend(frameon=False)
    return figure
