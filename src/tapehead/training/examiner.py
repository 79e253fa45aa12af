"""Evaluations of all networks of a run, several at a time."""

import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import PRNGKeyArray

from tapehead.tasks import Task
from tapehead.tasks.task import Data
from tapehead.training.evaluation import evaluate, rehearse
from tapehead.training.networks import Networks


@dataclass
class Marks:
    """What an evaluation found.

    **Attributes:**

    - `metrics`: for each metric a value for each network, `None` for those not evaluated and for
        values that are not finite.
    - `solved`: which networks solved the task.
    - `sequences`: on how many sequences each was evaluated.
    - `seconds`: from the beginning of the first network's evaluation to the end of the last's.
    - `faults`: one line for each value that is not finite.
    """

    metrics: dict[str, list[float | None]] = field(default_factory=dict)
    solved: list[bool] = field(default_factory=list)
    sequences: int = 0
    seconds: float = 0.0
    faults: list[str] = field(default_factory=list)


class Examiner:
    """Evaluates networks in threads of their own, so that all cores have work.

    Compiling, which is most of the work of a short test, and running overlap. Each evaluation
    stands by itself, so their numbers do not depend on the order.
    """

    def __init__(self, networks: Networks, data: Callable[[Task], Data]):
        self.networks = networks
        self.data = data
        self.closed = threading.Event()
        self.pool = ThreadPoolExecutor(min(os.cpu_count() or 1, 8), "evaluation")

    def rehearse(self, arrays: Any, sets: Mapping[Task, int]) -> None:
        """Compile evaluations on these tasks, each with its number of sequences, beforehand.

        It is done by one thread while training, which seldom uses more than one core, goes on.
        """
        model = self.networks.model(arrays, 0)
        data = {task: self.data(task) for task in sets}

        def rehearsals() -> None:
            for task, size in sets.items():
                if self.closed.is_set():
                    return
                rehearse(model, task, size=size, data=data[task])

        self.pool.submit(rehearsals)

    def close(self) -> None:
        """Drop what has not begun and wait for what has."""
        self.closed.set()
        self.pool.shutdown(cancel_futures=True)

    def begin(
        self,
        arrays: Any,
        tasks: Sequence[Task],
        keys: PRNGKeyArray,
        *,
        size: int,
        wanted: Sequence[bool],
    ) -> Callable[[], Marks]:
        """Begin an evaluation of every wanted network on its task; call the result to wait for it.

        **Arguments:**

        - `arrays`: the networks' arrays, stacked.
        - `tasks`, `keys`, `wanted`: one for each network.
        - `size`: how many sequences, where they are drawn without end.
        """
        jobs = {}
        for number, (task, want) in enumerate(zip(tasks, wanted, strict=True)):
            if want:
                model = self.networks.model(arrays, number)
                jobs[number] = self.pool.submit(
                    _timed, model, task, key=keys[number], size=size, data=self.data(task)
                )

        def collect() -> Marks:
            marks = Marks(solved=[False] * len(tasks))
            spans = []
            for number, job in jobs.items():
                means, span = job.result()
                spans.append(span)
                task = tasks[number]
                marks.sequences = task.size(self.data(task)) or size
                marks.solved[number] = task.solved(means)
                for metric, mean in means.items():
                    row = marks.metrics.setdefault(metric, [None] * len(tasks))
                    if np.isfinite(mean):
                        row[number] = mean
                    else:
                        marks.faults.append(f"{metric} of network {number} is {mean}")
            begun, ended = zip(*spans, strict=True)
            marks.seconds = max(ended) - min(begun)
            return marks

        return collect


def _timed(*args: Any, **kwargs: Any) -> tuple[dict[str, float], tuple[float, float]]:
    """`evaluate`, and when it began and ended."""
    begun = time.perf_counter()
    means = evaluate(*args, **kwargs)
    return means, (begun, time.perf_counter())
