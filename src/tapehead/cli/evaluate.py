"""`tapehead evaluate RUN`: measure a run's networks on sequences they have not seen."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
from jaxtyping import PRNGKeyArray

from tapehead.cell import Cell
from tapehead.cli.configure import asks_for_help, split
from tapehead.cli.options import WHOLE, Parser
from tapehead.errors import UserError, at_least, within
from tapehead.tasks import Task
from tapehead.training import Run, evaluate, final_sets


def parser(axis: str = "length") -> Parser:
    """The parser of this command, for a run whose task varies in `axis`."""
    made = Parser(
        "evaluate",
        "RUN [options]",
        "Measure the networks of a run on fresh or held-out sequences: of the training "
        "distribution and on the task's test sets, or at the sizes that are named. "
        "Nothing in the run's folder changes.",
    )
    made.add_argument("run", metavar="RUN", type=Path, help="the run's folder")
    made.option(
        f"--{axis}",
        dest="sizes",
        metavar="N",
        type=WHOLE,
        nargs="+",
        action="extend",
        help=f"sizes of sequences on the task's axis, which is {axis} (default: its test sets)",
    )
    made.option(
        "--size",
        metavar="N",
        type=WHOLE,
        help="sequences in each evaluation (default: as many as the run's own evaluations)",
    )
    made.option(
        "--seed", metavar="N", type=WHOLE, default=0, help="draws the sequences (default: 0)"
    )
    made.data_option()
    return made


def run(args: Sequence[str]) -> int:
    """The command; returns the exit status."""
    words, rest = split(args)
    if not words or asks_for_help(rest):
        parser().read(args)
        raise UserError("evaluate: RUN comes first, before the options")

    from tapehead.cli.tables import evaluation_table, show

    run = Run.open(words[0])
    task = run.config.task
    given = parser(task.axis).read(args)
    size = run.config.evaluation_size if given.size is None else given.size
    at_least("evaluate", 1, size=size)
    within("evaluate", 0, 2**32 - 1, seed=given.seed)
    for one in given.sizes or ():
        at_least("evaluate", 1, **{task.axis: one})
    sets = (
        final_sets(task)
        if given.sizes is None
        else {f"{task.axis} {one}": (one, task.resized(one)) for one in given.sizes}
    )
    models = [run.model(number) for number in range(run.config.seeds)]
    key = jax.random.key(given.seed)
    show(evaluation_table([line(models, *one, size=size, key=key) for one in sets.items()]))
    return 0


def line(
    models: Sequence[Cell],
    name: str,
    test: tuple[int | None, Task],
    *,
    size: int,
    key: PRNGKeyArray,
) -> dict[str, Any]:
    """The evaluation of all networks on one test set, in the form of a line of `metrics.jsonl`."""
    found = [evaluate(model, test[1], key=key, size=size) for model in models]
    metrics = {metric: [float(means[metric]) for means in found] for metric in found[0]}
    return {"kind": "evaluation", "set": name, "size": test[0], "metrics": metrics}
