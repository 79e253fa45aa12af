"""How well a network does on a task."""

import functools

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, PRNGKeyArray

from tapehead.cell import Cell, State, reads_whole
from tapehead.errors import at_least
from tapehead.sequences import Sequences
from tapehead.tasks import Task
from tapehead.tasks.task import Data
from tapehead.training.update import QUICK

WINDOW = 16
"""Time steps that one compiled call sees. Time is cut into such windows, so that one compilation
serves sequences of any length, and memory does not grow with it. Only a network that must read a
sequence whole sees all of it in one call."""


QUANTILES = (10, 50, 90)
"""Per cent of the inputs that take at most as much as is reported of a distribution."""

HELD = 2**27
"""Numbers that are held at a time, at most: of a network's outputs where data is finite (words of
a long text have thousands of them at every step), and of its state (a memory of many slots)."""


@eqx.filter_jit
def _begin(model: Cell, batch: int) -> State:
    return model.initial_state((batch,))


@eqx.filter_jit(donate="all-except-first")
def _window(given: tuple[Cell, Array, Array | None], state: State) -> tuple[State, Array]:
    """The state is used up, so that a large memory is changed in place."""
    model, inputs, mask = given
    return model.unroll(state, inputs, mask=mask)


@eqx.filter_jit
def _gathered(model: Cell, state: State) -> dict[str, Array]:
    return model.metrics(state)


Windows = list[tuple[Array, Array | None]]


def _windows(sequences: Sequences, whole: bool) -> Windows:
    """The inputs and mask of every window, which is the one of all steps if `whole`.

    The steps that fill up the last window are masked: a network may gather metrics over its steps.
    A single step, which may be an image, is a window by itself.
    """
    steps = len(sequences.weights)
    cut = sequences.windows(steps if whole or steps == 1 else WINDOW)
    mask = cut.mask
    return [(x, None if mask is None else mask[i]) for i, x in enumerate(cut.inputs)]


@functools.partial(jax.jit, static_argnums=(0, 1, 3), compiler_options=QUICK)
def _sample(
    task: Task, whole: bool, key: PRNGKeyArray, batch: int, data: Data
) -> tuple[Sequences, Windows]:
    sequences = task.sample(key, batch, data)
    return sequences, _windows(sequences, whole)


@functools.partial(jax.jit, static_argnums=(0, 1), compiler_options=QUICK)
def _batch_at(task: Task, whole: bool, indices: Array, data: Data) -> tuple[Sequences, Windows]:
    sequences = task.batch_at(indices, data)
    return sequences, _windows(sequences, whole)


@functools.partial(jax.jit, static_argnums=0, compiler_options=QUICK)
def _measure(task: Task, outputs: list[Array], sequences: Sequences) -> dict[str, Array]:
    time = sequences.weights.shape[0]
    return task.metrics(jnp.concatenate(outputs)[:time], sequences)


def evaluate(
    model: Cell,
    task: Task,
    *,
    key: PRNGKeyArray,
    size: int = 1000,
    batch: int = 100,
    data: Data | None = None,
) -> dict[str, float]:
    """Means over a test set of the task's metrics, and of those that the network gathers itself.

    A task over finite data is passed over exactly, every sequence once, and `size` and `key` are
    not used; otherwise `size` fresh sequences are drawn with `key`. Memory stays bounded: `batch`
    sequences are held at a time, and the network sees time in windows if it can.

    **Arguments:**

    - `model`: one network.
    - `task`: what to test it on; need not be the one it was trained on.
    - `key`: draws the sequences.
    - `size`: how many, at least 1.
    - `batch`: how many at a time, at least 1; fewer where their outputs or states are too large to
        be held.
    - `data`: what `task.data()` gives, if it is at hand.

    **Returns:** a number for each metric, and what `Task.summary` makes of them. Of a count that
    the network gives the distribution of, such as `ponder`, the mean, and under `ponder_p10`,
    `ponder_p50` and `ponder_p90` what 10, 50 and 90 % of the inputs take at most.
    """
    at_least("evaluate", 1, size=size, batch=batch)
    if data is None:
        data = task.data()
    total = int(task.size(data) or size)
    batch = _at_a_time(model, task, min(batch, total), data)
    found: dict[str, list[np.ndarray]] = {}
    for first in range(0, total, batch):
        # The last batch is drawn as full as the others and cut to what is wanted.
        values = _marks(model, task, key, first, batch, total, data)
        for name, value in values.items():
            found.setdefault(name, []).append(np.asarray(value)[: total - first])
    means: dict[str, float] = {}
    for name, values in found.items():
        mean = np.asarray(np.mean(np.concatenate(values), axis=0, dtype=np.float64))
        means |= _described(name, mean) if mean.ndim else {name: float(mean)}
    return task.summary(means)


def _described(name: str, shares: np.ndarray) -> dict[str, float]:
    """The mean and the quantiles of a count of which `shares` are 0, 1, 2, …"""
    counts = np.arange(len(shares))
    whole = max(np.sum(shares), 1e-30)
    below = np.cumsum(shares) / whole
    mean = {name: float(counts @ shares / whole)}
    # A share that should just do may be rounded down.
    return mean | {f"{name}_p{q}": float(np.sum(below < q / 100 - 1e-6)) for q in QUANTILES}


def rehearse(
    model: Cell, task: Task, *, size: int = 1000, batch: int = 100, data: Data | None = None
) -> None:
    """Compile what `evaluate` with these arguments will need, by one batch of it."""
    if data is None:
        data = task.data()
    total = int(task.size(data) or size)
    batch = _at_a_time(model, task, min(batch, total), data)
    _marks(model, task, jax.random.key(0), 0, batch, total, data)


def _at_a_time(model: Cell, task: Task, batch: int, data: Data) -> int:
    """How many sequences to hold at a time: `batch`, or as many as fit."""
    state = jax.tree.leaves(eqx.filter_eval_shape(lambda: model.initial_state((1,))))
    numbers = sum(leaf.size for leaf in state if isinstance(leaf, jax.ShapeDtypeStruct))
    if task.size(data) is not None:
        one = jax.eval_shape(lambda data: task.batch_at(jnp.zeros(1, int), data), data)
        numbers = max(numbers, one.weights.shape[0] * task.output_size)
    return max(1, min(batch, HELD // max(1, numbers)))


def _marks(
    model: Cell, task: Task, key: PRNGKeyArray, first: int, batch: int, total: int, data: Data
) -> dict[str, Array]:
    """The metrics of each of the `batch` sequences from number `first` on."""
    whole = reads_whole(model)
    if task.size(data) is None:
        drawn_with = jax.random.fold_in(key, first // batch)
        sequences, windows = _sample(task, whole, drawn_with, batch, data)
    else:
        indices = jnp.minimum(jnp.arange(first, first + batch), total - 1)
        sequences, windows = _batch_at(task, whole, indices, data)
    state, outputs = _through(model, batch, windows)
    return _gathered(model, state) | _measure(task, outputs, sequences)


def _through(model: Cell, batch: int, windows: Windows) -> tuple[State, list[Array]]:
    """The state after all windows, and the outputs of each."""
    state, outputs = _begin(model, batch), []
    for inputs, mask in windows:
        state, window = _window((model, inputs, mask), state)
        outputs.append(window)
    return state, outputs


def answers(
    model: Cell, inputs: np.ndarray, mask: Bool[np.ndarray, "time batch"]
) -> Float[np.ndarray, "time batch outputs"]:
    """What a network answers at every step of sequences, without what is random in training.

    **Arguments:**

    - `model`: one network.
    - `inputs`: `(time, batch, features)`, or `(time, batch)` integer tokens.
    - `mask`: False on padding, where the answer is zero.
    """
    time = len(mask)
    size = time if reads_whole(model) else WINDOW
    fill = -time % size

    def cut(x: np.ndarray) -> list[np.ndarray]:
        return np.split(np.pad(x, [(0, fill)] + [(0, 0)] * (x.ndim - 1)), (time + fill) // size)

    pieces = zip(cut(inputs), cut(mask), strict=True)
    windows: Windows = [(jnp.asarray(x), jnp.asarray(known)) for x, known in pieces]
    outputs = _through(model, mask.shape[1], windows)[1]
    return np.concatenate([np.asarray(window) for window in outputs])[:time]


def final_sets(task: Task) -> dict[str, tuple[int | None, Task]]:
    """What a network is tested on after training: by name, the size on the task's axis and a task.

    First the training distribution under the name `"test"` (held-out data, where the task has a
    set of that name), then the task's own sets and the sizes of the generalisation curve; where
    two of them have one name they are the same, and made once.
    """
    sets: dict[str, tuple[int | None, Task]] = {"test": (None, task)}
    sets |= {name: (None, test) for name, test in task.evaluations().items()}
    return sets | {f"{task.axis} {size}": (size, task.resized(size)) for size in task.sizes}
