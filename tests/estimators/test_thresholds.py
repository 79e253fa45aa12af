"""Thresholds: where they lie, and the alarm rates that they promise."""

import numpy as np
import pytest
from scipy.stats import genpareto

from tapehead.errors import UserError
from tapehead.estimators.thresholds import (
    THRESHOLDS,
    AlarmsPerDay,
    Conformal,
    PeaksOverThreshold,
    Quantile,
    fit_pareto,
    p_values,
    running_p_values,
    threshold,
    threshold_from_json,
    threshold_to_json,
)


def normal_scores(count, seed=0):
    """Scores whose surprise is exponential: a share of exp(−z) is beyond z."""
    return -np.random.default_rng(seed).exponential(size=count)


def test_a_quantile_has_its_share_below():
    limit = Quantile(0.1).limit(np.arange(101.0))
    assert limit.value == 10
    assert limit.rate == 10 / 101


def test_a_conformal_limit_is_where_the_p_value_crosses():
    scores = np.random.default_rng(0).permutation(99) + 0.0
    limit = Conformal(0.05).limit(scores)
    assert (limit.value, limit.rate) == (4.0, 0.05)
    asked = np.arange(-1, 100, 0.5)
    np.testing.assert_array_equal(asked < limit.value, p_values(asked, scores) <= 0.05)


@pytest.mark.parametrize("rate", [0.01, 0.1])
def test_a_conformal_rate_is_kept_whatever_scores_are(rate):
    rng = np.random.default_rng(1)
    found = []
    for _ in range(300):
        scores = rng.standard_cauchy(250) ** 3
        found.append(np.mean(scores[200:] < Conformal(rate).limit(scores[:200]).value))
    promised = Conformal(rate).limit(scores[:200]).rate
    assert promised <= rate
    assert np.mean(found) == pytest.approx(promised, rel=0.25)


@pytest.mark.parametrize("shape", [-0.3, 0.0, 0.4, 0.9])
def test_a_pareto_tail_is_the_likeliest(shape):
    y = genpareto.rvs(shape, scale=3.0, size=500, random_state=0)
    found = fit_pareto(y)
    other = genpareto.fit(y, floc=0)
    mine = genpareto.logpdf(y, found[0], 0, found[1]).sum()
    assert mine >= genpareto.logpdf(y, other[0], 0, other[2]).sum() - 1e-3
    assert found[0] == pytest.approx(shape, abs=0.15)


@pytest.mark.parametrize("rate", [1e-3, 1e-5])
def test_peaks_reach_beyond_what_was_seen(rate):
    limit = PeaksOverThreshold(rate).limit(normal_scores(20_000))
    assert limit.rate == rate
    assert -limit.value == pytest.approx(-np.log(rate), rel=0.1)


def test_a_heavy_tail_is_seen_as_one():
    scores = -np.random.default_rng(0).pareto(2, 20_000)  # a share of (1 + z)^−2 is beyond z
    limit = PeaksOverThreshold(1e-4).limit(scores)
    assert -limit.value == pytest.approx(99, rel=0.3)


def test_peaks_of_few_and_of_equal_scores():
    limit = PeaksOverThreshold(0.01).limit(normal_scores(60))
    assert limit.value < np.quantile(normal_scores(60), 0.05)
    assert PeaksOverThreshold().limit(np.zeros(50)).value == 0


def test_a_budget_is_spread_over_the_day():
    scores = normal_scores(20_000)
    often = AlarmsPerDay(1.0).limit(scores, per_day=144)
    assert often.value == Quantile(1 / 144).limit(scores).value
    assert often.rate == pytest.approx(1 / 144, rel=0.01)
    rare = AlarmsPerDay(0.1).limit(scores, per_day=1440)
    assert rare == PeaksOverThreshold(0.1 / 1440).limit(scores)
    assert AlarmsPerDay(2.0, per_day=288).limit(scores, per_day=1e9) == often


def test_the_running_p_value_is_even_where_nothing_changes():
    found = running_p_values(normal_scores(4000))
    assert found[0] == 1
    for level in (0.01, 0.1, 0.5):
        assert np.mean(found[500:] <= level) == pytest.approx(level, rel=0.2)


@pytest.mark.parametrize("name", THRESHOLDS)
def test_they_are_written_and_read(name):
    own = THRESHOLDS[name]()
    assert threshold(name) == own
    assert threshold_from_json(threshold_to_json(own)) == own


REFUSED = {
    "a rate of 0": (lambda: Quantile(0.0), "rate must be above 0 and below 1, got 0.0"),
    "a rate of 1": (lambda: Conformal(1.0), "rate must be above 0 and below 1"),
    "a rate beyond the tail": (lambda: PeaksOverThreshold(0.1), "rate must be below tail"),
    "a budget of nothing": (lambda: AlarmsPerDay(0), "budget must be above 0"),
    "days without steps": (lambda: AlarmsPerDay(per_day=0), "per_day must be above 0"),
    "no tail": (lambda: PeaksOverThreshold().limit(np.zeros(19)), "19 normal scores are too few"),
    "too few for a p-value": (lambda: Conformal(0.01).limit(np.zeros(98)), "at least 99 are need"),
    "unknown days": (lambda: AlarmsPerDay().limit(np.zeros(50)), "set per_day, or name a column"),
    "no limit at all": (lambda: AlarmsPerDay(9).limit(np.zeros(50), 9), "is no limit to 9 obs"),
    "another name": (lambda: threshold("quantil"), "did you mean 'quantile'?"),
    "a number": (lambda: threshold(0.5), "expected a name such as 'quantile' or a Threshold"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused(case):
    call, words = REFUSED[case]
    with pytest.raises(UserError) as raised:
        call()
    assert words in str(raised.value)
    assert "\n" not in str(raised.value)
