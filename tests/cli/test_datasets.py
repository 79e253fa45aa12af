"""`tapehead datasets`, and `--data-dir`."""

import hashlib
import json
import os

import pytest

from tapehead.cli import datasets as command
from tapehead.datasets import DATASETS, DataFile, Dataset
from tapehead.registry import Registry

CONTENT = b"a small data set\n"


def file(name, content=CONTENT):
    return DataFile(name, hashlib.sha256(content).hexdigest(), len(content))


SMALL = Dataset(
    "small", "A small set", "CC0", "made up", (file("a.txt"), file("b.txt")), (file("ab.zip"),)
)


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty folder of data sets, with one set in the registry and no cache."""
    pooch = pytest.importorskip("pooch")
    monkeypatch.setattr(pooch, "os_cache", lambda name: tmp_path / "cache" / name)
    monkeypatch.setattr(command, "DATASETS", Registry("data set", {"small": SMALL}))
    monkeypatch.delenv("TAPEHEAD_DATA", raising=False)
    folder = tmp_path / "data" / "small"
    folder.mkdir(parents=True)
    return folder


def test_the_list_has_every_set_with_size_and_licence(tapehead):
    shown = tapehead("datasets", "list")
    assert shown.status == 0
    lines = shown.out.splitlines()
    assert [line.split()[0] for line in lines] == list(DATASETS)
    for line, data in zip(lines, DATASETS.values(), strict=True):
        assert data.title in line
        assert data.licence in line
        assert " MB; " in line
    assert len(tapehead("datasets", "list", "ptb").out.splitlines()) == 1


def test_the_list_says_what_is_here(tapehead, here):
    words = ("datasets", "list", "--data-dir", here.parent)
    assert tapehead("datasets", "list").out.endswith("not here\n")
    assert tapehead(*words).out.endswith("not here\n")
    (here / "a.txt").write_bytes(CONTENT)
    assert tapehead(*words).out.endswith(f"in {here}, in part\n")
    (here / "b.txt").write_bytes(CONTENT)
    assert tapehead(*words).out.endswith(f"in {here}\n")
    (here / "a.txt").unlink()
    (here / "ab.zip").write_bytes(CONTENT)
    assert tapehead(*words).out.endswith(f"in {here}\n")


def test_check_names_what_is_damaged_or_missing(tapehead, here):
    words = ("datasets", "check", "--data-dir", here.parent)
    assert tapehead(*words) == (0, "small: not here\n", "")
    (here / "a.txt").write_bytes(CONTENT)
    shown = tapehead(*words)
    assert shown.status == 2
    assert shown.out == "small: b.txt is missing\n"
    assert "tapehead datasets get small" in shown.err
    assert shown.err.count("\n") == 1
    (here / "b.txt").write_bytes(CONTENT)
    assert tapehead(*words) == (0, "small: whole and right\n", "")
    (here / "b.txt").write_bytes(CONTENT[::-1])
    shown = tapehead(*words, "small")
    assert shown.status == 2
    assert shown.out.startswith(f"small: {here / 'b.txt'} is damaged: it has checksum")
    (here / "b.txt").write_bytes(CONTENT[:-1])
    assert "has 16 bytes where 17 are expected" in tapehead(*words).out


def test_get_prints_where_the_files_are(tapehead, here):
    words = ("datasets", "get", "small", "--data-dir", here.parent)
    (here / "ab.zip").write_bytes(CONTENT)
    assert tapehead(*words) == (0, f"{here / 'ab.zip'}\n", "")
    (here / "ab.zip").unlink()
    for name in ("a.txt", "b.txt"):
        (here / name).write_bytes(CONTENT)
    assert tapehead(*words) == (0, f"{here / 'a.txt'}\n{here / 'b.txt'}\n", "")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("datasets", "ACTION"),
        ("datasets fetch", "one of list, get, check, got 'fetch'"),
        ("datasets get", "get needs a NAME; one of: small"),
        ("datasets get smal", "unknown data set 'smal'; did you mean 'small'?"),
        ("datasets check small smal", "unknown data set 'smal'"),
        ("datasets list --data-dir nowhere", "--data-dir: 'nowhere' is not a folder"),
        ("train mnist-rows lstm --data-dir nowhere", "--data-dir: 'nowhere' is not a folder"),
    ],
)
def test_mistakes(tapehead, here, words, told):
    shown = tapehead(*words.split())
    assert shown.status == 2
    assert shown.out == ""
    assert told in shown.err
    assert shown.err.count("\n") == 1


@pytest.mark.parametrize("before", [None, "elsewhere"])
def test_the_folder_holds_for_one_command(tapehead, here, monkeypatch, before):
    if before:
        monkeypatch.setenv("TAPEHEAD_DATA", before)
    tapehead("datasets", "list", "--data-dir", here.parent)
    assert os.environ.get("TAPEHEAD_DATA") == before


def test_the_folder_is_read_and_is_no_setting(tapehead, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TAPEHEAD_DATA", str(tmp_path / "not this one"))
    damaged = tmp_path / "data" / "mnist" / "train-images-idx3-ubyte.gz"
    damaged.parent.mkdir(parents=True)
    damaged.write_bytes(b"damaged")
    train = ("train", "mnist-rows", "lstm", "--data-dir", "data")
    for words in (train, ("compare", "mnist-rows", "lstm", "gru", "--data-dir=data")):
        shown = tapehead(*words)
        assert shown.status == 2
        assert "data/mnist/train-images-idx3-ubyte.gz is damaged" in shown.err
        assert not (tmp_path / "runs").exists()
    assert tapehead(*train, "--save-config", "config.json").status == 0
    saved = (tmp_path / "config.json").read_text()
    assert "data_dir" not in saved
    assert "data-dir" not in saved
    assert json.loads(saved)["task"]["name"] == "mnist-rows"


def test_the_command_of_a_comparison_names_no_folder():
    from tapehead.cli.compare import FOLDERS, without

    words = ["copy", "lstm", "gru", "--data-dir", "x", "--seeds", "2", "--data-dir=y", "--out=z"]
    assert without(FOLDERS, words) == ["copy", "lstm", "gru", "--seeds", "2"]
