"""The Numenta benchmark's score, against values worked out by hand and against its definition."""

import math

import numpy as np
import pytest

from tapehead.datasets import load_nab
from tapehead.errors import UserError
from tapehead.estimators.numenta import (
    PROFILES,
    Profile,
    Watched,
    numenta_score,
    probation,
    sigmoid,
    worths,
)

STANDARD = PROFILES["standard"]


def alarms(steps, *at):
    surprise = np.zeros(steps)
    surprise[list(at)] = 1
    return surprise


def test_what_an_alarm_is_worth_step_by_step():
    """A window of the steps 10 to 14, of width 5, in a series of 30."""
    found = worths(30, [(10, 14)], STANDARD)
    assert found[9] == -0.11  # before any window
    assert found[10] == 1.0  # at the left edge
    # Place −3/5: (2 / (1 + e^−3) − 1) / (2 / (1 + e^−5) − 1) = 0.905148 / 0.986614.
    assert found[12] == pytest.approx(0.917429, abs=1e-6)
    # The right edge is at −1/5: 0.462117 / 0.986614.
    assert found[14] == pytest.approx(0.468387, abs=1e-6)
    # Places 1/4, 1/2 and 1 behind it.
    assert found[15] == pytest.approx(-0.11 * 0.554600, abs=1e-6)
    assert found[16] == pytest.approx(-0.11 * 0.848284, abs=1e-6)
    assert found[18] == pytest.approx(-0.11 * 0.986614, abs=1e-6)
    assert found[27] == -0.11  # beyond 3 widths
    assert sigmoid(np.array(0.0)) == 0


@pytest.mark.parametrize(
    ("profile", "score"),
    # An alarm at step 12, worth 0.917429, and one at 16, which costs 0.848284 A_FP; one window.
    [("standard", 91.205882), ("reward-low-fp", 86.540320), ("reward-low-fn", 94.137255)],
)
def test_a_score_worked_out_by_hand(profile, score):
    found = numenta_score([Watched(alarms(30, 12, 16), [(10, 14)])], profile, threshold=1)
    assert found.score == pytest.approx(score, abs=2e-5)
    assert found[2:] == (1, 1, 1)


def test_the_perfect_and_the_silent_detector():
    series = [Watched(alarms(100, 40, 80), [(40, 49), (80, 84)]), Watched(alarms(100), [])]
    for profile in PROFILES:
        assert numenta_score(series, profile).score == pytest.approx(100)
        silent = numenta_score(series, profile, threshold=math.inf)
        assert (silent.score, silent.found, silent.false_alarms) == (0, 0, 0)


def test_only_the_first_alarm_of_a_window_counts():
    once = numenta_score([Watched(alarms(100, 42), [(40, 49)])], threshold=1)
    more = numenta_score([Watched(alarms(100, 42, 45, 49), [(40, 49)])], threshold=1)
    assert once.score == more.score < 100


def test_the_probation_does_not_count():
    assert probation(4032) == 604
    assert probation(22_695) == 750
    found = numenta_score([Watched(alarms(100, 3, 14, 40), [(2, 6), (40, 49)])], threshold=1)
    assert found.score == 100
    assert found[2:] == (1, 1, 0)


def test_it_may_be_best_to_say_nothing():
    surprise = np.r_[np.ones(60), np.zeros(40)]
    found = numenta_score([Watched(surprise, [(90, 95)])])
    assert found[:3] == (0, math.inf, 0)


def by_definition(series, profile, threshold):
    """Series by series and window by window, as the paper tells it."""
    total, windows = 0.0, 0
    for surprise, labelled in series:
        own = worths(len(surprise), labelled, profile)
        inside = set()
        for first, last in labelled:
            inside |= set(range(first, last + 1))
            if last < probation(len(surprise)):
                continue
            windows += 1
            seen = range(max(first, probation(len(surprise))), last + 1)
            hits = [own[n] for n in seen if surprise[n] >= threshold]
            total += max(hits, default=-profile.miss)
        for n in range(probation(len(surprise)), len(surprise)):
            if n not in inside and surprise[n] >= threshold:
                total += own[n]
    low, high = -profile.miss * windows, profile.hit * windows
    return 100 * (total - low) / (high - low)


@pytest.mark.parametrize("seed", range(5))
def test_random_corpora_and_the_threshold_that_is_best_for_all(seed):
    rng = np.random.default_rng(seed)
    series = [
        Watched(rng.integers(0, 12, 80) / 4, [(20, 29), (30, 30), (55, 60)][: rng.integers(0, 4)])
        for _ in range(4)
    ]
    series.append(Watched(rng.integers(0, 12, 60) / 4, [(5, 12), (50, 59)]))
    profile = Profile(1.0, 0.03, 1.5)
    each = [by_definition(series, profile, k / 4) for k in range(13)]
    for k, score in enumerate(each):
        assert numenta_score(series, profile, k / 4).score == pytest.approx(score)
    found = numenta_score(series, profile)
    assert found.score == pytest.approx(max(*each, 0))
    assert by_definition(series, profile, found.threshold) == pytest.approx(found.score)


def test_mistakes():
    with pytest.raises(UserError, match="windows must be in order, apart and within the 50 steps"):
        numenta_score([Watched(np.zeros(50), [(30, 40), (40, 45)])])
    with pytest.raises(UserError, match="no labelled window after the probation"):
        numenta_score([Watched(np.zeros(50), [])])
    with pytest.raises(UserError, match="a number at every step, got NaN"):
        numenta_score([Watched(np.full(50, np.nan), [(30, 40)])])
    with pytest.raises(UserError, match="did you mean 'standard'"):
        numenta_score([Watched(np.zeros(50), [(30, 40)])], "standart")


def test_the_benchmarks_own_windows():
    try:
        series = load_nab()
    except UserError as error:
        pytest.skip(str(error))
    assert len(series) == 35
    assert sum(len(one.windows) for one in series) == 55
    silent = [Watched(np.zeros(len(one.values)), one.windows) for one in series]
    assert numenta_score(silent, threshold=1).score == 0
    found = [
        Watched(alarms(len(one.values), *(first for first, _ in one.windows)), one.windows)
        for one in series
    ]
    assert numenta_score(found) == (pytest.approx(100), 1, 55, 55, 0)
