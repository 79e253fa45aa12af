"""`fit`, `predict` and `inspect`: from a table to a model, a page and answers."""

import io

import numpy as np
import pandas as pd
import pytest

from tapehead.cli import main

FAST = ["--updates", "60", "--size", "small", "--model", "elman", "--quiet"]


@pytest.fixture
def told(capsys):
    def run(*words):
        status = main([str(word) for word in words])
        shown = capsys.readouterr()
        assert status == 0, shown.err
        return shown.out

    return run


def table_of(rng, count=60):
    rows = [
        (f"s{n}", t, rng.normal(), rng.choice(["a", "b"]))
        for n in range(count)
        for t in range(rng.integers(3, 10))
    ]
    table = pd.DataFrame(rows, columns=["id", "t", "x", "kind"])
    table["label"] = np.where(table.groupby("id").x.transform("mean") > 0, "up", "down")
    return table


def test_classify_from_a_long_table(told, tmp_path):
    table = table_of(np.random.default_rng(0))
    table.to_parquet(tmp_path / "t.parquet")
    words = ["--target", "label", "--id", "id", "--time", "t", "--out", tmp_path / "m"]
    shown = told("fit", "classify", tmp_path / "t.parquet", *words, *FAST)
    assert "the most frequent class" in shown
    page = (tmp_path / "m" / "report.html").read_text()
    for part in ("Confusion matrix", "Learning curve", "60", "tapehead fit classify"):
        assert part in page
    answers = pd.read_csv(io.StringIO(told("predict", tmp_path / "m", tmp_path / "t.parquet")))
    assert list(answers.columns) == ["id", "prediction", "p(down)", "p(up)"]
    assert answers.id.tolist() == table.id.unique().tolist()
    np.testing.assert_allclose(answers["p(down)"] + answers["p(up)"], 1, rtol=1e-5)
    shown = told("inspect", tmp_path / "m")
    assert "SequenceClassifier" in shown
    assert "a, b" in shown


@pytest.mark.slow
def test_forecast_from_csv(told, tmp_path):
    t = np.arange(120)
    dates = pd.date_range("2000-01-01", periods=120, freq="MS")
    table = pd.DataFrame({"month": dates, "sold": 5 + np.sin(2 * np.pi * t / 12)})
    table.to_csv(tmp_path / "t.csv", index=False)
    words = ["--time", "month", "--horizon", "3", "--season", "12", "--out", tmp_path / "m"]
    shown = told("fit", "forecast", tmp_path / "t.csv", *words, *FAST)
    assert "seasonal naive" in shown
    assert "The network " in shown
    assert "gradient boosting" in (tmp_path / "m" / "report.html").read_text()
    assert "<svg" in (tmp_path / "m" / "report.html").read_text()
    told("predict", tmp_path / "m", "--out", tmp_path / "f.csv")
    found = pd.read_csv(tmp_path / "f.csv")
    assert found.time.tolist() == ["2010-01-01", "2010-02-01", "2010-03-01"]
    assert list(found.columns) == ["series", "time", "q0.1", "q0.5", "q0.9"]
    assert "looks back on" in told("inspect", tmp_path / "m")
    paths = pd.read_csv(io.StringIO(told("predict", tmp_path / "m", "--paths", "2")))
    assert list(paths.columns) == [*found.columns, "path 1", "path 2"]
