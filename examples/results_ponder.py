"""What thinking longer is worth: adaptive computation time beside none and beside fixed repeats.

    python examples/results_ponder.py logic [--costs 0.01 0.001] [--seeds 3] [--out FOLDER]

Trains a network that takes one sub-step an input, one that always takes as many, and one that
halts by itself for every cost τ of a sub-step, each from several seeds with equal updates; tells
the share of sequences with a mistake in them, on the task as it is and by the size of its inputs,
and the sub-steps taken; draws both with matplotlib. Every network is a run folder below FOLDER; a
command that was stopped goes on where it was. Tasks and metric after Graves, "Adaptive computation
time for recurrent neural networks" (2016), section 3, at the sizes of the table below.
"""

import argparse
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import jax
import numpy as np

from tapehead.tasks import TASKS
from tapehead.training import Adam, Run, evaluate, suggest, train

SEQUENCES = 1000
HALTING = {"cells.0.halt": 0.003}
"""Weights of squares that keep halting units from halting for good.

Where h ≥ 1 − ε at the first sub-step, no gradient reaches the halting unit. An input that is not
understood yet is soon such an input, for its sub-steps cost something and bring nothing so far.
"""


@dataclass(frozen=True)
class Recipe:
    """A task at the size that is trained here, and what all its networks have in common."""

    room: dict[str, int]
    model: str
    config: dict[str, Any]
    repeats: int
    most: int
    costs: tuple[float, ...]
    schedule: Literal["constant", "cosine"] = "cosine"
    curriculum: Literal["linear", "one-more"] | None = "linear"
    held_back: bool = True


RECIPES = {
    "logic": Recipe(
        {"gates": 10},
        "lstm",
        {"batch": 16, "updates": 30_000, "curriculum_threshold": 0.1},
        repeats=12,
        most=24,
        costs=(0.1, 0.03, 0.01, 0.001),
        curriculum="one-more",
        held_back=False,
    ),
    "vector-parity": Recipe(
        {"bits": 16},
        "elman",
        {"batch": 128, "updates": 15_000, "curriculum_threshold": 0.2},
        schedule="constant",
        repeats=8,
        most=20,
        costs=(0.1, 0.01, 0.001, 0.0001),
    ),
    "addition": Recipe(
        {"digits": 3},
        "lstm",
        {"batch": 32, "updates": 100_000, "curriculum_threshold": 0.1},
        repeats=4,
        most=4,
        costs=(0.01, 0.001),
        held_back=False,
    ),
    "sort": Recipe(
        {"numbers": 8},
        "lstm",
        {"batch": 16, "updates": 20_000},
        repeats=4,
        most=10,
        costs=(0.01, 0.001),
        curriculum=None,
    ),
}


def variants(recipe, costs):
    """The settings of the model, by name; the first of them is taught all sizes at once."""
    at_once = {"none, no curriculum": {}} if recipe.curriculum == "one-more" else {}
    return (
        at_once
        | {
            "none": {},
            f"repeat {recipe.repeats}": {"ponder": "repeat", "ponder_steps": recipe.repeats},
        }
        | {
            f"act {cost:g}": {"ponder": "act", "ponder_steps": recipe.most, "ponder_cost": cost}
            for cost in costs
        }
    )


def config_of(name, recipe, settings, seeds, updates, curriculum):
    """What a variant is trained with."""
    config = suggest(name, recipe.model)
    task = TASKS[name](**recipe.room)
    shared = dict(recipe.config)
    if curriculum:
        # A linear one begins with the task as it is given, the other with the smallest size.
        task = task.up_to(task.least) if curriculum == "linear" else task
        shared["curriculum"] = curriculum
    if settings.get("ponder") == "act" and recipe.held_back:
        shared["l2_parts"] = HALTING
    shared["updates"] = updates or shared["updates"]
    return replace(
        config,
        task=task,
        model=replace(config.model, **settings),
        optimizer=Adam(learning_rate=3e-3, schedule=recipe.schedule),
        seeds=seeds,
        stop_when_solved=False,
        evaluate_every=shared["updates"],
        checkpoint_every=1000,
        **shared,
    )


def trained(folder, config):
    """The networks of a run, which is begun or continued."""
    run = Run.open(folder) if folder.exists() else Run.create(folder, config)
    if train(run).outcome == "stopped":
        sys.exit("stopped; the same command goes on")
    return [run.model(seed) for seed in range(run.config.seeds)]


def measured(models, task):
    """By the size of the inputs (0: all sizes), of each network its error and its sub-steps."""
    sizes = {0: task} | {size: task.resized(size) for size in task.sizes}
    found = {}
    for size, at_size in sizes.items():
        key = jax.random.key(size)
        marks = [evaluate(model, at_size, key=key, size=SEQUENCES) for model in models]
        errors = [1 - mark["sequence_accuracy"] for mark in marks]
        found[size] = np.array(errors), np.array([mark.get("ponder", 1.0) for mark in marks])
    return found


def spread(values, form):
    """The median, lowest and highest."""
    low, middle, high = (format(f(values), form) for f in (np.min, np.median, np.max))
    return f"{middle} ({low} to {high})"


def table(results, axis):
    """A line for every variant."""
    sizes = [size for size in next(iter(results.values())) if size]
    lines = [f"| | error | sub-steps | {' | '.join(f'{size} {axis}' for size in sizes)} |"]
    lines.append("|---|---:|---:|" + "---:|" * len(sizes))
    for name, found in results.items():
        errors, steps = found[0]
        by_size = " | ".join(f"{np.median(found[size][0]):.1%}" for size in sizes)
        lines.append(f"| {name} | {spread(errors, '.1%')} | {spread(steps, '.2f')} | {by_size} |")
    return "\n".join(lines)


def drawn(results, axis):
    """Error against τ with its spread, and sub-steps against the size of an input."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    acts = {float(name.split()[1]): f for name, f in results.items() if name.startswith("act")}
    costs = sorted(acts)
    errors = np.array([100 * acts[cost][0][0] for cost in costs])
    if costs:
        left.plot(costs, np.median(errors, axis=1), "o-", color="#0067a8", label="halts by itself")
        left.plot(
            np.repeat(costs, errors.shape[1]), errors.ravel(), ".", color="#0067a8", alpha=0.5
        )
        left.set_xscale("log")
    for number, name in enumerate(name for name in results if not name.startswith("act")):
        label = name.replace("none", "one sub-step").replace("repeat", "always")
        style = ":" if name.startswith("repeat") else "--"
        left.axhline(
            100 * np.median(results[name][0][0]), ls=style, color=f"C{number + 1}", label=label
        )
    left.set(
        xlabel="τ, the cost of a sub-step", ylabel="sequences with a mistake, %", ylim=(-2, 100)
    )
    left.legend()
    for cost in costs:
        sizes = [size for size in acts[cost] if size]
        steps = [acts[cost][size][1].mean() for size in sizes]
        right.plot(sizes, steps, "o-", label=f"τ = {cost:g}")
    right.set(xlabel=axis, ylabel="sub-steps an input, mean")
    if costs:
        right.legend()
    return figure


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("task", choices=RECIPES)
    parser.add_argument("--costs", type=float, nargs="*", help="values of τ; default: the task's")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--updates", type=int, help="default: the task's")
    parser.add_argument("--only", nargs="*", help="variants by the names in the table")
    parser.add_argument("--out", type=Path, default=Path("runs/ponder"))
    given = parser.parse_args()
    recipe = RECIPES[given.task]
    task = TASKS[given.task](**recipe.room)
    results = {}
    for name, settings in variants(recipe, given.costs or recipe.costs).items():
        if given.only and name not in given.only:
            continue
        curriculum = None if name.endswith("no curriculum") else recipe.curriculum
        config = config_of(given.task, recipe, settings, given.seeds, given.updates, curriculum)
        folder = f"{given.task} {name}".replace(",", "").replace(" ", "-")
        models = trained(given.out / folder, config)
        results[name] = measured(models, task)
        errors, steps = results[name][0]
        print(
            f"{name}: error {spread(errors, '.1%')}, sub-steps {spread(steps, '.2f')}", flush=True
        )
    print(table(results, task.axis))
    picture = given.out / f"{given.task}.svg"
    drawn(results, task.axis).savefig(picture)
    print(f"picture: {picture}")


if __name__ == "__main__":
    main()
