"""A user's mistake: exit status 2, one line on stderr that names it, nothing made or changed."""

import json
import shutil
import subprocess
import sys

import pytest

TRAIN = "train copy lstm "
SAVED = "settings.json"


def config_file(**changes):
    """Write a config file that differs from a good one in `changes`; `None` drops an entry."""

    def write(folder):
        settings = {
            "task": {"name": "copy"},
            "model": {"name": "lstm"},
            "rule": {"name": "bptt"},
            "optimizer": {"name": "adam"},
        }
        settings |= changes
        (folder / SAVED).write_text(json.dumps(settings))

    return write


def file(name, text=""):
    """Write a file."""

    def write(folder):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    return write


def folder(name):
    """Make a folder."""
    return lambda root: (root / name).mkdir(parents=True)


WORDS = [
    # What is asked for at all.
    ("", ["expected a command"]),
    ("trian copy dnc", ["unknown command 'trian'", "did you mean 'train'"]),
    ("--verison", ["unknown option '--verison'", "did you mean '--version'"]),
    ("list", ["KIND"]),
    ("list task", ["'task'", "did you mean 'tasks'"]),
    ("list tasks models", ["unexpected argument 'models'"]),
    ("completion tcsh", ["'tcsh'", "bash, zsh, fish"]),
    ("report", ["RUN"]),
    ("resume", ["RUN"]),
    ("evaluate", ["RUN"]),
    ("resume run --updates 5", ["unknown option '--updates'"]),
    # Names.
    ("train", ["expected TASK", "copy"]),
    ("train --batch 3", ["expected TASK"]),
    ("train copy", ["expected MODEL", "lstm"]),
    ("train copi lstm", ["unknown task 'copi'", "did you mean 'copy'"]),
    ("train copy lstn", ["unknown model 'lstn'", "did you mean 'lstm'"]),
    ("train lstm copy", ["unknown task 'lstm'"]),
    (TRAIN + "extra", ["unexpected argument 'extra'"]),
    (TRAIN + "--rule bpt", ["'bpt'", "did you mean 'bptt'"]),
    (TRAIN + "--optimizer adamm", ["'adamm'", "did you mean 'adam'"]),
    # Options that do not exist.
    (TRAIN + "--bach 3", ["unknown option '--bach'", "did you mean '--batch'"]),
    (TRAIN + "--hidden 3", ["unknown option '--hidden'", "did you mean '--model.hidden'"]),
    (TRAIN + "--task.lenght 3", ["unknown option '--task.lenght'", "--task."]),
    (TRAIN + "--rule.window 3", ["unknown option '--rule.window'"]),
    (TRAIN + "--optimizer sgd --optimizer.beta1 0.5", ["unknown option '--optimizer.beta1'"]),
    # What does not fit only once a network is built.
    (TRAIN + "--l2-parts nothing=1", ["no part 'nothing'", "hidden_weight"]),
    ("train adding mingru --model.chrono 1", ["chrono must be above 2 steps, got 1"]),
    # Values of the wrong kind.
    (TRAIN + "--batch", ["--batch", "expected"]),
    (TRAIN + "--batch x", ["--batch", "whole number", "'x'"]),
    (TRAIN + "--batch 1.5", ["--batch", "whole number", "'1.5'"]),
    (TRAIN + "--clip-norm some", ["--clip-norm", "number or none", "'some'"]),
    (TRAIN + "--l2 nan", ["--l2", "finite", "'nan'"]),
    (TRAIN + "--optimizer.learning-rate nan", ["--optimizer.learning-rate", "'nan'"]),
    (TRAIN + "--optimizer.learning-rate inf", ["--optimizer.learning-rate", "'inf'"]),
    (TRAIN + "--model.dropout nan", ["--model.dropout", "'nan'"]),
    (TRAIN + "--optimizer.schedule cosin", ["'cosin'", "did you mean 'cosine'"]),
    (TRAIN + "--quiet=yes", ["--quiet", "'yes'"]),
    # Values out of range.
    (TRAIN + "--batch 0", ["batch", "at least 1", "got 0"]),
    (TRAIN + "--batch -3", ["batch", "at least 1", "got -3"]),
    (TRAIN + "--updates 0", ["updates", "got 0"]),
    (TRAIN + "--seeds 0", ["seeds", "got 0"]),
    (TRAIN + "--seed -1", ["seed", "got -1"]),
    (TRAIN + "--seed 4294967296", ["seed", "got 4294967296"]),
    (TRAIN + "--patience 0", ["patience", "got 0"]),
    (TRAIN + "--evaluation-size 0", ["evaluation_size", "got 0"]),
    (TRAIN + "--l1 -1", ["l1", "got -1"]),
    (TRAIN + "--clip-norm 0", ["clip_norm", "got 0"]),
    (TRAIN + "--optimizer.learning-rate 0", ["learning_rate", "above 0"]),
    (TRAIN + "--task.max-length 0", ["Copy", "length"]),
    (TRAIN + "--task.bits 0", ["bits", "got 0"]),
    (TRAIN + "--model.hidden 0", ["hidden", "got 0"]),
    (TRAIN + "--model.dropout 1", ["dropout", "below 1"]),
    (TRAIN + "--rule truncated-bptt --rule.window 0", ["window", "got 0"]),
    ("train copy dnc --model.slots 0", ["slots", "got 0"]),
    ("train copy ntm --model.read-heads 0", ["read_heads", "got 0"]),
    # Options that contradict each other.
    (TRAIN + "--task.min-length 5 --task.max-length 3", ["5", "3", "length"]),
    (TRAIN + "--updates 10 --optimizer.warmup 100", ["warmup", "10", "100"]),
    (TRAIN + "--out a --runs-dir b", ["--out", "--runs-dir"]),
    ("compare copy lstm gru --out a --runs-dir b", ["--out", "--runs-dir"]),
    # Comparisons.
    ("compare", ["TASK", "models"]),
    ("compare copy lstm", ["at least 2 models"]),
    ("compare copy lstm lstm", ["'lstm'", "twice"]),
    ("compare copi lstm gru", ["unknown task 'copi'", "did you mean 'copy'"]),
    ("train temporal-order lstm --task.symbols 4", ["symbols", "'4'", "2, 3"]),
    ("compare copy lstm dcn", ["unknown model 'dcn'", "did you mean 'dnc'"]),
    ("compare copy lstm gru --model.hidden 3", ["unknown option '--model.hidden'"]),
    ("compare copy lstm gru --seeds 0", ["seeds", "got 0"]),
]

FILES = [
    (
        "train text elman --task.file book --batch 99",
        file("book", "to be or not to be " * 50),
        ["cannot be cut into 99 parts", "lower batch or task.length"],
    ),
    # Where the run goes.
    (TRAIN + "--out full", file("full/precious.txt", "x"), ["full", "not empty"]),
    (TRAIN + "--out full", file("full"), ["full"]),
    (TRAIN + "--out full/run", file("full"), ["full/run"]),
    (TRAIN + "--out /proc/run", None, ["/proc/run"]),
    (TRAIN + "--runs-dir full", file("full"), ["full"]),
    (TRAIN + "--save-config old.json", file("old.json", "x"), ["old.json", "exists"]),
    (TRAIN + "--save-config none/new.json", None, ["none/new.json"]),
    ("compare copy lstm gru --out full", file("full/precious.txt"), ["full", "not empty"]),
    ("compare copy lstm gru --out full", file("full"), ["full"]),
    ("train mnist-rows lstm", None, ["TAPEHEAD_DATA", "no-data"]),
    ("compare mnist-rows lstm gru", None, ["TAPEHEAD_DATA", "no-data"]),
    # Config files.
    (f"train --config {SAVED}", None, [SAVED, "No such file"]),
    (f"train --config {SAVED}", folder(SAVED), [SAVED]),
    (f"train --config {SAVED}", file(SAVED, "{"), [SAVED, "JSON"]),
    (f"train --config {SAVED}", file(SAVED, "[1]"), [SAVED, "object"]),
    (f"train --config {SAVED}", config_file(task="copy"), ["'task'", "'copy'"]),
    (f"train --config {SAVED}", config_file(task={"bits": 3}), ["'task'"]),
    (f"train --config {SAVED}", config_file(task={"name": "copi"}), ["'copi'", "'copy'"]),
    (f"train --config {SAVED}", config_file(rule={"name": "bpt"}), ["'bpt'", "'bptt'"]),
    (f"train --config {SAVED}", config_file(bach=3), [SAVED, "'bach'", "'batch'"]),
    (f"train --config {SAVED}", config_file(batch="x"), [SAVED, "batch", "'x'"]),
    (f"train --config {SAVED}", config_file(batch=1.5), [SAVED, "batch", "1.5"]),
    (f"train --config {SAVED}", config_file(batch=None), [SAVED, "batch", "None"]),
    (f"train --config {SAVED}", config_file(seeds=True), [SAVED, "seeds", "True"]),
    (f"train --config {SAVED}", config_file(l2=float("nan")), [SAVED, "l2", "nan"]),
    (
        f"train --config {SAVED}",
        config_file(task={"name": "copy", "bit": 3}),
        [SAVED, "'bit'", "'bits'"],
    ),
    (
        f"train --config {SAVED}",
        config_file(task={"name": "copy", "bits": "8"}),
        [SAVED, "bits", "'8'"],
    ),
    (f"train reverse lstm --config {SAVED}", config_file(), ["'reverse'", "'copy'", SAVED]),
    (f"train copy gru --config {SAVED}", config_file(), ["'gru'", "'lstm'", SAVED]),
    # Folders that are no runs.
    ("resume nowhere", None, ["nowhere"]),
    ("resume copy-lstm-1", folder("copy-lstm-2"), ["copy-lstm-1", "did you mean 'copy-lstm-2'"]),
    ("resume plain", file("plain"), ["plain"]),
    ("resume empty", folder("empty"), ["empty", "config.json"]),
    ("resume run", file("run/config.json", "{"), ["config.json", "damaged"]),
    ("resume run", file("run/config.json", "[]"), ["config.json", "damaged"]),
    ("resume run", file("run/config.json", '{"schema": 1}'), ["config.json", "damaged"]),
    ("resume run", file("run/config.json", '{"schema": 99}'), ["schema 99", "newer"]),
    ("resume all", file("all/comparison.json", "{"), ["comparison.json", "damaged"]),
    (
        "resume all",
        file("all/comparison.json", '{"schema": 99, "models": []}'),
        ["schema 99", "newer"],
    ),
    (
        "resume all",
        file("all/comparison.json", '{"schema": 1, "models": ["lstm"]}'),
        ["all/lstm"],
    ),
    ("report nowhere", None, ["nowhere"]),
    ("evaluate nowhere --length 3", None, ["nowhere"]),
]


def edit(name, old, new):
    """Replace a text in a file of the run."""

    def change(run):
        path = run / name
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))

    return change


def unfinished(run):
    """Make the run look like one that was killed before its end."""
    lines = (run / "metrics.jsonl").read_text().splitlines(keepends=True)
    (run / "metrics.jsonl").write_text("".join(lines[:-1]))


def and_then(*changes):
    """Several changes, one after the other."""

    def change(run):
        for each in changes:
            each(run)

    return change


def cut(name, size=40):
    """Cut a file of the run short."""
    return lambda run: (run / name).write_bytes((run / name).read_bytes()[:size])


def without(name):
    """Remove a file or folder of the run."""

    def change(run):
        path = run / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()

    return change


RUNS = [
    ("evaluate run --length 0", None, ["length", "at least 1", "got 0"]),
    ("evaluate run --length -1", None, ["length", "got -1"]),
    ("evaluate run --length 3 x", None, ["--length", "'x'"]),
    ("evaluate run --length", None, ["--length"]),
    ("evaluate run --items 3", None, ["unknown option '--items'"]),
    ("evaluate run --size 0", None, ["size", "got 0"]),
    ("evaluate run --seed -1", None, ["seed", "got -1"]),
    ("evaluate --seed 3 run", None, ["RUN comes first"]),
    ("evaluate run", without("model"), ["run", "tapehead resume"]),
    ("evaluate run", without("model/weights.safetensors"), ["weights.safetensors"]),
    ("evaluate run", cut("model/weights.safetensors"), ["weights.safetensors", "damaged"]),
    ("evaluate run", cut("model/config.json"), ["model/config.json", "damaged"]),
    (
        "evaluate run",
        edit("model/config.json", '"schema": 1', '"schema": 9'),
        ["schema 9", "newer"],
    ),
    ("evaluate run", edit("config.json", '"hidden": 4', '"hidden": 5'), ["hidden", "4", "5"]),
    ("report run", edit("config.json", '"hidden": 4', '"hidden": 5'), ["hidden", "4", "5"]),
    ("report run", edit("metrics.jsonl", '{"kind": "eval', '{"kind": eval'), ["metrics.jsonl"]),
    ("report run", cut("model/weights.safetensors"), ["weights.safetensors", "damaged"]),
    ("resume run", edit("config.json", '"schema": 1', '"schema": 9'), ["schema 9", "newer"]),
    ("resume run", edit("config.json", '"batch"', '"bach"'), ["'bach'", "'batch'"]),
    ("resume run", cut("config.json"), ["config.json", "damaged"]),
    ("resume run", edit("metrics.jsonl", '{"kind": "eval', '{"kind": eval'), ["metrics.jsonl"]),
    (
        "resume run",
        and_then(unfinished, edit("config.json", '"hidden": 4', '"hidden": 5')),
        ["another config", "hidden", "4", "5"],
    ),
    (
        "resume run",
        and_then(unfinished, edit("config.json", '"l2": 0.0', '"l2": 1.0')),
        ["another config", "l2", "0.0", "1.0"],
    ),
    (
        "resume run",
        and_then(unfinished, edit("metrics.jsonl", '"update": 5', '"update": 6')),
        ["metrics.jsonl", "damaged"],
    ),
    (TRAIN + "--out run", None, ["run", "another config"]),
    ("train --config run/config.json --out run", None, ["tapehead resume run"]),
    ("train copy gru --config run/config.json", None, ["'gru'", "'lstm'"]),
]


def content(root):
    """Every path below `root`, with the bytes of the files."""
    return {p: p.read_bytes() if p.is_file() else None for p in sorted(root.rglob("*"))}


def refused(shown, words):
    assert shown.status == 2
    assert shown.out == ""
    assert shown.err.startswith("tapehead: error: ")
    assert shown.err.count("\n") == 1
    assert shown.err.endswith("\n")
    for word in words:
        assert word in shown.err


@pytest.mark.parametrize(("command", "words"), WORDS, ids=[case[0] for case in WORDS])
def test_words(tapehead, tmp_path, monkeypatch, command, words):
    monkeypatch.chdir(tmp_path)
    refused(tapehead(*command.split()), words)
    assert content(tmp_path) == {}


@pytest.mark.parametrize(
    ("command", "prepare", "words"), FILES, ids=[f"{case[0]} {case[2]}" for case in FILES]
)
def test_files(tapehead, tmp_path, monkeypatch, command, prepare, words):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TAPEHEAD_DATA", str(tmp_path / "no-data"))
    if prepare:
        prepare(tmp_path)
    before = content(tmp_path)
    refused(tapehead(*command.split()), words)
    assert content(tmp_path) == before


@pytest.mark.parametrize(
    ("command", "damage", "words"), RUNS, ids=[f"{case[0]} {case[2]}" for case in RUNS]
)
def test_runs(tapehead, run, tmp_path, monkeypatch, command, damage, words):
    monkeypatch.chdir(tmp_path)
    if damage:
        damage(run)
    before = content(tmp_path)
    refused(tapehead(*command.split(), *(["--quiet"] if command == "resume run" else [])), words)
    assert content(tmp_path) == before


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("train copi dnc", ["unknown task 'copi'"]),
        (TRAIN + "--batch 0", ["batch"]),
        ("resume nowhere", ["nowhere"]),
        ("", ["expected a command"]),
    ],
)
def test_as_a_process(tmp_path, command, words):
    done = subprocess.run(
        [sys.executable, "-m", "tapehead", *command.split()],
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("tapehead: error: ")
    assert done.stderr.count("\n") == 1
    for word in words:
        assert word in done.stderr
    assert content(tmp_path) == {}
