"""What quantile forecasts are put right by, sample paths, and what stands beside a network."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tapehead.cli.fit_forecast import verdict
from tapehead.errors import UserError
from tapehead.estimators import Forecaster, backtest
from tapehead.estimators.calibration import Calibration
from tapehead.estimators.forecast_baselines import BASELINES
from tapehead.estimators.measures import diebold_mariano
from tapehead.estimators.series import read_series

LEVELS = (0.1, 0.5, 0.9)


def wrong(rng, windows, steps=6, rho=0.8):
    """Forecasts that are far too sure of themselves, and what came: errors that go together."""
    noise = rng.normal(size=(windows, steps))
    for h in range(1, steps):
        noise[:, h] = rho * noise[:, h - 1] + np.sqrt(1 - rho**2) * noise[:, h]
    centre = rng.normal(size=(windows, steps))
    width = 1 + np.arange(steps)
    truth = centre + width * (0.3 + noise)
    return centre[..., None] + np.array([-0.1, 0, 0.1]), truth


@settings(max_examples=40)
@given(st.integers(0, 10**6), st.integers(1, 30), st.integers(1, 5))
def test_a_band_holds_what_it_was_set_by(seed, windows, steps):
    """Each quantile, before they are put in order, has at least its share on its side."""
    rng = np.random.default_rng(seed)
    found = rng.normal(size=(windows, steps, 3)) * 10.0 ** rng.integers(-3, 3)
    truth = rng.standard_t(2, size=(windows, steps))
    made = Calibration.of(LEVELS, found, truth)
    put = found + made.offset
    assert np.mean(truth >= put[..., 0] - 1e-9) >= 0.9
    assert np.mean(truth <= put[..., 2] + 1e-9) >= 0.9


@pytest.mark.parametrize("windows", [10, 40, 400])
def test_bands_hold_on_windows_that_come(windows):
    rng = np.random.default_rng(0)
    held = []
    for _ in range(60):
        made = Calibration.of(LEVELS, *wrong(rng, windows))
        found, truth = wrong(rng, 100)
        low, _, high = np.moveaxis(made.apply(found), -1, 0)
        held.append(np.mean((low <= truth) & (truth <= high), axis=0))
    assert 0.79 < np.mean(held) < (0.95 if windows == 10 else 0.84)
    # Far steps, of which less is known, as often as near ones.
    assert np.ptp(np.mean(held, axis=0)) < 0.05


def test_paths_are_distributed_as_forecast_and_go_together():
    rng = np.random.default_rng(1)
    made = Calibration.of(LEVELS, *wrong(rng, 3000))
    quantiles = np.stack([np.full(6, x) for x in (-2.0, 1.0, 2.0)], axis=1)
    paths = made.paths(np.broadcast_to(quantiles, (40_000, 6, 3)), np.random.RandomState(0))
    for k, level in enumerate(LEVELS):
        np.testing.assert_allclose((paths < quantiles[:, k]).mean(axis=0), level, atol=0.01)
    # Ranks go together as the errors do: 0.8 from one step to the next.
    ranks = pd.DataFrame(paths).rank().to_numpy()
    expected = 0.8 ** np.abs(np.subtract.outer(np.arange(6), np.arange(6)))
    np.testing.assert_allclose(np.corrcoef(ranks.T), expected, atol=0.05)


def test_many_steps_are_kept_in_few_factors():
    rng = np.random.default_rng(2)
    made = Calibration.of(LEVELS, *wrong(rng, 200, steps=60, rho=0.99))
    assert made.loadings.shape == (60, 32)
    again = Calibration.from_json(made.to_json())
    paths = [
        one.paths(np.zeros((3, 60, 3)) + np.arange(3), np.random.RandomState(0))
        for one in (made, again)
    ]
    np.testing.assert_array_equal(*paths)


@given(
    st.integers(20, 80), st.integers(1, 8), st.integers(2, 6), st.floats(0.01, 0.5), st.booleans()
)
def test_no_step_is_learned_that_is_held_out(time, horizon, folds, held_out, cut):
    model = Forecaster(horizon=horizon, held_out=held_out)
    model.lookback_ = 4
    series = read_series(np.arange(float(time)))
    windows, seen = time - 4 - horizon + 1, []
    for fold in range(folds if cut else 1):
        (learned,), (held,) = model._ends(series, fold, folds if cut else 1)
        assert not set(learned) & set(held)
        steps = [{e + h for e in ends for h in range(horizon)} for ends in (learned, held)]
        if windows - len(held) > 3 * horizon:
            assert not steps[0] & steps[1]
        seen += list(held)
    assert seen == sorted(set(seen))
    assert len(seen) == windows if cut else len(seen) == int(windows * held_out)


def unfitted(horizon=6, lookback=24, **more):
    model = Forecaster(horizon=horizon, **more)
    model.lookback_ = lookback
    return model


def seasons(time=160):
    """A trend, a season of 12 that grows with it, and a little noise."""
    t = np.arange(time)
    noise = np.random.default_rng(0).normal(size=time)
    return np.exp(0.01 * t + 0.3 * np.sin(2 * np.pi * t / 12) + 0.01 * noise)


@pytest.mark.parametrize("name", BASELINES)
def test_baselines_forecast_and_see_nothing_to_come(name):
    if name == "exponential smoothing":
        pytest.importorskip("statsmodels", reason="needs pip install 'tapehead[baselines]'")
    x, model = seasons(), unfitted()
    spoiled = np.where(np.arange(160) >= 140, 9.0, x)
    whole, other = (read_series(one)[0] for one in (x, spoiled))
    for one in (whole, other):
        one.unit = 1.0
    ahead = BASELINES[name](model, [whole.until(130)], 12)
    origins = np.array([130, 137, 140])
    found = ahead(0, whole, origins)
    np.testing.assert_array_equal(ahead(0, other, origins), found)
    truth = x[origins[:, None] + np.arange(6)]
    error = np.mean(np.abs(found - truth) / truth)
    assert error < {"constant": 1.0, "seasonal naive": 0.15}.get(name, 0.07)


def test_exponential_smoothing_forecasts_as_its_library_does():
    ets = pytest.importorskip(
        "statsmodels.tsa.exponential_smoothing.ets", reason="needs 'tapehead[baselines]'"
    )
    x = np.log(seasons()) + 1 - 3 * (np.arange(160) == 50)  # not above 0: no logarithm
    whole = read_series(x)[0]
    found = BASELINES["exponential smoothing"](unfitted(30), [whole.until(130)], 12)
    kind = {"trend": "add", "damped_trend": True, "seasonal": "add", "seasonal_periods": 12}
    own = ets.ETSModel(x[:130], **kind, initialization_method="heuristic").fit(disp=False)
    np.testing.assert_allclose(found(0, whole, np.array([130]))[0], own.forecast(30), rtol=1e-9)


def test_diebold_mariano_by_hand():
    gains = np.array([1.0, 2.0, 4.0, 1.0])
    assert diebold_mariano(gains) == pytest.approx(2 / np.sqrt(6 / 3 / 4))
    apart = gains - 2
    more = 6 + 2 * 0.5 * float(apart[1:] @ apart[:-1])
    assert diebold_mariano(gains, 1) == pytest.approx(2 / np.sqrt(more / 3 / 4))
    assert np.isnan(diebold_mariano(gains[:1]))


def test_a_report_says_what_a_network_does_not_beat():
    scores = pd.DataFrame(
        {"MAE": [2.0, 5.0, 2.1, 1.9], "DM": [np.nan, 5.0, 0.3, -0.3]},
        index=["model", "naive", "smoothing", "constant"],
    )
    said = verdict(scores)
    assert "The network errs less than naive." in said
    assert "less than smoothing too, but by less than two standard errors" in said
    assert "The network is no better than constant." in said
    assert "no better" not in verdict(scores[:2])


def test_mistakes_of_baselines_and_paths_are_named():
    series, rng = read_series(np.arange(60.0))[0], np.random.RandomState(0)
    plain, bare = unfitted(quantiles=None), unfitted()
    with pytest.raises(UserError, match="sample paths want quantiles beside"):
        plain.paths_after(series, 3, rng)
    bare.calibration_ = Calibration.none(LEVELS, 6)
    with pytest.raises(UserError, match="sample paths want windows that were held out"):
        bare.paths_after(series, 3, rng)
    with pytest.raises(UserError, match="unknown baseline 'seasonal navie'; did you mean"):
        backtest(bare, series.values, fitted=True, baselines=["seasonal navie"])
    with pytest.raises(UserError, match="19 windows are too few for folds=99"):
        Forecaster(folds=99).fit(series.values)
