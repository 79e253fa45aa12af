"""Every mistake is told in one line, and nothing is half-written."""

import json
import random

import numpy as np
import pandas as pd
import pytest
from quick_estimators import QUICK, signs, walks

from tapehead.cells import LSTM
from tapehead.cli import main
from tapehead.errors import UserError
from tapehead.estimators import Forecaster, SequenceClassifier, SequenceRegressor, backtest, load
from tapehead.estimators.measures import mase
from tapehead.estimators.sound import log_mel
from tapehead.estimators.tables import read_table

X = walks(12)
Y = signs(X)
FLAT = np.arange(24.0).reshape(6, 4)
TABLE = pd.DataFrame(
    {"id": list("aabb"), "t": [0, 1, 0, 1], "x": [1.0, 2, 3, 4], "y": [0, 0, 1, 1]}
)


def classifier(**settings):
    return SequenceClassifier(**QUICK | settings)


def long(**settings):
    return classifier(id="id", time="t", **settings)


def with_column(name, values):
    return TABLE.assign(**{name: values})


@pytest.fixture(scope="module")
def fitted():
    return classifier().fit(walks(), signs(walks()))


@pytest.fixture(scope="module")
def on_table():
    table = pd.concat([TABLE.assign(id=TABLE.id + str(n), c="k") for n in range(6)])
    return long().fit(table, "y")


@pytest.fixture
def saved(fitted, tmp_path):
    fitted.save(tmp_path / "model")
    return tmp_path / "model"


FIT = {
    "no sequences": (lambda: classifier().fit([], []), "array"),
    "an empty sequence": (lambda: classifier().fit([*X[:-1], X[0][:0]], Y), "X: sequence 11 is em"),
    "no columns": (lambda: classifier().fit([x[:, :0] for x in X], Y), "X: sequences have no col"),
    "uneven columns": (
        lambda: classifier().fit([*X[:-1], np.zeros((3, 5))], Y),
        "X: sequence 11 has 5 columns where sequence 0 has 2",
    ),
    "three axes in one": (
        lambda: classifier().fit([x[None] for x in X], Y),
        "should be (time, col",
    ),
    "four axes": (lambda: classifier().fit(np.zeros((6, 2, 2, 2)), range(6)), "got shape (6, 2, 2"),
    "words for numbers": (
        lambda: classifier().fit([[["a"]], [["b"], ["c"]]], [0, 1]),
        "not an arr",
    ),
    "infinity": (
        lambda: classifier().fit([X[0] * np.inf, *X[1:]], Y),
        "X: contains infinity, in c",
    ),
    "missing refused": (
        lambda: classifier(missing="refuse").fit([X[0] * np.nan, *X[1:]], Y),
        "X: contains NaN, in column 0; set missing='mean' to let it pass",
    ),
    "missing throughout": (
        lambda: classifier().fit([x * [np.nan, 1] for x in X], Y),
        "X: column 0 is missing throughout",
    ),
    "too few answers": (lambda: classifier().fit(X, Y[:-1]), "y: has 11 answers, where X has 12"),
    "no answers": (lambda: classifier().fit(X, None), "requires y to be passed"),
    "one class": (
        lambda: classifier().fit(X, ["up"] * 12),
        "SequenceClassifier: y holds only one class, 'up'; there is nothing to tell apart",
    ),
    "one class with weight": (
        lambda: classifier().fit(X, Y, sample_weight=Y == "up"),
        "only one class has weight, 'up'",
    ),
    "numbers for classes": (lambda: classifier().fit(X, np.linspace(0, 1, 12)), "Unknown label ty"),
    "words for values": (lambda: SequenceRegressor(**QUICK).fit(X, Y), "could not convert string"),
    "infinite values": (lambda: SequenceRegressor(**QUICK).fit(X, [np.inf] * 12), "infinity"),
    "weights of another length": (
        lambda: classifier().fit(X, Y, sample_weight=[1, 2]),
        "sample_weight.shape == (2,), expected (12,): one for each sequence",
    ),
    "weights below zero": (lambda: classifier().fit(X, Y, sample_weight=[-1] * 12), "from 0 on"),
    "weights that are words": (lambda: classifier().fit(X, Y, sample_weight=Y), "expected numbers"),
    "steps without answers": (
        lambda: classifier(each_step=True).fit(X, [np.zeros(2)] * 12),
        "y: sequence 0 has",
    ),
    "an unknown model": (lambda: classifier(model="lstn").fit(X, Y), "did you mean 'lstm'?"),
    "a model of no kind": (lambda: classifier(model=3).fit(X, Y), "a Model or a Cell, got int"),
    "a cell of another size": (
        lambda: classifier(model=LSTM(3, 4, key=__import__("jax").random.key(0))).fit(X, Y),
        "model: the cell takes 3 features, but there are 2 to be read; build it with input_size 2",
    ),
    "an unknown size": (lambda: classifier(size="huge").fit(X, Y), "one of small, medium, large"),
    "an unknown missing": (
        lambda: classifier(missing="zero").fit(X, Y),
        "must be one of mean, ind",
    ),
    "an unknown text": (lambda: classifier(text="lines").fit(["a", "b"], [0, 1]), "words, charact"),
    "no updates": (lambda: classifier(max_updates=0).fit(X, Y), "max_updates must be at least 1"),
    "no batch": (lambda: classifier(batch=0).fit(X, Y), "batch must be at least 1, got 0"),
    "no networks": (lambda: classifier(ensemble=0).fit(X, Y), "ensemble must be at least 1"),
    "all held out": (lambda: classifier(held_out=1.0).fit(X, Y), "held_out must be at least 0 and"),
    "an unknown weight": (lambda: classifier(class_weight="some").fit(X, Y), "class_weight: "),
    "text among numbers": (
        lambda: classifier().fit(["a", 3], [0, 1]),
        "X: sequence 1 should be te",
    ),
    "an empty text": (lambda: classifier().fit(["a", " "], [0, 1]), "X: text 1 is empty"),
    "a column of no table": (lambda: classifier().fit(X, "y"), "y: 'y' can name a column of a tab"),
    "a wide table with words": (
        lambda: classifier().fit(TABLE.drop(columns="y"), TABLE.y),
        "table: column 'id' is not numbers; in a table without id and time",
    ),
    "no such id": (
        lambda: classifier(id="idd").fit(TABLE, "y"),
        "table: has no column 'idd' for the id; did you mean 'id'?",
    ),
    "no such time": (lambda: classifier(id="id", time="u").fit(TABLE, "y"), "'u' for the time"),
    "no such target": (lambda: long().fit(TABLE, "z"), "no column 'z' for the target"),
    "a row without id": (
        lambda: long().fit(with_column("id", ["a", None, "b", "b"]), "y"),
        "row 2",
    ),
    "two rows of one time": (
        lambda: long().fit(with_column("t", [0, 0, 0, 1]), "y"),
        "table: 'a' has two rows at time 0; keep one of them",
    ),
    "no time": (
        lambda: long().fit(with_column("t", ["0", "noon", "x", "1"]), "y"),
        "in column 't', row",
    ),
    "a target that changes": (
        lambda: long().fit(with_column("y", [0, 1, 1, 1]), "y"),
        "table: the target of 'a' changes from '0'; set each_step=True",
    ),
    "an id without an answer": (
        lambda: long().fit(TABLE.drop(columns="y"), pd.Series([0], index=["a"])),
        "y: has no answer for 'b'",
    ),
    "an empty table": (lambda: long().fit(TABLE[:0], "y"), "table: has no rows"),
    "nothing but ids": (
        lambda: long().fit(TABLE[["id", "t", "y"]], "y"),
        "no columns to learn fro",
    ),
    "dates as columns": (
        lambda: long().fit(with_column("x", pd.date_range("2020", periods=4)), "y"),
        "table: column 'x' holds dates; name it as the time, or drop it",
    ),
}

PREDICT = {
    "another number of columns": (
        lambda m: m.predict([np.zeros((3, 5))]),
        "X: has 5 columns, where",
    ),
    "rows for sequences": (
        lambda m: m.predict(FLAT),
        "X has rows of numbers, (samples, time), whe",
    ),
    "texts for sequences": (lambda m: m.predict(["a"]), "X has texts, where fit had sequences"),
    "an unknown class": (lambda m: m.partial_fit(X, ["ups"] * 12), "did you mean 'up'?"),
    "too much at a time": (
        lambda m: m.stream().feed([1, 2, 3]),
        "stream: expected 2 numbers an obs",
    ),
    "a word at a time": (lambda m: m.stream().feed(["a", "b"]), "stream: expected numbers, got"),
    "no lanes": (lambda m: m.stream(lanes=0), "stream: lanes must be at least 1, got 0"),
    "another number of lanes": (lambda m: m.stream(lanes=3).feed(np.zeros((2, 2))), "shape (3, 2)"),
    "no stream there": (lambda m: m.stream(path="/nowhere/s"), "cannot read /nowhere/s: No such"),
}

SERIES = {
    "too short": (
        lambda: Forecaster(horizon=10).fit(np.arange(12.0)),
        "a series has 12 steps, too f",
    ),
    "text": (lambda: Forecaster().fit(["a", "b"]), "series: expected arrays of numbers"),
    "three axes": (
        lambda: Forecaster().fit(np.zeros((30, 2, 2))),
        "expected (time,) or (time, serie",
    ),
    "missing throughout": (lambda: Forecaster().fit(np.full(60, np.nan)), "is missing throughout"),
    "infinite": (lambda: Forecaster().fit(np.full(60, np.inf)), "series 0 contains infinity"),
    "columns of no table": (
        lambda: Forecaster(time="t").fit(np.zeros(60)),
        "a table is expected, go",
    ),
    "no numbers": (
        lambda: Forecaster().fit(pd.DataFrame({"a": ["x"] * 60})),
        "no column of numbers",
    ),
    "no horizon": (
        lambda: Forecaster(horizon=0).fit(np.arange(60.0)),
        "horizon must be at least 1",
    ),
    "falling quantiles": (
        lambda: Forecaster(quantiles=(0.9, 0.5)).fit(np.arange(60.0)),
        "quantiles must rise, between 0 and 1",
    ),
    "no median": (
        lambda: Forecaster(quantiles=(0.1,)).fit(np.arange(60.0)),
        "0.5 must be among the",
    ),
    "uneven segments": (
        lambda: Forecaster(horizon=2, lookback=7, segment=2).fit(np.arange(60.0)),
        "lookback must be a multiple of segment, got 7 and 2",
    ),
    "too long a past": (
        lambda: Forecaster(horizon=2, lookback=59).fit(np.arange(60.0)),
        "a series has 60 steps, too few to look back on 59 and forecast 2",
    ),
    "a start of 1": (lambda: backtest(Forecaster(), np.arange(60.0), start=1), "between 0 and 1"),
    "no season in sight": (
        lambda: mase(FLAT[0], FLAT[0], FLAT[0], 9),
        "longer than the season of 9",
    ),
    "a sound of two channels": (lambda: log_mel(np.zeros((9, 2)), 8000), "one channel, got shape"),
}


def refused(call, words):
    with pytest.raises(UserError) as raised:
        call()
    assert "\n" not in str(raised.value)
    assert words in str(raised.value)


@pytest.mark.parametrize("case", FIT)
def test_what_cannot_be_learned_from(case):
    refused(*FIT[case])


@pytest.mark.parametrize("case", PREDICT)
def test_what_cannot_be_answered(case, fitted):
    call, words = PREDICT[case]
    refused(lambda: call(fitted), words)


@pytest.mark.parametrize("case", SERIES)
def test_what_cannot_be_forecast(case):
    refused(*SERIES[case])


def test_tables_with_other_columns(on_table):
    given = TABLE.assign(c="k")
    refused(lambda: on_table.predict(given.rename(columns={"x": "xx"})), "did you mean 'xx'?")
    refused(lambda: on_table.predict(given.assign(z=1)), "a column 'z' that there was none of in f")
    refused(lambda: on_table.predict(given.assign(x=["a"] * 4)), "'x' held numbers in fit, and now")


def damaged(path, change):
    data = json.loads((path / "config.json").read_text())
    change(data)
    (path / "config.json").write_text(json.dumps(data))


FILES = {
    "truncated weights": (
        lambda p: (p / "weights.safetensors").write_bytes(
            (p / "weights.safetensors").read_bytes()[:-1]
        ),
        "weights.safetensors is damaged: its checksum differs",
    ),
    "no weights": (lambda p: (p / "weights.safetensors").unlink(), "cannot read"),
    "no config": (lambda p: (p / "config.json").unlink(), "is not a model: it has no config.json"),
    "half a config": (
        lambda p: (p / "config.json").write_text((p / "config.json").read_text()[:100]),
        "is damaged: not JSON",
    ),
    "a tampered config": (lambda p: damaged(p, lambda d: d.update(schema=2)), "checksum differs"),
}


@pytest.mark.parametrize("case", FILES)
def test_a_damaged_model_is_refused(saved, case):
    spoil, words = FILES[case]
    spoil(saved)
    refused(lambda: load(saved), words)


def resealed(path, **changes):
    """As somebody would who tampers with care."""
    from tapehead.training.storage import read_sealed, sealed

    data = read_sealed(path / "config.json") | changes
    (path / "config.json").write_bytes(sealed(data))


def test_newer_other_and_empty_models_are_refused(saved):
    resealed(saved, schema=99)
    refused(lambda: load(saved), "has schema 99, newer than this tapehead's 1: upgrade tapehead")
    resealed(saved, schema=1, learned={})
    refused(lambda: load(saved), "is damaged: KeyError")
    resealed(saved, estimator="os.system")
    refused(lambda: load(saved), "unknown estimator 'os.system'")
    resealed(saved, format="other")
    refused(lambda: load(saved), "is not of an estimator")


def test_a_folder_of_something_else_is_not_written_over(fitted, tmp_path):
    (tmp_path / "letter.txt").write_text("dear")
    refused(lambda: fitted.save(tmp_path), "holds no model: choose another place")
    assert [path.name for path in tmp_path.iterdir()] == ["letter.txt"]


def test_a_stream_of_another_model_is_refused(fitted, on_table, tmp_path):
    stream = fitted.stream()
    stream.feed([1.0, 2.0])
    stream.save(tmp_path / "s")
    assert fitted.stream(path=tmp_path / "s").steps == 1
    refused(lambda: on_table.stream(path=tmp_path / "s"), "is not of a stream of this model")
    refused(lambda: fitted.stream(lanes=2, path=tmp_path / "s"), "should be")
    (tmp_path / "s").write_bytes(b"x")
    refused(lambda: fitted.stream(path=tmp_path / "s"), "is damaged")


CSV = {
    "empty": (b"", "is empty"),
    "only a head": (b"a,b\n", "has no rows"),
    "a ragged row": (b"a,b\n1,2\n3\n", "line 3 has 1 fields where the head has 2"),
    "a long row": (b"a,b\n1,2,3\n", "line 2 has 3 fields where the head has 2"),
    "another encoding": (
        "naïve,b\n1,2\n".encode("latin-1"),
        "expected text in UTF-8, got byte 0xef",
    ),
    "two columns of one name": (b"a,a\n1,2\n", "has two columns 'a'"),
    "zeros": (b"\0\0\0", "has no rows"),
}


@pytest.mark.parametrize("case", CSV)
def test_a_csv_file_that_cannot_be_read(tmp_path, case):
    content, words = CSV[case]
    (tmp_path / "t.csv").write_bytes(content)
    refused(lambda: read_table(tmp_path / "t.csv"), words)


def test_other_files(tmp_path):
    (tmp_path / "t.parquet").write_bytes(b"PAR1")
    refused(lambda: read_table(tmp_path / "t.parquet"), "not a Parquet file")
    refused(lambda: read_table(tmp_path / "none.csv"), "is no file")
    refused(lambda: read_table(tmp_path / "t.xlsx"), "whose name ends in .csv, .csv.gz, .parquet")


def test_the_command_line_never_ends_in_a_traceback(saved, tmp_path, capsys):
    """Random tables, whole and broken, to fit and to predict."""
    draw = random.Random(0)
    pieces = [
        "1",
        "-2.5",
        "",
        "x",
        "nan",
        "inf",
        '"',
        ",",
        ",",
        "\n",
        "\n",
        "é",
        "id",
        "t",
        "2020-01-01",
    ]
    path, out = tmp_path / "t.csv", tmp_path / "out"
    for _ in range(150):
        head = ",".join(draw.sample(["id", "t", "a", "b", "y"], draw.randint(1, 5)))
        body = "".join(draw.choices(pieces, k=draw.randint(0, 20)))
        text = (head + "\n" + body).encode(draw.choice(["utf-8", "latin-1", "utf-16"]))
        path.write_bytes(text)
        words = draw.choice(
            [
                ["fit", "classify", path, "--target", "y", "--out", out],
                [
                    "fit",
                    "regress",
                    path,
                    "--target",
                    "y",
                    "--id",
                    "id",
                    "--time",
                    "t",
                    "--out",
                    out,
                ],
                ["fit", "forecast", path, "--time", "t", "--out", out],
                ["predict", saved, path],
            ]
        )
        status = main([str(word) for word in words])
        shown = capsys.readouterr()
        assert status == 2, (words, text)
        assert shown.err.count("\n") == 1, shown.err
        assert not out.exists()
