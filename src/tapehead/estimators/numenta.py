"""The Numenta anomaly benchmark's score: how early anomalies are found, at how many false alarms.

Every labelled anomaly has a window around it. The earlier in the window its first alarm, the more
it is worth; what a false alarm costs grows with its distance from the last window. Of n windows,

    score = 100 (S − S_null) / (S_perfect − S_null),

where S is the sum over the corpus, S_null = −n A_FN that of a detector that never gives an alarm,
and S_perfect = n A_TP that of one that gives one alarm at the beginning of each window. There is
one threshold for all series, and it is the one with the highest S.

Source: Lavin and Ahmad, "Evaluating real-time anomaly detection algorithms: the Numenta anomaly
benchmark" (ICMLA 2015), in the form of version 1.1 of the benchmark: a window's right edge is worth
a little more than nothing, and the worth of alarms in a window is divided by that of its left edge.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from tapehead.errors import UserError
from tapehead.registry import Registry

PROBATION = 0.15
"""The share of a series' first steps in which alarms do not count: a detector is learning."""
LONGEST = 5000
"""Steps of which this is a share, at most."""


@dataclass(frozen=True)
class Profile:
    """What an application makes of alarms."""

    hit: float = 1.0
    """A_TP: what an anomaly is worth that was found at once."""
    false_alarm: float = 0.11
    """A_FP: what a false alarm costs that is far from any window."""
    miss: float = 1.0
    """A_FN: what an anomaly costs that was not found."""


PROFILES: Registry[Profile] = Registry(
    "profile",
    {
        "standard": Profile(),
        "reward-low-fp": Profile(false_alarm=0.22),
        "reward-low-fn": Profile(miss=2.0),
    },
)


class Watched(NamedTuple):
    """A series as a detector saw it.

    **Attributes:**

    - `surprise`: of each step, higher for what is less normal, on one scale for all series.
    - `windows`: the first and last step of each labelled window, in order.
    """

    surprise: Float[np.ndarray, " time"]
    windows: Sequence[tuple[int, int]]


class NumentaScore(NamedTuple):
    """How good a detector is.

    **Attributes:**

    - `score`: 100 for a perfect detector, 0 for one that says nothing; may be negative.
    - `threshold`: an alarm is given from this surprise on; infinite if it is best to give none.
    - `found`, `windows`: labelled anomalies that were found, and all of them.
    - `false_alarms`: steps outside of windows at which an alarm was given.
    """

    score: float
    threshold: float
    found: int
    windows: int
    false_alarms: int


def probation(steps: int) -> int:
    """Steps at the beginning of a series that do not count.

    >>> probation(100), probation(20_000)
    (15, 750)
    """
    return math.floor(PROBATION * min(steps, LONGEST))


def sigmoid(place: Float[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
    """2 / (1 + exp(5 y)) − 1 at a place relative to a window: −1 its left edge, 0 just behind it.

    From 1 far before to −1; beyond 3 it is −1.
    """
    y = np.asarray(place, float)
    return np.where(y > 3, -1.0, 2 / (1 + np.exp(5 * np.minimum(y, 3))) - 1)


def worths(
    steps: int, windows: Sequence[tuple[int, int]], profile: Profile
) -> Float[np.ndarray, " time"]:
    """What an alarm is worth at each step of a series.

    In a window of w steps that ends at e, step i lies at −(e − i + 1)/w, and an alarm is worth
    A_TP σ(place)/σ(−1). Behind it, it lies at (i − e)/(w − 1), and is worth A_FP σ(place), which is
    negative; before the first window it is worth −A_FP.
    """
    _expect_windows(steps, windows)
    made = np.full(steps, -profile.false_alarm)
    for number, (first, last) in enumerate(windows):
        width = last - first + 1
        inside = np.arange(first, last + 1)
        made[inside] = profile.hit * sigmoid(-(last - inside + 1) / width) / sigmoid(np.array(-1.0))
        until = windows[number + 1][0] if number + 1 < len(windows) else steps
        behind = np.arange(last + 1, until)
        place = (behind - last) / (width - 1) if width > 1 else np.full(len(behind), np.inf)
        made[behind] = profile.false_alarm * sigmoid(place)
    return made


def _expect_windows(steps: int, windows: Sequence[tuple[int, int]]) -> None:
    before = -1
    for first, last in windows:
        if not before < first <= last < steps:
            raise UserError(
                f"numenta_score: windows must be in order, apart and within the {steps} steps of "
                f"their series, got {first} to {last} after {before}"
            )
        before = last


def numenta_score(
    series: Sequence[Watched], profile: str | Profile = "standard", threshold: float | None = None
) -> NumentaScore:
    """The score of a detector over a corpus.

    **Arguments:**

    - `series`: what it made of each.
    - `profile`: `"standard"`, `"reward-low-fp"`, `"reward-low-fn"` or a `Profile`.
    - `threshold`: the surprise from which on an alarm is given; `None`: the best for this corpus,
      as the benchmark has it.

    **Raises:** `UserError` if there is no labelled window after the probation.
    """
    cost = PROFILES[profile] if isinstance(profile, str) else profile
    surprise, worth, window = [], [], []
    count = 0
    for one in series:
        scores = np.asarray(one.surprise, float)
        if np.isnan(scores).any():
            raise UserError("numenta_score: surprise must be a number at every step, got NaN")
        steps, start = len(scores), probation(len(scores))
        of_window = np.full(steps, -1)
        own = worths(steps, one.windows, cost)
        for first, last in one.windows:
            if last >= start:
                of_window[first : last + 1] = count
                count += 1
        surprise.append(scores[start:])
        worth.append(own[start:])
        window.append(of_window[start:])
    if not count:
        raise UserError("numenta_score: the series have no labelled window after the probation")
    surprises, gains = np.concatenate(surprise), np.concatenate(worth)
    windows = np.concatenate(window)

    # Alarms in the order in which they are given as the threshold falls; what each adds.
    order = np.argsort(-surprises, kind="stable")
    surprises, gains, windows = surprises[order], gains[order], windows[order]
    adds = np.where(windows < 0, gains, 0.0)
    for number in range(count):
        here = np.flatnonzero(windows == number)
        best = np.maximum.accumulate(gains[here])  # only the alarm that is worth most counts
        adds[here] = np.diff(best, prepend=-cost.miss)
    totals = -cost.miss * count + np.concatenate([[0.0], np.cumsum(adds)])
    # Equal surprises are alarms together.
    ends = np.append(np.flatnonzero(np.diff(surprises)) + 1, len(surprises))
    ends = np.concatenate([[0], ends])
    limits = np.append(np.inf, surprises[ends[1:] - 1])
    if threshold is None:
        chosen = int(np.argmax(totals[ends]))
        threshold = float(limits[chosen])
    else:
        chosen = int(np.flatnonzero(limits >= threshold)[-1])
    given = windows[: ends[chosen]]
    total = float(totals[ends[chosen]])
    low, high = -cost.miss * count, cost.hit * count
    return NumentaScore(
        100 * (total - low) / (high - low),
        threshold,
        len(np.unique(given[given >= 0])),
        count,
        int(np.sum(given < 0)),
    )
