"""What came of a comparison, as a table."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import equinox as eqx
import jax

from tapehead.comparison.comparison import Comparison
from tapehead.errors import UserError
from tapehead.inspection.measures import Lines, measure
from tapehead.inspection.report.story import (
    duration,
    final_line,
    middle,
    number,
    training_seconds,
)
from tapehead.training import Run


def spread(values: Sequence[float | None], unit: str = "") -> str:
    """The median, and with several values the lowest and highest: `0.98 (0.91 to 1)`."""
    present = [value for value in values if value is not None]
    if not present:
        return "–"
    median = number(middle(present) or 0.0, unit)
    if len(values) == 1:
        return median
    return f"{median} ({number(min(present), unit)} to {number(max(present), unit)})"


def parameters(run: Run) -> int:
    """How many numbers one network of the run learns."""
    task = run.config.task
    network = eqx.filter_eval_shape(
        lambda key: run.config.model.build(
            task.input_size, task.output_size, tokens=task.tokens, key=key
        ),
        jax.random.key(0),
    )
    return sum(
        leaf.size
        for leaf in jax.tree.leaves(network)
        if isinstance(leaf, jax.ShapeDtypeStruct) and jax.numpy.issubdtype(leaf.dtype, jax.numpy.inexact)
    )


def row(name: str, run: Run, metric: str) -> dict[str, str]:
    """One model's cells by column: medians over its seeds with the lowest and highest."""
    lines = run.metrics()
    end = next((line for line in lines if line["kind"] == "end"), None)
    if end is None:
        return {"model": name, "solved": "not finished"}
    solved = [update for update in end["solved_at"] if update is not None]
    cells = {
        "model": name,
        "parameters": f"{parameters(run):,}",
        "learning rate": f"{run.config.optimizer.learning_rate:g}",
        "solved": f"{len(solved)} of {run.config.seeds}",
        "updates to solve": spread(solved),
    }
    if end["outcome"] == "diverged":
        return cells | {"solved": f"diverged at update {end['update']:,}"}
    score = run.config.task.score
    if final := final_line(lines):
        for wanted in dict.fromkeys((score, metric)):
            known = measure(wanted)
            values = final["metrics"].get(wanted, ())
            cells[f"{known.label}, {final['set']}"] = spread(values, known.unit)
    for test, values in longer(lines, metric).items():
        cells[f"{measure(metric).label}, {test}"] = spread(values, measure(metric).unit)
    return cells | {"time": duration(training_seconds(run.timing()))}


def longer(lines: Lines, metric: str) -> dict[str, Any]:
    """The metric on every named test set but the training distribution's."""
    return {
        line["set"]: line["metrics"].get(metric, ())
        for line in lines
        if line["kind"] == "evaluation" and line["set"] not in ("validation", "test")
    }


def table(comparison: Comparison) -> tuple[list[str], list[list[str]]]:
    """The table's columns and rows.

    A cell with several seeds gives their median and, in brackets, the lowest and the highest.
    Bits per sequence, on the training distribution and on the tests of generalisation, where the
    task counts bits; its own score elsewhere.
    """
    first = next(iter(comparison.runs.values()))
    names = {name for line in first.metrics() for name in line.get("metrics", ())}
    metric = "bits" if "bits" in names else comparison.task.score
    rows = [row(name, run, metric) for name, run in comparison.runs.items()]
    columns = list(dict.fromkeys(column for cells in rows for column in cells))
    if "time" in columns:
        columns = [column for column in columns if column != "time"] + ["time"]
    return columns, [[cells.get(column, "–") for column in columns] for cells in rows]


def markdown(comparison: Comparison) -> str:
    """The table as Markdown, with the command above it and each run's below."""
    columns, rows = table(comparison)
    lines = [columns, ["---"] * len(columns), *rows]
    text = "\n".join("| " + " | ".join(cells) + " |" for cells in lines)
    commands = "\n".join(run.command for run in comparison.runs.values())
    return (
        f"`{comparison.command}`\n\n{text}\n\n"
        "Median over the seeds (lowest to highest). Each row by itself:\n\n"
        f"```sh\n{commands}\n```\n"
    )


def write_table(comparison: Comparison) -> Path:
    """Write `table.md`, and say where it lies. Raises `UserError` if it cannot be written."""
    path = comparison.folder / "table.md"
    try:
        path.write_text(markdown(comparison), encoding="utf-8")
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror}") from None
    return path
