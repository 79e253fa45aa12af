"""What came of a comparison, as a table."""

from collections.abc import Sequence
from pathlib import Path

import equinox as eqx
import jax

from tapehead.comparison.comparison import Comparison
from tapehead.errors import UserError
from tapehead.inspection.measures import measure
from tapehead.inspection.report.story import (
    duration,
    middle,
    number,
    training_seconds,
)
from tapehead.training import Run
from tapehead.training.config import PARTS


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
        if isinstance(leaf, jax.ShapeDtypeStruct)
        and jax.numpy.issubdtype(leaf.dtype, jax.numpy.inexact)
    )


def quantities(run: Run) -> dict[str, str]:
    """What is worth knowing of one model's run, medians over its seeds; nothing if it has no end.

    Bits per sequence where the task counts bits, its own score elsewhere, on the training
    distribution and on the task's own tests of generalisation.
    """
    config, lines = run.config, run.metrics()
    end = next((line for line in lines if line["kind"] == "end"), None)
    shown = {
        "parameters": f"{parameters(run):,}",
        "optimizer": f"{PARTS['optimizer'].name_of(config.optimizer)}, "
        f"learning rate {config.optimizer.learning_rate:g}",
    }
    if end is None or end["outcome"] == "stopped":
        return shown | {"solved": "not finished"}
    if end["outcome"] == "diverged":
        return shown | {"solved": f"diverged at update {end['update']:,}"}
    solved = [update for update in end["solved_at"] if update is not None]
    shown |= {"solved": f"{len(solved)} of {config.seeds}", "updates to solve": spread(solved)}
    sets = {line["set"]: line["metrics"] for line in lines if line["kind"] == "evaluation"}
    score = config.task.score
    metric = "bits" if "bits" in sets["test"] else score
    wanted = [("test", name) for name in dict.fromkeys((score, metric))]
    wanted += [(name, metric) for name in config.task.evaluations() if name != "test"]
    for name, one in wanted:
        known = measure(one)
        shown[f"{known.label}, {name}"] = spread(sets[name][one], known.unit)
    seeds = f", all {config.seeds} seeds" if config.seeds > 1 else ""
    return shown | {f"time{seeds}": duration(training_seconds(run.timing()))}


def table(comparison: Comparison) -> tuple[list[str], list[list[str]]]:
    """The table's heading and rows: a column for each model, a row for each quantity.

    Where there are several seeds a cell has their median and, in brackets, the lowest and the
    highest.
    """
    found = [quantities(run) for run in comparison.runs.values()]
    most = max(found, key=len)
    rows = [[name, *(shown.get(name, "–") for shown in found)] for name in most]
    return ["", *comparison.runs], rows


def markdown(comparison: Comparison) -> str:
    """The table as Markdown, with the command above it and each run's below."""
    heading, rows = table(comparison)
    lines = [heading, ["---", *["---:"] * len(comparison.runs)], *rows]
    text = "\n".join("| " + " | ".join(cells) + " |" for cells in lines)
    commands = "\n".join(run.command for run in comparison.runs.values())
    return (
        f"`{comparison.command}`\n\n{text}\n\n"
        "Median over the seeds (lowest to highest). Each column by itself:\n\n"
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
