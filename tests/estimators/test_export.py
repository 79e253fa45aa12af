"""Exported files run without tapehead, and give the estimator's own numbers."""

import importlib.util
import json
import os
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from exported_functions import ONNX, opened, padded
from quick_estimators import QUICK, signs, walks

from tapehead.cli import main
from tapehead.errors import UserError
from tapehead.estimators import SequenceClassifier, SequenceRegressor

WITHOUT = """
import json, sys
import jax, numpy as np
exported = jax.export.deserialize(bytearray(open(sys.argv[1], "rb").read()))
given = np.load(sys.argv[2])
answers = exported.call(given["x"], given["present"])[0]
assert not any(name.startswith(("tapehead", "equinox", "sklearn")) for name in sys.modules)
np.save(sys.argv[3], answers)
"""


def expect_alike(model, X, folder, suffix, tolerance=1e-5):
    """The batch function and the step give what `predict` gives, or `predict_proba`."""
    wanted = getattr(model, "predict_proba", model.predict)(X)
    model.export(folder / f"batch{suffix}")
    model.export(folder / f"step{suffix}", what="step")
    x, present = padded(X)
    found = opened(folder / f"batch{suffix}")(x, present)[0]
    np.testing.assert_allclose(found, wanted, rtol=tolerance, atol=tolerance)

    about = json.loads((folder / f"step{suffix}.json").read_text())
    shapes = [
        [len(X) if axis == "batch" else axis for axis in one["shape"]] for one in about["inputs"]
    ]
    # What the state holds before a sequence begins does not matter.
    state = [np.ones(s, one["dtype"]) for s, one in zip(shapes, about["inputs"], strict=True)][2:]
    call, ends = opened(folder / f"step{suffix}"), np.zeros_like(wanted)
    for time in range(x.shape[1]):
        answers, *state = call(x[:, time], np.full(len(X), time == 0), *state)
        here = np.array([len(one) == time + 1 for one in X])
        ends[here] = answers[here]
    np.testing.assert_allclose(ends, wanted, rtol=tolerance, atol=tolerance)


def test_stablehlo_gives_the_same_numbers(regressor, gappy, tmp_path):
    regressor.export(tmp_path / "m.stablehlo")
    found = opened(tmp_path / "m.stablehlo")(*padded(gappy))[0]
    np.testing.assert_allclose(found, regressor.predict(gappy), rtol=1e-5, atol=1e-5)


@pytest.mark.slow
def test_steps_of_stablehlo_give_the_same_numbers(regressor, gappy, tmp_path):
    expect_alike(regressor, gappy, tmp_path, ".stablehlo")


@pytest.mark.slow
def test_stablehlo_runs_where_there_is_no_tapehead(regressor, gappy, tmp_path):
    regressor.export(tmp_path / "batch.stablehlo")
    x, present = padded(gappy)
    np.savez(tmp_path / "x.npz", x=x, present=present)
    paths = [str(tmp_path / name) for name in ("batch.stablehlo", "x.npz", "y.npy")]
    bare = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    subprocess.run([sys.executable, "-c", WITHOUT, *paths], check=True, env=bare)
    np.testing.assert_allclose(np.load(paths[2]), regressor.predict(gappy), rtol=1e-5, atol=1e-5)


@pytest.mark.slow
def test_categories_are_numbers_of_the_sidecar(tmp_path):
    rng = np.random.default_rng(0)
    rows = [
        (n, t, rng.normal(), "xy"[rng.integers(2)], rng.normal())
        for n in range(12)
        for t in range(4)
    ]
    table = pd.DataFrame(rows, columns=["id", "t", "a", "kind", "b"])
    model = SequenceClassifier(**QUICK, id="id", time="t").fit(table, np.arange(12) % 3)
    model.export(tmp_path / "m.stablehlo")
    about = json.loads((tmp_path / "m.stablehlo.json").read_text())
    assert (about["columns"], about["classes"]) == (["a", "kind", "b"], ["0", "1", "2"])
    places = {name: place for place, name in enumerate(about["categories"]["kind"])}
    numbers = table.assign(kind=table.kind.map(places))[about["columns"]].to_numpy(np.float32)
    call = opened(tmp_path / "m.stablehlo")
    found = call(numbers.reshape(12, 4, 3), np.ones((12, 4), bool))[0]
    np.testing.assert_allclose(found, model.predict_proba(table), rtol=1e-5)


@pytest.mark.slow
def test_text_and_answers_at_every_step(tmp_path):
    texts = ["a b a", "b b", "a", "b a b a"]
    model = SequenceClassifier(**QUICK, each_step=True, ensemble=2)
    model.fit(texts, [[0, 1, 0], [1, 1], [0], [1, 0, 1, 0]])
    model.export(tmp_path / "m.stablehlo")
    about = json.loads((tmp_path / "m.stablehlo.json").read_text())
    coded = [np.array([about["symbols"].index(w) for w in one.split()]) for one in texts]
    x, present = padded(coded)
    found = opened(tmp_path / "m.stablehlo")(x.astype(np.int32), present)[0]
    for one, wanted in zip(found, model.predict_proba(texts), strict=True):
        np.testing.assert_allclose(one[: len(wanted)], wanted, rtol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("model", ["lstm", "mingru", "gru", "s5", "dnc"])
def test_stablehlo_of_other_networks(model, gappy, sums, tmp_path):
    fitted = SequenceRegressor(**QUICK | {"model": model, "max_updates": 3}).fit(gappy, sums)
    expect_alike(fitted, gappy, tmp_path, ".stablehlo")


@ONNX
@pytest.mark.slow
@pytest.mark.parametrize("model", ["mingru", "lstm"])
@pytest.mark.parametrize("kind", [SequenceRegressor, SequenceClassifier])
def test_onnx_gives_the_same_numbers(kind, model, gappy, sums, tmp_path):
    answers = sums if kind is SequenceRegressor else sums > np.median(sums)
    fitted = kind(**QUICK | {"model": model, "max_updates": 3}).fit(gappy, answers)
    expect_alike(fitted, gappy, tmp_path, ".onnx")


@ONNX
@pytest.mark.slow
def test_onnx_that_cannot_be_is_refused_in_one_line(gappy, sums, tmp_path):
    model = SequenceRegressor(**QUICK | {"model": "s5", "max_updates": 3}).fit(gappy, sums)
    with pytest.raises(UserError, match=r"S5 cannot be written as onnx .*stablehlo") as told:
        model.export(tmp_path / "m.onnx")
    assert "\n" not in str(told.value)
    assert not list(tmp_path.iterdir())


def test_without_the_converter_onnx_says_what_to_install(regressor, tmp_path, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"pip install 'tapehead\[onnx\]'"):
        regressor.export(tmp_path / "m.onnx")


def test_the_command_line_exports_and_refuses(regressor, tmp_path, capsys):
    regressor.save(tmp_path / "m")
    assert main(["export", str(tmp_path / "m"), "--to", str(tmp_path / "m.stablehlo")]) == 0
    assert (tmp_path / "m.stablehlo").stat().st_size > 1000
    wrong = {
        ("--to", str(tmp_path / "m.pb")): "m.pb must end in .stablehlo or .onnx",
        ("--to", str(tmp_path / "m.onnx"), "--what", "all"): "--what",
        ("--to", str(tmp_path / "no" / "m.stablehlo")): "cannot write",
        (): "--to",
    }
    for words, message in wrong.items():
        assert main(["export", str(tmp_path / "m"), *words]) == 2
        told = capsys.readouterr().err
        assert message in told
        assert told.count("\n") == 1


@pytest.mark.slow
def test_what_has_no_step_is_refused(tmp_path):
    both = SequenceClassifier(**QUICK | {"max_updates": 1})
    from tapehead.models import MODELS

    both.set_params(model=MODELS["gru"](hidden=4, bidirectional=True)).fit(walks(), signs(walks()))
    both.export(tmp_path / "m.stablehlo")
    with pytest.raises(UserError, match="what='batch'"):
        both.export(tmp_path / "s.stablehlo", what="step")
