"""Forecasters, generators, detectors and embedders as files give their own numbers.

Other settings and ONNX are slow: `python -m pytest -m slow tests/estimators/test_export_kinds.py`.
"""

import json

import numpy as np
import pandas as pd
import pytest
from exported_functions import ONNX, opened, padded
from quick_estimators import QUICK, walks

from tapehead.errors import UserError
from tapehead.estimators import AnomalyDetector, Forecaster, SequenceEmbedder, SequenceGenerator
from tapehead.estimators.series import calendar, times_ahead


def told(path):
    return json.loads(path.with_name(f"{path.name}.json").read_text())


def begun(path, lanes):
    """A state that does not matter, since a stream begins."""
    inputs = told(path)["inputs"][2:]
    return [np.ones([lanes, *one["shape"][1:]], one["dtype"]) for one in inputs]


# -- forecasters --------------------------------------------------------------------------------

BACK, AHEAD = 8, 5


def days(count):
    t = np.arange(count)
    return pd.DataFrame(
        {
            "day": pd.date_range("2024-01-01", periods=count),
            "sold": 50 + 5 * np.sin(t),
            "rain": np.cos(t),
            "offer": (t % 3 == 0) * 1.0,
        }
    )


def forecaster(**settings):
    return Forecaster(
        **{k: v for k, v in QUICK.items() if k != "held_out"},
        horizon=AHEAD,
        lookback=BACK,
        held_out=0.2,
        **settings,
    )


def test_a_forecast_from_a_file(tmp_path, untrained):
    """In blocks of its own medians, in segments, from dates and covariates, with a gap."""
    table, future = days(60), days(60 + AHEAD)[60:]
    table.loc[57, "sold"] = np.nan
    columns = {"time": "day", "target": "sold", "past": ["rain"], "future": ["offer"]}
    model = untrained(forecaster(at_once=2, segment=2, **columns), table)
    path = tmp_path / "m.stablehlo"
    model.export(path)
    about = told(path)
    assert [one["name"] for one in about["inputs"]] == ["x", "unit", "past", "known"]
    assert about["known"][0] == "offer"
    assert about["known"][1:3] == ["sine of the day of the year", "sine of the weekday"]
    when = np.concatenate([table.day, times_ahead(table.day.to_numpy(), AHEAD)])
    offers = np.concatenate([table.offer, future.offer])
    known = np.concatenate([offers[:, None], calendar(when)], axis=1)[-BACK - AHEAD :]
    given = [
        table.sold[-BACK:].to_numpy()[None],
        [about["units"]["sold"]],
        table.rain[-BACK:].to_numpy()[None, :, None],
        known[None],
    ]
    (found,) = opened(path)(*(np.asarray(one, np.float32) for one in given))
    np.testing.assert_allclose(found, model.predict_quantiles(future=future), rtol=1e-4)
    with pytest.raises(UserError, match=r"reads windows, not single steps; take what='batch'"):
        model.export(path, what="step")


@ONNX
@pytest.mark.slow
@pytest.mark.parametrize("suffix", [".stablehlo", ".onnx"])
@pytest.mark.parametrize("quantiles", [None, (0.2, 0.5)])
def test_many_series_at_once(suffix, quantiles, tmp_path, untrained):
    rng = np.random.default_rng(0)
    series = [np.cumsum(rng.normal(size=40)) * 10**n for n in range(4)]
    model = untrained(forecaster(quantiles=quantiles, ensemble=2), series)
    series[1][-BACK:-5] = np.nan
    model.export(tmp_path / f"m{suffix}")
    x = np.stack([one[-BACK:] for one in series]).astype(np.float32)
    units = np.array([np.nanstd(one) for one in series], np.float32)
    # What is missing at the beginning of a window is not known from before it.
    series[1][:-5] = series[1][-5]
    (found,) = opened(tmp_path / f"m{suffix}")(x[[0, 2, 3]], units[[0, 2, 3]])
    wanted = model.predict_quantiles([series[n] for n in (0, 2, 3)])
    np.testing.assert_allclose(found, wanted, rtol=1e-3, atol=1e-3)


# -- generators ---------------------------------------------------------------------------------

NAMES = ["anna", "hanna", "johanna", "otto"] * 5


@pytest.fixture(scope="module")
def named(untrained):
    return untrained(SequenceGenerator(**QUICK), NAMES)


def likelihoods(model, path):
    """Of all names and of their symbols, from a file."""
    model.export(path)
    x, present = padded([np.append(model.alphabet_.encode(one), 0) for one in NAMES[:4]])
    return opened(path)(x.astype(np.int32), present)


def expect_likelihoods(model, path):
    each, whole = likelihoods(model, path)
    np.testing.assert_allclose(whole, model.score_samples(NAMES[:4]), rtol=1e-4)
    for found, wanted in zip(each, model.log_likelihoods(NAMES[:4]), strict=True):
        np.testing.assert_allclose(found[: len(wanted)], wanted, rtol=1e-4)
        assert not found[len(wanted) :].any()


def expect_symbols(model, path):
    """A symbol at a time says what the batch says."""
    model.export(path, what="step")
    call, state, symbols = opened(path), begun(path, 2), told(path)["symbols"]
    words = ["anna", "otto"]
    read, found = np.zeros(2, np.int32), np.zeros((2, 5))
    for place in range(5):
        following, *state = call(read, np.full(2, place == 0), *state)
        here = [word[place] if place < 4 else None for word in words]
        read = np.array([symbols.index(one) for one in here], np.int32)
        found[:, place] = following[[0, 1], read]
    np.testing.assert_allclose(np.exp(following).sum(axis=1), 1, rtol=1e-5)
    np.testing.assert_allclose(found, model.log_likelihoods(words), rtol=1e-4)


def test_likelihoods_from_a_file(named, tmp_path):
    expect_likelihoods(named, tmp_path / "m.stablehlo")


@pytest.mark.slow
def test_symbols_from_a_file(named, tmp_path):
    expect_symbols(named, tmp_path / "s.stablehlo")


@ONNX
@pytest.mark.slow
def test_a_generator_in_onnx(tmp_path, untrained):
    model = untrained(SequenceGenerator(**QUICK | {"model": "gru"}), NAMES)
    expect_likelihoods(model, tmp_path / "m.onnx")
    expect_symbols(model, tmp_path / "s.onnx")


@pytest.mark.slow
def test_numbers_of_an_alphabet_are_told(tmp_path, untrained):
    X = np.random.default_rng(0).normal(size=(9, 6))
    model = untrained(SequenceGenerator(**QUICK, levels=4), X)
    model.export(tmp_path / "m.stablehlo")
    about = told(tmp_path / "m.stablehlo")
    assert about["symbols"] == [None, "<unk>", *model.alphabet_.values]
    assert about["edges"] == model.alphabet_.edges


# -- detectors ----------------------------------------------------------------------------------


def gaps():
    """Sequences of different lengths, in which a number or a whole step is missing."""
    X = walks(6, seed=1)
    X[0][1, 0] = np.nan
    X[1][2] = np.nan
    X[3][0] = np.nan
    return X


def expect_scores(model, X, path):
    model.export(path)
    whole, steps, surprise = opened(path)(*padded(X))
    np.testing.assert_allclose(whole, model.score_samples(X), rtol=1e-3)
    pairs = zip(X, steps, surprise, model.score_steps(X), model.surprise(X), strict=True)
    for one, step, column, wanted, by_column in pairs:
        np.testing.assert_allclose(step[: len(one)], wanted, rtol=1e-3, atol=1e-4)
        np.testing.assert_allclose(column[: len(one)], by_column, rtol=1e-3, atol=1e-4)
        assert np.isnan(step[len(one) :]).all()


def expect_watching(model, X, path):
    """The observations of several streams, one after another."""
    model.export(path, what="step")
    call, state, x = opened(path), begun(path, len(X)), padded(X)[0]
    for place in range(x.shape[1]):
        scores, _, *state = call(x[:, place], np.full(len(X), place == 0), *state)
        for one, score, wanted in zip(X, scores, model.score_steps(X), strict=True):
            if place < len(one):
                np.testing.assert_allclose(score, wanted[place], rtol=1e-3, atol=1e-4)


@pytest.fixture(scope="module")
def watcher(untrained):
    model = AnomalyDetector(**QUICK | {"held_out": 0.2}, missing="indicator")
    return untrained(model, walks(60))


def test_scores_from_a_file(watcher, tmp_path):
    expect_scores(watcher, gaps(), tmp_path / "m.stablehlo")
    about = told(tmp_path / "m.stablehlo")
    assert about["outputs"] == ["scores", "step_scores", "surprise"]
    assert about["limits"]["steps"]["value"] == watcher.step_limit_.value


@pytest.mark.slow
def test_watching_from_a_file(watcher, tmp_path):
    expect_watching(watcher, gaps(), tmp_path / "s.stablehlo")


@ONNX
@pytest.mark.slow
def test_a_detector_in_onnx(watcher, tmp_path):
    expect_scores(watcher, gaps(), tmp_path / "m.onnx")
    expect_watching(watcher, gaps(), tmp_path / "s.onnx")


@pytest.mark.slow
def test_words_and_the_lowest_step(tmp_path, untrained):
    rng = np.random.default_rng(0)
    rows = [(n, t, rng.normal(), "xyz"[rng.integers(3)]) for n in range(20) for t in range(6)]
    table = pd.DataFrame(rows, columns=["id", "t", "a", "kind"])
    model = AnomalyDetector(**QUICK, id="id", time="t", whole="lowest", ensemble=2)
    untrained(model, table)
    model.export(tmp_path / "m.stablehlo")
    about = told(tmp_path / "m.stablehlo")
    places = {name: place for place, name in enumerate(about["categories"]["kind"])}
    numbers = table.assign(kind=table.kind.map(places))[about["columns"]].to_numpy(np.float32)
    found = opened(tmp_path / "m.stablehlo")(numbers.reshape(20, 6, 2), np.ones((20, 6), bool))
    np.testing.assert_allclose(found[0], model.score_samples(table), rtol=1e-3)
    np.testing.assert_allclose(found[2], model.surprise(table), rtol=1e-3, atol=1e-4)


@pytest.fixture(scope="module")
def rebuilder(untrained):
    settings = QUICK | {"held_out": 0.2}
    model = AnomalyDetector(**settings, method="reconstruction", window=16)
    return untrained(model, walks(60))


@ONNX
@pytest.mark.slow
def test_what_is_rebuilt_is_no_onnx(rebuilder, tmp_path):
    with pytest.raises(UserError, match=r"cannot be written as onnx .* write a .stablehlo file"):
        rebuilder.export(tmp_path / "m.onnx")
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_what_is_rebuilt_from_a_file(rebuilder, tmp_path):
    expect_scores(rebuilder, gaps(), tmp_path / "m.stablehlo")
    assert told(tmp_path / "m.stablehlo")["constraints"] == ["time <= 16"]
    with pytest.raises(ValueError, match="shapes"):  # of more steps than a window has
        opened(tmp_path / "m.stablehlo")(np.zeros((1, 17, 2), np.float32), np.ones((1, 17), bool))
    with pytest.raises(UserError, match="a reconstruction begins at a sequence's end"):
        rebuilder.export(tmp_path / "s.stablehlo", what="step")


# -- embedders ----------------------------------------------------------------------------------


@pytest.mark.slow
def test_vectors_from_a_file(tmp_path, untrained):
    X = gaps()
    model = untrained(SequenceEmbedder(**QUICK, dimensions=3, ensemble=2), X)
    model.export(tmp_path / "m.stablehlo")
    (found,) = opened(tmp_path / "m.stablehlo")(*padded(X))
    np.testing.assert_allclose(found, model.transform(X), rtol=1e-4, atol=1e-5)
