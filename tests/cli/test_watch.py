"""`fit detect` and `watch`: from a table to alarms as they happen, whatever lines come in."""

import io
import json
import random
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from tapehead.cli import main

FAST = ["--updates", "60", "--size", "small", "--model", "elman", "--quiet"]


def machine(name, seed, broken=False):
    """A machine that turns, and, if it is `broken`, leaves its course at the twelfth step."""
    t = np.arange(16)
    x = np.sin(0.5 * t + seed) + 0.05 * np.random.default_rng(seed).normal(size=16)
    x[12:14] += 5 * broken
    return pd.DataFrame({"id": name, "t": t, "x": x, "state": "bad" if broken else "good"})


TABLE = pd.concat([machine(f"m{n}", n, broken=n % 10 == 7) for n in range(60)])


@pytest.fixture(scope="module")
def fitted(tmp_path_factory):
    """The model's folder, and what was printed."""
    folder = tmp_path_factory.mktemp("detect")
    TABLE.to_csv(folder / "t.csv", index=False)
    words = ["--id", "id", "--time", "t", "--target", "state", "--normal", "good"]
    status = main(
        ["fit", "detect", str(folder / "t.csv"), *words, "--out", str(folder / "m"), *FAST]
    )
    assert status == 0
    return folder / "m"


@pytest.fixture
def watch(fitted, monkeypatch, capsys):
    def run(*lines, words=()):
        content = b"".join(one if isinstance(one, bytes) else f"{one}\n".encode() for one in lines)
        monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(content)))
        status = main(["watch", str(fitted), *words])
        shown = capsys.readouterr()
        assert status == 0, shown.err
        return pd.read_csv(io.StringIO(shown.out)), shown.err

    return run


def test_the_page_and_the_answers(fitted, capsys):
    page = (fitted / "report.html").read_text()
    for part in ("Scores over time", "Learning curve", "ROC area", "tapehead fit detect", "m7"):
        assert part in page
    assert page.count("anomalies in 16 steps") == 6
    assert main(["predict", str(fitted), str(fitted.parent / "t.csv")]) == 0
    told = pd.read_csv(io.StringIO(capsys.readouterr().out))
    assert list(told.columns) == ["id", "t", "score", "prediction", "column"]
    assert len(told) == len(TABLE)
    assert set(told[told.prediction == -1].nsmallest(6, "score").id) >= {"m7", "m57"}
    assert main(["inspect", str(fitted)]) == 0
    assert "alarms for steps" in capsys.readouterr().out


def test_every_id_is_watched_by_itself(watch, fitted, capsys):
    broken, sound = machine("a", 7, broken=True), machine("b", 8)
    mixed = pd.concat([broken, sound]).sort_values("t", kind="stable")
    found, errors = watch(mixed.to_csv(index=False))
    assert not errors
    assert list(found.columns) == ["line", "id", "t", "score", "alarm", "columns"]
    alarms = found[found.alarm == 1]
    assert ("a", 12) in set(zip(alarms.id, alarms.t, strict=True))
    assert set(alarms["columns"]) == {"x"}
    broken.to_csv(fitted.parent / "a.csv", index=False)
    main(["predict", str(fitted), str(fitted.parent / "a.csv")])
    batch = pd.read_csv(io.StringIO(capsys.readouterr().out))
    np.testing.assert_allclose(found[found.id == "a"].score, batch.score, rtol=1e-3)
    fewer, _ = watch(mixed.to_csv(index=False), words=["--alarms"])
    assert fewer.line.tolist() == alarms.line.tolist()


def test_bad_lines_are_named_and_passed_over(watch):
    row = {"id": "a", "t": 0, "x": 0.5}
    found, errors = watch(
        "id,t,x",
        "a,1,0.5",
        "a,2",
        "a,3,high",
        b"a,4,\xff\n",
        'a,5,"0.5',
        "",
        "a,6,",
        json.dumps(row),
        '{"id": "a", ',
        '{"id": "a", "y": 1}',
        '{"x": 1}',
        '{"id": "a", "x": [1]}',
        "[1, 2]",
        "a,7,inf",
        "a,8,1e999",
        b"a,9,0.4",
    )
    assert found.line.tolist() == [2, 8, 9, 17]
    assert np.isnan(found.score[1])
    told = [line.removeprefix("tapehead: line ") for line in errors.splitlines()]
    wanted = [
        "3: has 2 fields where the head has 3",
        "4: 'high' in column 'x' is not a number",
        "5: not UTF-8: byte 0xff",
        "6: not CSV",
        "10: not JSON",
        "11: has no column 'x'",
        "12: has no 'id'",
        "13: [1] in column 'x' is not a number",
        "14: has no 'id'",
        "15: X: contains infinity, in x",
        "16: X: contains infinity, in x",
    ]
    assert len(told) == len(wanted)
    for line, begins in zip(told, wanted, strict=True):
        assert line.startswith(begins), line


def test_random_lines_never_end_it(watch):
    draw = random.Random(0)
    pieces = [b"id,t,x", b"a", b"1", b"-2.5e3", b"", b"nan", b"1e999", b'"', b",", b",", b"\xff"]
    pieces += [b"{", b"}", b'"x":', b'"id":', b"[", b"null", b"true", b"\0", b"\r", "é".encode()]
    lines = [b"".join(draw.choices(pieces, k=draw.randint(0, 9))) + b"\n" for _ in range(300)]
    found, errors = watch(*lines, "id,t,x", '{"id": "z", "t": 1, "x": 1}')
    assert found.line.iloc[-1] == 302
    assert 100 < len(errors.splitlines()) <= 301


def test_lines_are_answered_as_they_come_until_ctrl_c(fitted, monkeypatch, capsys):
    def lines():
        yield b'{"id": "a", "t": 1, "x": 0.1}\n'
        assert len(capsys.readouterr().out.splitlines()) == 2  # the head and this line
        yield b'{"id": "a", "t": 2, "x": 0.2}\n'
        assert capsys.readouterr().out.startswith("2,a,2,")
        raise KeyboardInterrupt

    given = lines()
    buffer = SimpleNamespace(readline=lambda: next(given))
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=buffer))
    assert main(["watch", str(fitted)]) == 0


def refused(capsys, *words):
    assert main([str(word) for word in words]) == 2
    shown = capsys.readouterr().err
    assert shown.count("\n") == 1
    return shown


def test_mistakes(fitted, tmp_path, capsys):
    table, out = fitted.parent / "t.csv", tmp_path / "m"
    fit = ["fit", "detect", table, "--out", out, *FAST]
    named = ["--id", "id", "--time", "t"]
    cases = {
        "there is no model folder": ["watch", tmp_path / "none"],
        "--state is for models of one series": ["watch", fitted, "--state", tmp_path / "s"],
        "--normal needs --target": [*fit, *named, "--normal", "good"],
        "and --normal its value": [*fit, *named, "--target", "state"],
        "no 'state' is 'fine' (there are bad, good)": [
            *fit,
            *named,
            *("--target", "state", "--normal", "fine"),
        ],
        "has no column 'status'": [*fit, *named, "--target", "status", "--normal", "good"],
        "rate must be above 0 and below 1": [*fit, *named, "--rate", "2"],
        "expected one of": [*fit, *named, "--threshold", "peak"],
        "per-day needs --time": [*fit, "--threshold", "per-day"],
        "has two rows at time": [*fit, "--time", "t"],
    }
    for words, call in cases.items():
        assert words in refused(capsys, *call)
    assert not out.exists()


@pytest.mark.slow
def test_one_series_goes_on_from_its_state(tmp_path, monkeypatch, capsys):
    turned = 0.5 * np.arange(300)
    table = pd.DataFrame({"t": np.arange(300), "x": np.sin(turned), "y": np.cos(turned)})
    table.to_csv(tmp_path / "t.csv", index=False)
    words = ["--time", "t", "--threshold", "peaks", "--out", str(tmp_path / "m"), *FAST]
    assert main(["fit", "detect", str(tmp_path / "t.csv"), *words]) == 0
    capsys.readouterr()

    def watched(part, *words):
        content = part.to_csv(index=False).encode()
        monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(content)))
        assert main(["watch", str(tmp_path / "m"), *words]) == 0
        return pd.read_csv(io.StringIO(capsys.readouterr().out)).score.to_numpy()

    whole = watched(table[:60])
    state = ["--state", str(tmp_path / "s")]
    parts = [watched(table[:25], *state), watched(table[25:60], *state)]
    np.testing.assert_allclose(np.concatenate(parts), whole, rtol=1e-4)


@pytest.mark.slow
def test_rows_of_numbers(tmp_path, monkeypatch, capsys):
    rng = np.random.default_rng(0)
    rows = np.sin(0.5 * np.arange(16) + rng.uniform(0, 6, size=(60, 1)))
    pd.DataFrame(rows).to_csv(tmp_path / "t.csv", index=False)
    words = ["--method", "reconstruction", "--out", str(tmp_path / "r"), *FAST]
    assert main(["fit", "detect", str(tmp_path / "t.csv"), *words]) == 0
    assert "alarms for sequences" in capsys.readouterr().out
    assert main(["predict", str(tmp_path / "r"), str(tmp_path / "t.csv")]) == 0
    told = pd.read_csv(io.StringIO(capsys.readouterr().out))
    assert list(told.columns) == ["row", "prediction", "score"]
    assert "a sequence's end" in refused(capsys, "watch", tmp_path / "r")
    words = ["--out", str(tmp_path / "p"), *FAST]
    assert main(["fit", "detect", str(tmp_path / "t.csv"), *words]) == 0
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(b"0.5\nx\n0.4\n1,2\n")))
    capsys.readouterr()
    assert main(["watch", str(tmp_path / "p")]) == 0
    shown = capsys.readouterr()
    assert [line.split(",")[0] for line in shown.out.splitlines()] == ["line", "1", "3"]
    assert shown.err.splitlines()[0].startswith("tapehead: line 2: 'x' in column")
    assert "has 2 fields, expected 1" in shown.err
