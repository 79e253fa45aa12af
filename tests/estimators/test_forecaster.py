"""Forecasts: what is read, what comes out, and how it is measured."""

import numpy as np
import pandas as pd
import pytest

from tapehead.estimators import Forecaster, backtest, load
from tapehead.estimators.measures import coverage, mase, pinball, smape
from tapehead.estimators.series import calendar, filled, read_series, times_ahead

QUICK = {
    "model": "elman",
    "size": "small",
    "horizon": 4,
    "lookback": 12,
    "max_updates": 150,
    "batch": 32,
    "learning_rate": 1e-2,
    "random_state": 0,
}


def waves(count=3, time=120):
    """Sines of one period and different phases and levels, with a little noise."""
    rng = np.random.default_rng(0)
    t = np.arange(time)
    shapes = [10**k * (3 + np.sin(2 * np.pi * (t / 12 + k / 3))) for k in range(count)]
    return [x + 0.02 * np.std(x) * rng.normal(size=time) for x in shapes]


@pytest.fixture(scope="module")
def model():
    return Forecaster(**QUICK).fit(waves())


def test_waves_go_on(model):
    long = waves(time=124)
    for k, (forecast, truth) in enumerate(zip(model.predict(), long, strict=True)):
        assert np.abs(forecast - truth[120:]).max() < 0.3 * 10**k


def test_quantiles_rise_and_the_median_is_the_prediction(model):
    found = model.predict_quantiles()
    assert found.shape == (3, 4, 3)
    assert (np.diff(found, axis=-1) >= 0).all()
    np.testing.assert_array_equal(found[..., 1], model.predict())


def test_the_end_of_a_series_is_all_that_is_read(model):
    X = waves()
    short = [x[-12:] for x in X]
    units = [np.std(x) / np.std(s) for x, s in zip(X, short, strict=True)]
    np.testing.assert_allclose(units, 1, atol=0.1)  # the unit's floor is the series' own
    np.testing.assert_allclose(model.predict(short), model.predict(X), rtol=1e-2)
    array = np.stack(X, axis=1)
    np.testing.assert_array_equal(model.predict(array), model.predict(X))


def test_paths_are_drawn_around_the_median(model):
    paths = model.sample_paths(200)
    assert paths.shape == (3, 200, 4)
    np.testing.assert_array_equal(model.sample_paths(200), paths)
    assert (model.sample_paths(200, random_state=1) != paths).all()
    low, middle, high = np.moveaxis(model.predict_quantiles(), -1, 0)
    np.testing.assert_array_less(np.abs(np.median(paths, axis=1) - middle), high - low)
    held = np.mean((low[:, None] <= paths) & (paths <= high[:, None]))
    assert 0.75 < held < 0.85
    table = model.forecast(paths=2)
    assert table.columns.tolist()[-2:] == ["path 1", "path 2"]
    np.testing.assert_array_equal(table["path 2"], model.sample_paths(2)[:, 1].ravel())


def test_a_model_survives_its_files(model, tmp_path):
    model.save(tmp_path / "m")
    again = load(tmp_path / "m")
    np.testing.assert_array_equal(again.predict(), model.predict())
    assert again.forecast(paths=3).equals(model.forecast(paths=3))


def test_backtests_look_at_nothing_to_come(model):
    X = waves()
    marks = backtest(model, X, start=0.7, season=12, fitted=True).set_index(["series", "by"])
    for column in ("MSE", "MAE", "sMAPE", "MASE", "pinball", "coverage"):
        assert np.isfinite(marks.loc[("all", "model"), column])
    assert marks.loc[("all", "model"), "origins"] == 27
    one = model.read(X)[0]
    origins = np.array([84, 90])
    seen = model.ahead(one, origins)
    spoiled = model.read([np.where(np.arange(120) >= 90, 1e9, X[0])])[0]
    spoiled.unit = one.unit
    np.testing.assert_array_equal(model.ahead(spoiled, origins), seen)


@pytest.mark.slow
def test_recursive_forecasts_read_their_own_medians():
    made = Forecaster(**QUICK | {"at_once": 1, "max_updates": 150}).fit(waves())
    one = made.read(waves())[0]
    first = made.ahead(one, np.array([120]))[0]
    assert first.shape == (4, 3)
    longer = made.read([np.append(one.values, first[0, 1])])[0]
    longer.unit = one.unit
    np.testing.assert_allclose(made.ahead(longer, np.array([121]))[0][:3], first[1:], rtol=1e-5)
    # Paths spread on with each step that they have made up, which bands do not.
    spread = made.sample_paths(300)[0].std(axis=0)
    bands = np.ptp(first[:, ::2], axis=1)
    assert spread[3] / spread[0] > 1.2 * bands[3] / bands[0]


@pytest.mark.slow
def test_a_table_with_dates_and_covariates():
    """What is to come follows a column that is known ahead, and nothing else."""
    rng = np.random.default_rng(0)
    on = rng.integers(0, 2, 300).astype(float)
    dates = pd.date_range("2020-01-01", periods=300, freq="D")
    table = pd.DataFrame({"day": dates, "promotion": on, "sold": 10 + 5 * on})
    settings = QUICK | {"max_updates": 300, "segment": 2}
    made = Forecaster(**settings, time="day", target="sold", future=["promotion"])
    made.fit(table[:296])
    shown = made.forecast(future=table[296:])
    assert shown.time.tolist() == dates[296:].tolist()
    assert np.abs(shown["q0.5"] - table.sold[296:].to_numpy()).max() < 2
    with pytest.raises(ValueError, match="future covariates of 4 steps are needed"):
        made.forecast()


def test_ids_and_columns_are_series_of_their_own():
    table = pd.DataFrame({"id": ["a"] * 3 + ["b"] * 3, "t": [0, 1, 2] * 2, "x": range(6), "y": 1.0})
    found = read_series(table, id="id", time="t")
    assert [one.name for one in found] == ["x of a", "y of a", "x of b", "y of b"]
    np.testing.assert_array_equal(found[2].values, [3, 4, 5])


def test_times_go_on():
    months = pd.date_range("2020-01-01", periods=5, freq="MS").to_numpy()
    assert [str(t)[:10] for t in times_ahead(months, 2)] == ["2020-06-01", "2020-07-01"]
    np.testing.assert_allclose(times_ahead(np.array([0.0, 0.5, 1.0]), 2), [1.5, 2])
    assert calendar(months).shape == (5, 2)
    assert calendar(pd.date_range("2020", periods=9, freq="h").to_numpy()).shape == (9, 6)


def test_gaps_are_filled_with_what_came_before():
    np.testing.assert_array_equal(filled(np.array([np.nan, 1, np.nan, 3])), [1, 1, 1, 3])


def test_measures_by_hand():
    y, f = np.array([1.0, 3.0, 0.0]), np.array([2.0, 3.0, 0.0])
    assert smape(y, f) == pytest.approx(200 / 3 / 3)
    assert mase(y, f, np.array([0.0, 2.0, 4.0])) == pytest.approx(1 / 6)
    assert pinball(y, f, 0.1) == pytest.approx(0.9 / 3)
    assert coverage(y, f - 0.5, f + 0.5) == pytest.approx(2 / 3)
