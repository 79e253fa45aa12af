"""Worked examples: what went in, what was wanted, what came out and where it was wrong."""

import math

import jax
import numpy as np

from tapehead.inspection.report.pack import Packed, pack
from tapehead.inspection.report.panels import Panel, judged, panel
from tapehead.sequences import Sequences
from tapehead.tasks import Task
from tapehead.tasks.music.music import MusicTask

MANY = 300
"""Symbols or classes from which on there is no row for each."""


def sigmoid(x: np.ndarray) -> np.ndarray:
    """The logistic function, without overflow."""
    return 0.5 * (1 + np.tanh(0.5 * x))


def softmax(x: np.ndarray) -> np.ndarray:
    """Over the last axis."""
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def _one_hot(symbols: np.ndarray, size: int) -> np.ndarray:
    return np.eye(size)[np.clip(symbols, 0, size - 1)]


def _rows(task: Task, usual: str) -> str:
    """What the rows of a task's inputs or outputs are: keys in music, else as `usual`."""
    return "key" if isinstance(task, MusicTask) else usual


def input_panel(task: Task, sequence: Sequences) -> Panel:
    """What the network reads: features, or one row for each symbol."""
    inputs = np.asarray(sequence.inputs)
    if task.tokens and task.input_size > MANY:
        return panel("Input: number of the symbol", inputs[:, None], rows="symbol")
    if task.tokens:
        return panel("Input", _one_hot(inputs, task.input_size), rows="symbol")
    return panel("Input", inputs, rows=_rows(task, "channel"))


def verdict(right: str, said: str) -> str:
    """How one class was told: `7, recognised`, or `7, taken for 1`."""
    return f"{right}, recognised" if right == said else f"{right}, taken for {said}"


def _class_panels(task: Task, sequence: Sequences, outputs: np.ndarray) -> list[Panel]:
    """Right and chosen classes; where one answer is asked for, how the choice came about."""
    scored = np.asarray(sequence.weights) > 0
    targets = np.asarray(sequence.targets)
    classes = outputs.shape[-1]
    names = [task.class_name(c) for c in range(classes)] if classes <= 16 else None
    chance = softmax(outputs)
    chosen = chance.argmax(axis=-1)
    if scored.sum() == 1:
        right, said = int(targets[scored][0]), int(chosen[scored][0])
        drawn = panel(
            "Probability of each class",
            chance,
            rows="class",
            names=names,
            span=(0, 1),
            note="How the answer forms; it counts at the marked step only.",
        )
        mistaken = np.zeros_like(chance)
        mistaken[scored, said] = right != said
        told = verdict(task.class_name(right), task.class_name(said))
        return [drawn | {"wrong": np.argwhere(mistaken).tolist(), "verdict": told}]
    if classes > MANY:
        hit = np.where(scored, np.take_along_axis(chance, targets[:, None], axis=-1)[:, 0], np.nan)
        return [panel("Probability of the right class", hit[:, None], rows="class", span=(0, 1))]
    asked = scored[:, None]
    truth = np.where(asked, _one_hot(targets, classes), np.nan)
    wrong = (_one_hot(chosen, classes) > 0) & (truth == 0)
    told = np.where(asked, chance, np.nan)
    output = panel("Output: probability", told, rows="class", names=names, span=(0, 1))
    return [
        panel("Target", truth, rows="class", names=names, span=(0, 1)),
        judged(output, wrong, int(scored.sum()), "answers"),
    ]


def _several_panels(task: Task, sequence: Sequences, outputs: np.ndarray) -> list[Panel]:
    """Right and chosen classes of several answers a step, each answer a row."""
    asked = (np.asarray(sequence.weights) > 0)[:, None]
    targets = np.asarray(sequence.targets)
    chosen = outputs.reshape(*targets.shape, -1).argmax(axis=-1)
    span = (0, task.output_size // task.softmaxes - 1)
    target = panel("Target: class", np.where(asked, targets, np.nan), rows="answer", span=span)
    output = panel("Output: class", np.where(asked, chosen, np.nan), rows="answer", span=span)
    wrong = asked & (chosen != targets)
    return [target, judged(output, wrong, int(asked.sum()) * task.softmaxes, "answers")]


def answer_panels(task: Task, sequence: Sequences, outputs: np.ndarray) -> list[Panel]:
    """Target and output of one sequence; both are left blank where nothing is asked."""
    if task.output_kind == "classes":
        several = task.softmaxes > 1
        return (_several_panels if several else _class_panels)(task, sequence, outputs)
    scored = np.asarray(sequence.weights) > 0
    targets = np.asarray(sequence.targets)
    asked = scored[:, None]
    if task.output_kind == "values":
        high = float(np.max(np.abs(targets[scored]), initial=0)) or 1.0
        low = -high if targets[scored].min(initial=0) < 0 else 0.0
        pairs = (("Target", targets), ("Output", outputs))
        return [
            panel(title, np.where(asked, x, np.nan), rows="channel", span=(low, high))
            for title, x in pairs
        ]
    chance = np.where(asked, sigmoid(outputs), np.nan)
    rows = _rows(task, "bit")
    target = panel("Target", np.where(asked, targets, np.nan), rows=rows, span=(0, 1))
    out = panel("Output: probability of a 1", chance, rows=rows, span=(0, 1))
    if not task.determined:
        alone = jax.tree.map(lambda x: np.asarray(x)[:, None], sequence)
        try:
            best = task.solve(alone)[:, 0]
        except NotImplementedError:  # of real data nobody knows the best
            return [target, out]
        best = np.where(asked, best, np.nan)
        return [
            target,
            out,
            panel("Best possible probability of a 1", best, rows="bit", span=(0, 1)),
        ]
    wrong = asked & ~np.where(targets > 0.5, outputs > 0, outputs < 0)
    return [target, judged(out, wrong, int(scored.sum()) * targets.shape[-1], "bits")]


def is_image(inputs: np.ndarray) -> bool:
    """Whether inputs `(time, ..., features)` are square images, each shown at a single step."""
    side = math.isqrt(inputs.shape[-1])
    return len(inputs) == 1 and side > 1 and side**2 == inputs.shape[-1]


def picture(inputs: np.ndarray) -> Packed:
    """An input `(time, features)` as a picture: time runs down, or right if it has one feature.

    An image that is shown at a single step is that image.
    """
    if is_image(inputs):
        return pack(inputs.reshape(math.isqrt(inputs.size), -1).T)
    return pack(inputs.T if inputs.shape[1] > 1 else inputs)
