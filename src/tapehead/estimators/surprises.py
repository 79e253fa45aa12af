"""What errors are measured by, and the runs of alarms that they lead to."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from tapehead.estimators.schema import Scale

CALIBRATION = 20_000
"""Scores by which thresholds are set, at most; of more, evenly spaced ones are taken."""
ALIKE = 16
"""Normal sequences by which the errors of a step are measured by themselves, at least."""
PLACES = 512
"""Steps from the start whose errors are measured by themselves, at most."""
LEAST = 1e-3
"""The smallest deviation of an error, in deviations of its column."""
FOLDS = 8
"""Parts of the normal sequences, each of which is scored by the errors of the others."""


class Coded(NamedTuple):
    """A sequence as the network is to see it.

    **Attributes:**

    - `values`: `(time, features)`.
    - `truth`: those that are to be expected of the network, NaN where one is not known.
    """

    values: np.ndarray
    truth: np.ndarray

    @property
    def whole(self) -> np.ndarray:
        """In which steps everything is known."""
        return np.asarray(~np.isnan(self.truth).any(axis=1))

    def part(self, start: int, stop: int | None) -> "Coded":
        """Some of the steps."""
        return Coded(self.values[start:stop], self.truth[start:stop])


def error_scale(errors: list[np.ndarray], from_start: list[np.ndarray]) -> Scale:
    """Means and deviations of errors, `(places, features)`: of each of the first steps, and of all.

    What a network expects of a first step is worse than what it expects later, and heartbeats are
    harder to foretell where they peak. So the errors of a step are measured by themselves as long
    as there are enough normal sequences that have it; the last place is for all further steps, by
    all errors.

    **Arguments:**

    - `errors`: of normal sequences, `(time, features)` each.
    - `from_start`: those of them that begin with a sequence's first step.
    """
    whole = Scale.of(np.concatenate(errors))
    lengths = np.sort([len(e) for e in from_start])[::-1]
    places = min(PLACES, int(lengths[ALIKE - 1])) if len(lengths) >= ALIKE else 0
    scales = [Scale.of(np.stack([e[n] for e in from_start if len(e) > n])) for n in range(places)]
    scales.append(whole)
    deviation = np.stack([scale.deviation for scale in scales])
    return Scale(np.stack([scale.mean for scale in scales]), np.maximum(deviation, LEAST))


def surprises_of(errors: Any, numbers: Any, scale: Scale, places: Sequence[slice]) -> Any:
    """The surprise of each column, `(*axes, columns)`: of categories the mean over them.

    In NumPy or in JAX.

    **Arguments:**

    - `errors`: `(*axes, features)`.
    - `numbers`: of the steps that they are of, from a sequence's first, as many axes as will do.
    - `scale`: of normal errors, see `error_scale`.
    - `places`: where the features of each column are.
    """
    xp = errors.__array_namespace__()
    rows = xp.minimum(numbers, len(scale.mean) - 1)
    mean, deviation = xp.asarray(scale.mean)[rows], xp.asarray(scale.deviation)[rows]
    marks = ((errors - mean) / deviation) ** 2
    return xp.stack([marks[..., place].mean(axis=-1) for place in places], axis=-1)


def scores_of(surprise: Any) -> Any:
    """The scores `(*axes,)` of steps from the surprise of their columns, in NumPy or in JAX.

    NaN where nothing is known.
    """
    xp = surprise.__array_namespace__()
    known = ~xp.isnan(surprise)
    total = xp.where(known, surprise, 0.0).sum(axis=-1)
    count = known.sum(axis=-1).astype(total.dtype)
    return xp.where(count > 0, -total / xp.maximum(count, 1), xp.nan)


def enough(errors: list[np.ndarray]) -> bool:
    """Whether there are enough normal sequences to measure steps by themselves, in each fold."""
    return len(errors) - -(-len(errors) // FOLDS) >= ALIKE


def scales_of_others(errors: list[np.ndarray]) -> list[Scale]:
    """For each normal sequence the scale of errors of those in other folds."""
    folds = np.arange(len(errors)) % FOLDS
    scales = []
    for fold in range(FOLDS):
        others = [error for error, own in zip(errors, folds, strict=True) if own != fold]
        scales.append(error_scale(others, others))
    return [scales[fold] for fold in folds]


def runs(alarms: np.ndarray, gap: int = 0) -> list[tuple[int, int]]:
    """The first and last places of runs of truths, with at most `gap` others between them.

    >>> runs(np.array([True, True, False, False, True]))
    [(0, 1), (4, 4)]
    >>> runs(np.array([True, True, False, False, True]), gap=2)
    [(0, 4)]
    """
    where = np.flatnonzero(alarms)
    if not len(where):
        return []
    breaks = np.flatnonzero(np.diff(where) > gap + 1)
    starts = where[np.concatenate([[0], breaks + 1])]
    ends = where[np.concatenate([breaks, [len(where) - 1]])]
    return list(zip(starts.tolist(), ends.tolist(), strict=True))


def some(given: Any, most: int) -> Any:
    """All of them, or evenly spaced ones if there are more than `most`."""
    return given[:: math.ceil(len(given) / most) or 1]


def known_scores(scores: np.ndarray) -> np.ndarray:
    """Those by which thresholds are set."""
    return some(scores[~np.isnan(scores)], CALIBRATION)
