"""How well a network does on a task."""

import numpy as np
from jaxtyping import PRNGKeyArray

from tapehead.cell import Cell
from tapehead.tasks import Task


def evaluate(
    model: Cell,
    task: Task,
    *,
    key: PRNGKeyArray,
    size: int = 1000,
    batch: int = 100,
) -> dict[str, np.ndarray]:
    """Means of the task's metrics, and of `loss` (nats per scored step), over a test set.

    A task over finite data is passed over exactly, every sequence once and `size` ignored;
    otherwise `size` fresh sequences are drawn with `key`. Memory stays bounded: `batch` sequences
    are held at a time, and time is cut into windows.

    **Returns:** a scalar array (float64) for each metric.
    """
    raise NotImplementedError


def evaluate_seeds(
    models: Cell, task: Task, *, keys: PRNGKeyArray, size: int = 1000, batch: int = 100
) -> dict[str, np.ndarray]:
    """`evaluate` for networks stacked on a leading seed axis; arrays of shape `(seeds,)`."""
    raise NotImplementedError
