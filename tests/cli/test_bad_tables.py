"""`fit`, `predict`, `watch` and `export` on tables and models that cannot be used.

Each is told in one line, and nothing is half-written. No network is trained: what would come so far
is ended there, or given weights that are drawn. The longer fuzz test is slow:
`python -m pytest -m slow tests/cli/test_bad_tables.py`.
"""

import io
import random
import shutil
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from tapehead.cli import main
from tapehead.errors import UserError
from tapehead.estimators import AnomalyDetector, Forecaster, SequenceClassifier, SequenceGenerator
from tapehead.estimators.trained import Trained

pytestmark = pytest.mark.filterwarnings("ignore:table")

ENOUGH = "this is where it would be trained"


def ended(self, *args, **settings):
    raise UserError(ENOUGH)


def long(count=12, steps=6):
    rng = np.random.default_rng(0)
    rows = [(f"s{n}", t, rng.normal(), "xy"[n % 2]) for n in range(count) for t in range(steps)]
    return pd.DataFrame(rows, columns=["id", "t", "a", "y"])


LONG = long()
SERIES = pd.DataFrame({"t": np.arange(60), "a": np.sin(np.arange(60)), "b": np.arange(60) % 5})
WIDE = pd.DataFrame(np.random.default_rng(0).normal(size=(20, 4)), columns=list("abcd"))
SMALL = {"model": "elman", "size": "small", "random_state": 0}


@pytest.fixture(scope="module")
def models(tmp_path_factory, untrained):
    """Folders of a classifier, a forecaster, a detector and a generator."""
    folder = tmp_path_factory.mktemp("models")
    made = {
        "classifier": SequenceClassifier(**SMALL, id="id", time="t"),
        "forecaster": Forecaster(**SMALL, horizon=3, lookback=8, time="t", quantiles=None),
        "detector": AnomalyDetector(**SMALL, time="t"),
        "generator": SequenceGenerator(**SMALL),
    }
    untrained(made["classifier"], LONG, "y")
    untrained(made["forecaster"], SERIES)
    untrained(made["detector"], SERIES)
    untrained(made["generator"], ["anna", "otto"])
    for name, model in made.items():
        model.save(folder / name)
    return folder


def csv(table):
    return table.to_csv(index=False).encode()


CLASSIFY = "fit classify t.csv --target y --id id --time t"
DETECT = "fit detect t.csv --time t"
FORECAST = "fit forecast t.csv --time t --target a --horizon 3"
HEAD = b"id,t,a,y\n"

# What is asked for, the file t.csv, and what is told.
REFUSED = {
    # Files.
    "an empty file": ("fit classify t.csv --target y", b"", "t.csv: is empty"),
    "blanks": (DETECT, b"\n \n", "t.csv: is empty"),
    "a head alone": (FORECAST, HEAD, "t.csv: has no rows"),
    "a ragged row": (CLASSIFY, HEAD + b"s,1,2,x\ns,2,3\n", "line 3 has 3 fields where the head ha"),
    "a row too long": (DETECT, b"t,a\n1,2,3\n", "line 2 has 3 fields where the head has 2"),
    "an open quote": ("fit cluster t.csv", b'a,b\n1,"2\n', "t.csv: "),
    "a broken encoding": (FORECAST, b"t,a\n1,\xff\n", "expected text in UTF-8, got byte 0xff"),
    "UTF-16": (CLASSIFY, "a,y\n1,2\n".encode("utf-16"), "expected text in UTF-8"),
    "a picture": ("fit generate t.csv", b"\x89PNG\r\n\x1a\n\0\0", "expected text in UTF-8"),
    "one name twice": (DETECT, b"t,t\n1,2\n", "has two columns 't'"),
    "no such file": ("fit cluster u.csv", b"", "u.csv: is no file"),
    "a folder for a file": ("fit cluster .", b"", "expected a file whose name ends in .csv"),
    "another kind of file": ("fit classify t.json --target y", b"", "whose name ends in .csv"),
    # Columns.
    "no such target": ("fit classify t.csv --target z", csv(LONG), "no column 'z' for the target"),
    "no such id": (
        "fit regress t.csv --target a --id who --time t",
        csv(LONG),
        "no column 'who' for the id",
    ),
    "no such time": (
        "fit classify t.csv --target y --id id --time tt",
        csv(LONG),
        "did you mean 't'",
    ),
    "no such past": (FORECAST + " --past c", csv(SERIES), "no column 'c' for the past covariate"),
    "no such future": (FORECAST + " --future c", csv(SERIES), "no column 'c' for the future cova"),
    "a target of words": (
        "fit regress t.csv --target y --id id --time t",
        csv(LONG),
        "could not convert",
    ),
    "a forecast of words": (
        "fit forecast t.csv --target y",
        csv(LONG),
        "the target 'y' is not numbers",
    ),
    "words without id": ("fit classify t.csv --target a", csv(LONG), "column 'id' is not numbers"),
    "a target with gaps": (
        CLASSIFY,
        csv(LONG.assign(y=LONG.y.where(LONG.t > 0))),
        "the target 'y' is missing in some rows",
    ),
    "nothing but the target": (
        "fit classify t.csv --target y",
        b"y\n1\n0\n1\n0\n1\n",
        "table: has no columns to learn from",
    ),
    # What cannot be learned from.
    "a single class": (CLASSIFY, csv(LONG.assign(y="x")), "y holds only one class, 'x'"),
    "a target that changes": (
        CLASSIFY,
        csv(LONG.assign(y=np.where(LONG.t > 2, "x", "y"))),
        "changes from",
    ),
    "too few sequences": (CLASSIFY, csv(LONG[:12]), "2 sequences are too few; at least 5 needed"),
    "a column without values": (CLASSIFY, csv(LONG.assign(a=np.nan)), "a is missing throughout"),
    "a series without values": (FORECAST, csv(SERIES.assign(a=np.nan)), "a is missing throughout"),
    "no value to watch": (DETECT, csv(SERIES.assign(a=np.nan)), "a is missing throughout"),
    "infinity": (CLASSIFY, csv(LONG.assign(a=np.inf)), "X: contains infinity, in a"),
    "an infinite series": (FORECAST, csv(SERIES.assign(a=np.inf)), "a contains infinity"),
    "infinity to watch": (DETECT, csv(SERIES.assign(b=-np.inf)), "X: contains infinity, in b"),
    "two rows at one time": (CLASSIFY, csv(LONG.assign(t=0)), "has two rows at time 0"),
    "a series that stands": (FORECAST, csv(SERIES.assign(t=5)), "has two rows at time 5"),
    "a time of words": (DETECT, csv(SERIES.assign(t="noon")), "is neither a number nor a date"),
    "a row of nobody to watch": (
        "fit detect t.csv --id id --time t",
        csv(LONG[["id", "t", "a"]].assign(id=LONG.id.where(LONG.t > 0))),
        "row 1 has no 'id'",
    ),
    "a row of nobody": (
        CLASSIFY,
        csv(LONG.assign(id=LONG.id.where(LONG.t > 0))),
        "row 1 has no 'id'",
    ),
    "a series too short": (FORECAST, csv(SERIES[:8]), "steps, too few to learn to forecast 3"),
    "a past too long": (FORECAST + " --lookback 99", csv(SERIES), "too few to look back on 99"),
    "a row to watch": (DETECT, csv(SERIES[:1]), "1 rows are too few"),
    "a few rows to detect in": ("fit detect t.csv", csv(WIDE[:3]), "3 normal sequences are too f"),
    "no numbers to make up": ("fit generate t.csv", csv(LONG), "could not convert string"),
    "covariates with gaps": (
        FORECAST + " --past b",
        csv(SERIES.assign(b=np.nan)),
        "covariate 'b' has missing values",
    ),
    # Between fit and predict.
    "nothing to predict": ("predict classifier", b"", "DATA is missing"),
    "a column less": ("predict classifier t.csv", csv(LONG[["id", "t"]]), "has no column 'a'"),
    "a column more": ("predict classifier t.csv", csv(LONG.assign(z=1)), "a column 'z' that there"),
    "words now": ("predict classifier t.csv", csv(LONG.assign(a="b")), "held numbers in fit, and"),
    "no id now": ("predict classifier t.csv", csv(LONG[["t", "a"]]), "no column 'id' for the id"),
    "a broken table now": ("predict detector t.csv", b"t,a,b\n1\n", "line 2 has 1 fields"),
    "an empty table now": ("predict forecaster t.csv", b"", "t.csv: is empty"),
    "infinity now": ("predict detector t.csv", csv(SERIES.assign(a=np.inf)), "contains infinity"),
    "a short series now": (
        "predict forecaster t.csv",
        csv(SERIES[:5]),
        "a has 5 steps, at least 8 are needed",
    ),
    "a future of a classifier": (
        "predict classifier t.csv --future t.csv",
        csv(LONG),
        "--future is for forecasters",
    ),
    "a generator's prediction": ("predict generator t.csv", csv(WIDE), "run tapehead generate"),
    "an answer without a place": (
        "predict detector t.csv --out no/where.csv",
        csv(SERIES),
        "no",
    ),
    # Models.
    "no such model": ("predict nobody t.csv", csv(LONG), "there is no model folder nobody"),
    "a model without weights": ("predict bare t.csv", csv(LONG), "cannot read bare/weights"),
    "a truncated model": ("predict cut t.csv", csv(LONG), "damaged: its checksum differs"),
    "a tampered model": ("inspect forged", b"", "config.json is damaged: its checksum differs"),
    "half a model": ("watch half", b"", "half/config.json is damaged: not JSON"),
    "a newer model": ("predict newer t.csv", csv(LONG), "has schema 99, newer than this tapehead"),
    "watching with another": ("watch forecaster", b"", "is a forecaster; expected a detector"),
    "steps of a forecaster": (
        "export forecaster --to m.stablehlo --what step",
        b"",
        "reads windows, not single steps",
    ),
    "a function of no format": ("export detector --to m.bin", b"", "must end in .stablehlo or"),
    "a state of another": ("watch detector --state t.csv", b"no state", "t.csv is damaged"),
}


def spoiled(folder):
    """Models that are damaged each in its way."""
    from tapehead.training.storage import read_sealed, sealed

    for name in ("bare", "cut", "forged", "half", "newer"):
        shutil.copytree(folder / "classifier", folder / name)
    (folder / "bare" / "weights.safetensors").unlink()
    weights = folder / "cut" / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-9])
    config = folder / "forged" / "config.json"
    config.write_text(config.read_text().replace('"s0"', '"s1"').replace("elman", "lstm"))
    config = folder / "half" / "config.json"
    config.write_bytes(config.read_bytes()[:99])
    config = folder / "newer" / "config.json"
    config.write_bytes(sealed(read_sealed(config) | {"schema": 99}))


@pytest.fixture
def place(models, tmp_path, monkeypatch):
    """A folder to work in, with the models and without training."""
    shutil.copytree(models, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Trained, "_train", ended)
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(b"1,2\n")))
    return tmp_path


def files(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("case", REFUSED)
def test_it_is_told_in_one_line_and_nothing_is_written(case, place, capsys):
    words, content, message = REFUSED[case]
    if words.split()[1] in ("bare", "cut", "forged", "half", "newer"):
        spoiled(place)
    (place / "t.csv").write_bytes(content)
    before = files(place)
    given = words.split()
    status = main([*given, "--out", "out"] if given[0] == "fit" else given)
    shown = capsys.readouterr()
    assert (status, shown.out) == (2, "")
    assert shown.err.startswith("tapehead: error: ")
    assert shown.err.count("\n") == 1, shown.err
    assert message in shown.err
    assert files(place) == before


# -- random tables ------------------------------------------------------------------------------

CELLS = ["1", "-2.5", "7", "1e300", "", "", "x", "y", "nan", "inf", "-", "2020-01-01", "é", "0"]
FITS = [
    CLASSIFY,
    "fit classify t.csv --target y",
    "fit regress t.csv --target a --id id --time t",
    "fit regress t.csv --target a",
    FORECAST,
    "fit forecast t.csv --id id --time t",
    "fit forecast t.csv --past a --future b",
    DETECT,
    "fit detect t.csv",
    "fit detect t.csv --id id --time t --target y --normal x",
    "fit detect t.csv --time t --threshold per-day",
    "fit cluster t.csv",
    "fit cluster t.csv --id id --target y",
    "fit generate t.csv",
    "fit generate t.csv --target y",
]
ASKED = ["predict classifier t.csv", "predict detector t.csv", "predict forecaster t.csv"]


def drawn(draw):
    """A table, nearly always well-formed, of cells that may be anything or be alike."""
    names = draw.sample(["id", "t", "a", "b", "y"], draw.choice([1, 2, 3, 4, 5, 5, 5]))
    rows, cells = [], {}
    for name in names:
        cells[name] = draw.choice(
            [CELLS, CELLS[:3], ["1", "2", "nan"], ["x", "y"], None, None, None]
        )
    for number in range(draw.choice([1, 3, 8, 40])):
        row = [str(number) if cells[name] is None else draw.choice(cells[name]) for name in names]
        if draw.random() < 0.002:
            row.append("more")
        rows.append(",".join(row))
    return "\n".join([",".join(names), *rows, ""]).encode()


def expect_no_traceback(words, place, capsys):
    """Done, or one line of complaint; a model only where it was done."""
    shutil.rmtree(place / "out", ignore_errors=True)
    status = main([*words.split(), *(["--out", "out", "--quiet"] if words[0] == "f" else [])])
    shown = capsys.readouterr()
    content = (place / "t.csv").read_bytes()
    assert status in (0, 2), (words, content)
    if status == 2:
        assert shown.err.count("\n") == 1, (words, content, shown.err)
        assert shown.out == "", (words, content)
    assert (place / "out").exists() == (status == 0 and words[0] == "f"), (words, content)
    return shown.err


@pytest.mark.filterwarnings("ignore")
def test_random_tables_to_fit(place, capsys):
    draw, far = random.Random(0), 0
    for _ in range(200):
        (place / "t.csv").write_bytes(drawn(draw))
        far += ENOUGH in expect_no_traceback(draw.choice(FITS), place, capsys)
    assert far > 20  # they are not all refused at the door


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_random_tables_from_fit_to_predict(place, capsys, monkeypatch, drawn_weights):
    monkeypatch.setattr(Trained, "_train", drawn_weights)
    draw, done = random.Random(1), 0
    for _ in range(300):
        (place / "t.csv").write_bytes(drawn(draw))
        words = draw.choice(FITS + 3 * ASKED)
        told = expect_no_traceback(words, place, capsys)
        if words.startswith("fit") and "error" not in told:
            done += 1
            (place / "t.csv").write_bytes(drawn(draw))
            expect_no_traceback("inspect out", place, capsys)
            if (place / "out").exists():
                expect_no_traceback("predict out t.csv", place, capsys)
    assert done > 20
