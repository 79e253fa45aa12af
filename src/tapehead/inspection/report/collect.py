"""`collect`: from a run folder to all that its report says and shows."""

import json
from collections.abc import Mapping
from typing import Any

import equinox as eqx
import jax
import numpy as np

from tapehead.cell import Cell
from tapehead.inspection.report.charts import learning_charts, size_charts
from tapehead.inspection.report.classified import Classified
from tapehead.inspection.report.content import Content
from tapehead.inspection.report.episodes import episodes
from tapehead.inspection.report.examples import is_image
from tapehead.inspection.report.sequences import (
    EACH,
    draw,
    example,
    has_memory,
    inside,
    quickly,
    sizes_shown,
)
from tapehead.inspection.report.story import evaluation_rows, outcome, tiles
from tapehead.inspection.report.text import samples, surprises, thoughts, verdicts
from tapehead.tasks import Omniglot, Task
from tapehead.training import AnyConfig, Run, to_json
from tapehead.training.config import PARTS

CLASSIFIED = 1000
"""Inputs of the test set that are classified for the confusion matrix."""

READ = 200
"""The same of texts."""

STREAM = 0x5E9017
"""Folded into the run's seed, so that a report's sequences are none the run was trained on."""


def settings(config: AnyConfig) -> dict[str, dict[str, str]]:
    """The config as tables by title; the parts that are parts come first."""
    data = to_json(config)
    tables: dict[str, dict[str, str]] = {}
    rest: dict[str, Any] = {}
    for name, value in data.items():
        if name in PARTS:
            entries = {k: v for k, v in value.items() if k != "name"}
            tables[f"{name.capitalize()}: {value['name']}"] = entries
        else:
            rest[name] = value
    tables["Training"] = rest
    return {
        title: {k.replace("_", " "): _told(v) for k, v in entries.items()}
        for title, entries in tables.items()
    }


def _told(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None:
        return "none"
    if isinstance(value, Mapping):
        return ", ".join(f"{name}: {number}" for name, number in value.items())
    return f"{value:,}" if isinstance(value, int) else str(value)


def _shown_network(run: Run) -> int:
    """The first network that solved the task, else the first one."""
    end = next((line for line in run.metrics() if line["kind"] == "end"), None)
    solved = [k for k, u in enumerate(end["solved_at"]) if u is not None] if end else []
    return solved[0] if solved else 0


def _seen(model: Cell, task: Task, seed: int) -> dict[str, Any]:
    """What the network did on freshly drawn or held-out sequences."""
    key = jax.random.fold_in(jax.random.key(seed), STREAM)
    if task.validation() != task:
        task = next(iter(task.evaluations().values()), task.validation())
    data = task.data()
    drawn = draw(model, sizes_shown(task), key, data)
    memory = [inside(one) for one in drawn[::EACH]]
    seen: dict[str, Any] = {"memory": memory, "external": has_memory(drawn[0])}
    if isinstance(task, Omniglot):
        return seen | episodes(model, task, key, data)
    vocabulary = task.vocabulary()
    if vocabulary is not None and task.streams:
        return seen | {
            "passages": [surprises(model, data, vocabulary)],
            "samples": samples(model, vocabulary, key),
            "thoughts": thoughts(model, data, vocabulary),
        }
    one = np.count_nonzero(drawn[0].sequence.weights) * task.softmaxes == 1
    if task.output_kind == "classes" and one:
        count = CLASSIFIED if vocabulary is None else READ
        batch = quickly(lambda key, data: task.sample(key, count, data), key, data)
        found = Classified.of(model, task, batch)
        seen |= {"confusion": found.confusion(), "classes": found.names}
        if vocabulary is None:
            if is_image(np.asarray(batch.inputs)):
                seen["memory"] = []  # a single step leaves nothing to be seen over time
            return seen | {"cards": found.cards(model)}
        return seen | {"passages": verdicts(found, vocabulary)}
    return seen | {"examples": [example(one) for one in drawn]}


def collect(run: Run) -> Content:
    """All that the report of `run` says and shows; a run without a model has curves only.

    **Raises:** `UserError` if the run's files are damaged.
    """
    config, lines = run.config, run.metrics()
    named = to_json(config)
    said, standing = outcome(config, lines)
    rows, columns = evaluation_rows(lines)
    network = _shown_network(run)
    model = run.model(network) if (run.folder / "model").is_dir() else None
    parameters = None
    seen = {}
    if model is not None:
        leaves = jax.tree.leaves(eqx.filter(model, eqx.is_inexact_array))
        parameters = sum(leaf.size for leaf in leaves)
        seen = _seen(model, config.task, config.seed)
    versions = json.loads((run.folder / "config.json").read_text(encoding="utf-8")).get(
        "versions", {}
    )
    return Content(
        title=f"{named['task']['name']} · {named['model']['name']}",
        kicker=f"training run {run.folder.resolve().name}",
        outcome=said,
        standing=standing,
        tiles=tiles(config, lines, run.timing(), parameters),
        learning=learning_charts(lines),
        generalisation=size_charts(lines, config.task),
        axis=config.task.axis,
        evaluations=rows,
        metrics=columns,
        shown=f"From network {network + 1} of {config.seeds}." if config.seeds > 1 else "",
        settings=settings(config),
        command=run.command,
        versions=versions,
        **seen,
    )
