"""`fit cluster` and `fit generate`: from a file to a model, a page, and what can be had of it.

What learns is slow: `python -m pytest -m slow tests/cli/test_fit_unlabelled.py`.
"""

import numpy as np
import pandas as pd
import pytest

from tapehead.cli import main

FAST = ("--model", "elman", "--size", "small", "--updates", "100", "--quiet")
NAMES = ["anna", "hanna", "johanna", "otto", "johann", "hans"] * 8


@pytest.fixture
def files(tmp_path):
    """A table of sequences with their groups, a list of names, and what cannot be used."""
    rng = np.random.default_rng(0)
    slopes = np.arange(60) % 3 - 1
    rows = 2 * slopes[:, None] * np.linspace(-1, 1, 8) + 0.1 * rng.normal(size=(60, 8))
    table = pd.DataFrame(rows, columns=[f"t{n}" for n in range(8)])
    table.assign(kind=np.array(["down", "flat", "up"])[slopes + 1]).to_csv(
        tmp_path / "t.csv", index=False
    )
    (tmp_path / "names.txt").write_text("\n".join(NAMES) + "\n")
    (tmp_path / "few.txt").write_text("anna\notto\n")
    (tmp_path / "short.txt").write_text("a")
    (tmp_path / "empty.txt").write_text("\n \n")
    (tmp_path / "broken.txt").write_bytes(b"anna\n\xff\xfe\n")
    return tmp_path


def told(capsys, *words):
    status = main([str(word) for word in words])
    shown = capsys.readouterr()
    assert status == 0, shown.err
    return shown.out


@pytest.mark.slow
def test_groups_with_a_map(files, capsys):
    where = files / "m"
    shown = told(
        capsys, "fit", "cluster", files / "t.csv", "--target", "kind", "--out", where, *FAST
    )
    assert "adjusted Rand index" in shown
    page = (where / "report.html").read_text()
    assert page.count("<circle cx=") == 60
    assert "60 sequences in 3 clusters" in page
    lines = told(capsys, "predict", where, files / "t.csv").splitlines()
    assert lines[0] == "row,cluster,distance"
    assert len({line.split(",")[1] for line in lines[1:]}) == 3
    assert "clusters" in told(capsys, "inspect", where)
    assert "exported" in told(capsys, "export", where, "--to", files / "m.stablehlo")
    assert main(["generate", str(where)]) == 2
    assert "is a clusterer" in capsys.readouterr().err


@pytest.mark.slow
def test_names_with_their_bits(files, capsys):
    where = files / "m"
    shown = told(capsys, "fit", "generate", files / "names.txt", "--out", where, *FAST)
    assert "bits per character" in shown
    assert "5-grams" in shown
    assert "Made up by the network" in (where / "report.html").read_text()
    made = told(capsys, "generate", where, "--count", "4", "--prompt", "jo").splitlines()
    assert len(made) == 4
    assert all(name.startswith("jo") for name in made)
    assert told(capsys, "generate", where, "--seed", "3") == told(
        capsys, "generate", where, "--seed", "3"
    )
    assert "SequenceGenerator" in told(capsys, "inspect", where)
    for words, message in {
        ("generate", where, "--prompt", "xyz"): "did not occur in fit",
        ("generate", where, "--out", "a.mid"): "--out is for music",
        ("predict", where, files / "t.csv"): "makes up sequences",
        ("export", where, "--to", files / "m.pb"): "must end in .stablehlo or .onnx",
    }.items():
        assert main([str(word) for word in words]) == 2
        assert message in capsys.readouterr().err


@pytest.mark.slow
def test_numbers_are_made_up_as_rows(files, capsys):
    pd.read_csv(files / "t.csv").drop(columns="kind").to_csv(files / "n.csv", index=False)
    told(capsys, "fit", "generate", files / "n.csv", "--out", files / "m", *FAST)
    made = told(capsys, "generate", files / "m", "--prompt", "1.9,1.2")
    assert all(np.isfinite(float(number)) for number in made.split(","))


REFUSED = {
    "no such target": ("cluster t.csv --target knd", "did you mean 'kind'?"),
    "two targets": ("cluster t.csv --target kind t1", "--target names one column"),
    "words without id": ("cluster t.csv", "column 'kind' is not numbers"),
    "text to group": ("cluster names.txt", "expected a file whose name ends in .csv"),
    "no number of clusters": ("cluster t.csv --target kind --clusters 0", "at least 1, got 0"),
    "an id": ("generate names.txt --id a", "takes texts or rows of numbers"),
    "a target of a text": ("generate names.txt --target a", "a .txt file has no columns"),
    "two columns of text": ("generate t.csv --target kind t1", "names one column"),
    "few lines": ("generate few.txt", "2 sequences are too few; at least 5 needed"),
    "a short text": ("generate short.txt --by text", "1 characters are too few"),
    "an empty text": ("generate empty.txt", "is empty"),
    "a broken text": ("generate broken.txt", "broken.txt"),
    "no file": ("generate nothing.txt", "nothing.txt"),
    "an ensemble": ("generate names.txt --ensemble 2", "a generator is one network"),
    "an unknown by": ("generate names.txt --by word", "--by"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_mistakes_are_one_line_and_leave_nothing(name, files, capsys):
    words, message = REFUSED[name]
    kind, data, *rest = words.split()
    status = main(["fit", kind, str(files / data), "--out", str(files / "m"), *rest])
    shown = capsys.readouterr().err
    assert (status, shown.count("\n")) == (2, 1), shown
    assert message in shown
    assert not (files / "m").exists()


def test_count_is_for_models(tmp_path, capsys):
    assert main(["generate", str(tmp_path), "--count", "3"]) == 2
    assert "--count is for models" in capsys.readouterr().err
