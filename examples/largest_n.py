"""How far counting generalises: the largest n up to which a network accepts every string.

    python examples/largest_n.py runs/anbn-lstm-1997-1 1000

For the networks of a run on aⁿbⁿ or aⁿbⁿcⁿ; the number at the end is where to stop looking.
"""

import sys
from pathlib import Path

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from tapehead import Cell
from tapehead.tasks.grammar.counting import Counting
from tapehead.training import Run

TOGETHER = 100
"""Strings that are read side by side."""


@eqx.filter_jit
def accepted(model: Cell, task: Counting, first: Array) -> Array:
    """Which of the next strings, from number `first` on, the network accepts."""
    strings = task.batch_at(first + jnp.arange(TOGETHER), ())
    state = model.initial_state(strings.batch)
    _, outputs = model.unroll(state, strings.inputs, mask=strings.mask)
    return task.metrics(outputs, strings)["sequence_accuracy"] == 1


def largest(model: Cell, task: Counting, limit: int) -> int:
    """The n before that of the first string that is not accepted, at most `limit`."""
    whole = task.resized(limit)
    for first in range(0, limit, TOGETHER):
        wrong = np.flatnonzero(~np.asarray(accepted(model, whole, jnp.asarray(first))))
        if wrong.size:
            return min(task.min_n - 1 + first + int(wrong[0]), limit)
    return limit


def main(folder: Path, limit: int) -> None:
    run = Run.open(folder)
    found = [largest(run.model(k), run.config.task, limit) for k in range(run.config.seeds)]
    for number, n in enumerate(found):
        print(f"network {number}: n = {n}{' or more' if n == limit else ''}")
    print(f"median: n = {np.median(found):g}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
