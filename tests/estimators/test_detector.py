"""`AnomalyDetector`: what it finds, in which columns, in streams and files, and what it refuses."""

import numpy as np
import pandas as pd
import pytest
from quick_estimators import QUICK

from tapehead.errors import UserError
from tapehead.estimators import AnomalyDetector, load
from tapehead.estimators.surprises import error_scale, runs
from tapehead.estimators.thresholds import Conformal, PeaksOverThreshold
from tapehead.models.recurrent import GRUModel

STEPS = 16


def waves(count, seed, steps=STEPS):
    """Two columns that turn, each from its own place."""
    rng = np.random.default_rng(seed)
    turned = 0.5 * np.arange(steps) + rng.uniform(0, 6.3, size=(count, 1))
    noise = 0.1 * rng.normal(size=(count, steps, 2))
    return np.stack([np.sin(turned), np.cos(turned)], axis=-1) + noise


def broken(seed=1):
    """Ten waves, of which the fourth leaves its course in its second column for three steps."""
    X = waves(10, seed)
    X[3, 9:12, 1] += 4
    return X


@pytest.fixture(scope="module")
def watcher():
    return AnomalyDetector(**QUICK | {"held_out": 0.2}).fit(waves(200, 0))


@pytest.fixture(scope="module")
def rebuilder():
    changed = QUICK | {"model": "gru", "held_out": 0.2, "max_updates": 200}
    return AnomalyDetector(method="reconstruction", **changed).fit(waves(200, 0))


def test_it_says_which_sequence_when_and_in_which_column(watcher):
    X = broken()
    assert watcher.score_samples(X).argmin() == 3
    assert watcher.predict(X)[3] == -1
    steps = watcher.predict_steps(X)
    assert all((steps[3][n] == -1) for n in (9, 10, 11))
    found = watcher.windows(X, gap=2)
    row = found.loc[found.score.idxmin()]
    assert (row.sequence, row.start) == (3, 9)
    assert 11 <= row.end <= 15  # what was read of them is felt for a while
    assert row.columns[0] == "column 1"
    assert found.score.max() < watcher.step_limit_.value
    surprise = watcher.surprise(X)[3]
    np.testing.assert_allclose(-surprise.mean(axis=1), watcher.score_steps(X)[3])


@pytest.mark.slow
def test_what_cannot_be_rebuilt_is_an_anomaly(rebuilder):
    X = broken()
    assert rebuilder.score_samples(X).argmin() == 3
    assert rebuilder.score_steps(X)[3].argmin() in (9, 10, 11)
    assert rebuilder.error_scale_.mean.shape == (1, 2)
    with pytest.raises(UserError, match="fit with method='prediction'"):
        rebuilder.stream()
    rebuilder.window_ = 6  # longer sequences are rebuilt window by window, the last overlapping
    assert [len(one) for one in rebuilder.score_steps(X)] == [STEPS] * 10


def test_the_alarms_promised_are_the_alarms_that_come(watcher):
    fresh = waves(300, 5)
    limit, found = watcher.step_limit_, np.concatenate(watcher.predict_steps(fresh)) == -1
    assert limit.rate == pytest.approx(0.01, abs=0.002)
    assert found.mean() == pytest.approx(limit.rate, rel=0.6)
    # The first step cannot be foretold, and is measured by itself.
    first = np.mean([one[0] == -1 for one in watcher.predict_steps(fresh)])
    assert first < 0.06
    assert len(watcher.error_scale_.mean) == STEPS + 1
    assert watcher.error_scale_.deviation[0].min() > 2 * watcher.error_scale_.deviation[8].max()


def test_another_threshold_needs_no_new_fit(watcher):
    X = broken()
    scores = watcher.score_samples(X)
    before = watcher.threshold
    try:
        watcher.threshold = Conformal(0.05)
        promised = watcher.limit_.rate
        assert 0.02 < promised <= 0.05
        np.testing.assert_array_equal(watcher.predict(X) == -1, watcher.p_values(X) <= promised)
        np.testing.assert_allclose(watcher.decision_function(X), scores - watcher.offset_)
        watcher.threshold = "peaks"
        assert watcher.step_limit_.rate == 1e-3
        assert watcher.predict_steps(X)[3][10] == -1
    finally:
        watcher.threshold = before


def test_a_stream_says_what_the_batch_says(watcher, tmp_path):
    X = broken()
    X[3, 4, 0] = np.nan
    X[3, 6] = np.nan
    batch, surprise = watcher.score_steps(X)[3], watcher.surprise(X)[3]
    assert np.isnan(batch[6])
    assert np.isfinite(batch[4])
    stream = watcher.stream()
    found = [stream.feed(x) for x in X[3][:10]]
    stream.save(tmp_path / "state")
    fork, restored = stream.fork(), watcher.stream(path=tmp_path / "state")
    stream.feed([9.0, 9.0])  # the others go their own ways
    for other in (fork, restored):
        rest = [other.feed(x) for x in X[3][10:]]
        told = np.array([one.score for one in found + rest])
        np.testing.assert_allclose(told, batch, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(found[9].surprise, surprise[9], rtol=1e-4)
    assert [one.alarm for one in found] == list(batch[:10] < watcher.step_limit_.value)
    assert found[9].alarm
    assert watcher.blamed(found[9].surprise[None]) == ("column 1",)


@pytest.mark.slow
def test_lanes_side_by_side(watcher):
    X = broken()
    lanes = watcher.stream(lanes=10)
    for step in range(STEPS):
        verdict = lanes.feed(X[:, step])
    last = [one[-1] for one in watcher.score_steps(X)]
    np.testing.assert_allclose(verdict.score, last, rtol=1e-4, atol=1e-5)


def test_it_is_the_same_from_its_files_and_from_its_seed(watcher, tmp_path):
    X = broken()
    watcher.save(tmp_path / "m")
    again = load(tmp_path / "m")
    np.testing.assert_array_equal(again.score_samples(X), watcher.score_samples(X))
    assert again.step_limit_ == watcher.step_limit_
    watcher.threshold = PeaksOverThreshold(1e-4)
    watcher.save(tmp_path / "m")
    watcher.threshold = "quantile"
    assert load(tmp_path / "m").threshold == PeaksOverThreshold(1e-4)


@pytest.mark.slow
def test_one_long_table_with_dates_and_words():
    turned = 0.5 * np.arange(400)
    table = pd.DataFrame(
        {
            "when": pd.date_range("2024-01-01", periods=400, freq="10min"),
            "x": np.sin(turned),
            "half": np.where(np.sin(turned) > 0, "up", "down"),
        }
    )
    settings = QUICK | {"held_out": 0.3, "max_updates": 150}
    model = AnomalyDetector(time="when", window=STEPS, **settings).fit(table[:300])
    assert model.per_day_ == 144
    assert len(model.error_scale_.mean) == STEPS // 2 + 1  # measured on its windows
    table.loc[350:352, "half"] = "sideways"
    found = model.windows(table, gap=3)
    worst = found.loc[found.score.idxmin()]
    assert table.when[350] <= worst.start <= table.when[353]
    assert worst.columns[0] == "half"
    model.threshold = "per-day"
    assert model.step_limit_.rate == pytest.approx(1 / 144)
    stream, row = model.stream(), {"x": None, "half": None}
    assert np.isnan(stream.feed(row).score)
    assert stream.feed(row | {"x": 0.5}).score < 0


def test_runs_and_scales_of_errors():
    assert runs(np.zeros(3, bool)) == []
    alarms = np.array([0, 1, 1, 0, 1, 0, 0, 1], bool)
    assert runs(alarms) == [(1, 2), (4, 4), (7, 7)]
    assert runs(alarms, gap=1) == [(1, 4), (7, 7)]
    errors = [np.full((4 + n % 3, 1), float(n)) for n in range(40)]
    scale = error_scale(errors, errors)
    assert len(scale.mean) == 6  # too few have a sixth step; and all the later ones
    np.testing.assert_allclose(scale.mean[0], np.arange(40).mean())
    np.testing.assert_allclose(scale.deviation[0], np.arange(40).std())
    assert len(error_scale(errors, errors[:15]).mean) == 1


X = waves(40, 0)
MISTAKES = {
    "another method": (lambda: AnomalyDetector(method="guess").fit(X), "method must be one of"),
    "another whole": (lambda: AnomalyDetector(whole="sum").fit(X), "whole must be one of"),
    "a tiny window": (lambda: AnomalyDetector(window=1).fit(X), "window must be at least 2"),
    "another threshold": (lambda: AnomalyDetector(threshold="peak").fit(X), "mean 'peaks'?"),
    "texts": (lambda: AnomalyDetector().fit(["a b", "c d"]), "expected sequences of numbers"),
    "nothing": (lambda: AnomalyDetector().fit([]), "Expected 2D array, got 1D"),
    "a missing column": (
        lambda: AnomalyDetector().fit([np.full((9, 1), np.nan)]),
        "column 0 is missing throughout",
    ),
    "no whole step": (
        lambda: AnomalyDetector().fit([np.array([[1, np.nan], [np.nan, 1.0]])]),
        "no step is whole",
    ),
    "infinity": (lambda: AnomalyDetector().fit([np.full((9, 2), np.inf)]), "contains infinity"),
    "a network that sees what comes": (
        lambda: AnomalyDetector(GRUModel(bidirectional=True)).fit(X),
        "method='prediction'",
    ),
    "no such time": (
        lambda: AnomalyDetector(time="t").fit(pd.DataFrame({"a": [1.0]})),
        "has no column 't' for the time",
    ),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_what_cannot_be_learned_from(case):
    call, words = MISTAKES[case]
    with pytest.raises(UserError) as raised:
        call()
    assert words in str(raised.value)
    assert "\n" not in str(raised.value)


def test_what_cannot_be_answered(watcher):
    cases = {
        "has 3 columns, where fit had 2": lambda: watcher.predict(waves(2, 0)[..., [0, 0, 1]]),
        "X has rows of numbers": lambda: watcher.predict(np.zeros((3, 4))),
        "expected 2 numbers an observation": lambda: watcher.stream().feed([1.0]),
        "expected numbers, got": lambda: watcher.stream().feed(["a", "b"]),
        "gap must be at least 0": lambda: watcher.windows(waves(2, 0), gap=-1),
        "level must be one of": lambda: watcher.limit("rows"),
        "contains infinity": lambda: watcher.stream().feed([np.inf, 0.0]),
    }
    for words, call in cases.items():
        with pytest.raises(UserError) as raised:
            call()
        assert words in str(raised.value)
