"""`tapehead compare`, from its words to its table."""

import json
import shlex

import pytest
from rich.console import Console

from tapehead.cli import session
from tapehead.cli.compare import starting_points, without
from tapehead.cli.tables import plain_table
from tapehead.comparison import Comparison
from tapehead.tasks.algorithmic.recall import Recall
from tapehead.training import Diverged, Result, suggest

WORDS = [
    "compare",
    "copy",
    "lstm",
    "elman",
    *shlex.split(
        "--task.max-length 2 --task.bits 2 --batch 2 --updates 10 --evaluate-every 10 "
        "--evaluation-size 8 --seeds 2"
    ),
]


def test_settings_are_the_first_models_but_for_rule_and_optimizer():
    found = starting_points("copy", ["lstm", "dnc"], rule=None, optimizer=None)
    assert found["dnc"].optimizer == suggest("copy", "dnc").optimizer
    assert found["lstm"].optimizer == suggest("copy", "lstm").optimizer
    assert found["dnc"].optimizer != found["lstm"].optimizer
    for config in found.values():
        assert config.seeds == 5
        assert config.batch == suggest("copy", "lstm").batch
    both = starting_points("copy", ["lstm", "dnc"], rule=None, optimizer="sgd")
    assert both["dnc"].optimizer == both["lstm"].optimizer


def test_where_it_was_written_is_no_part_of_the_command():
    words = ["copy", "lstm", "--out", "x", "--quiet", "--runs-dir=y", "--seeds", "3"]
    assert without(["--out", "--runs-dir"], words) == ["copy", "lstm", "--seeds", "3"]


def test_it_trains_every_model_and_tells_what_came_of_it(tapehead, tmp_path, monkeypatch):
    monkeypatch.setattr(Recall, "sizes", (3,))
    monkeypatch.setattr(Recall, "evaluations", lambda task: {})
    monkeypatch.chdir(tmp_path)
    shown = tapehead(*WORDS, "--quiet")
    folder = tmp_path / "runs" / "compare-copy-1"
    assert shown.status == 0
    assert shown.err == ""
    assert "bits per sequence, test" in shown.out
    assert "table: runs/compare-copy-1/table.md" in shown.out
    found = Comparison.open(folder)
    assert found.command == shlex.join(["tapehead", *WORDS])
    assert [run.outcome for run in found.runs.values()] == ["budget", "budget"]
    for name in ("table.md", "figure.html", "lstm/report.html", "elman/report.html"):
        assert (folder / name).exists()
    before = (folder / "table.md").read_text()
    (folder / "table.md").unlink()
    again = tapehead("resume", folder, "--quiet")
    assert again.status == 0
    assert (folder / "table.md").read_text() == before


def test_a_stop_names_the_folder_to_resume_and_resuming_goes_on(tapehead, tmp_path, monkeypatch):
    trained = []

    def train(run, listener, stop):
        name = run.folder.name
        trained.append(name)
        if trained == ["lstm", "elman"]:
            return Result("stopped", 3, (None, None), 1.0)
        if trained.count("elman") == 2:
            raise Diverged("the loss of network 0 is nan")
        end = {"kind": "end", "update": 10, "outcome": "budget", "solved_at": [None, None]}
        metrics = {"bits": [1.0, 2.0], "sequence_accuracy": [0.5, 0.25]}
        test = {"kind": "evaluation", "set": "test", "size": None, "update": 10, "sequences": 8}
        lines = [test | {"metrics": metrics}, end]
        text = "".join(json.dumps(line) + "\n" for line in lines)
        (run.folder / "metrics.jsonl").write_text(text)
        return Result("budget", 10, (None, None), 1.0)

    monkeypatch.setattr(Recall, "evaluations", lambda task: {})
    monkeypatch.setattr(session, "train", train)
    folder = tmp_path / "all"
    shown = tapehead(*WORDS, "--out", folder)
    assert shown.status == 128
    assert shown.err.endswith(f"stopped; continue with: tapehead resume {folder}\n")
    assert not (folder / "table.md").exists()
    shown = tapehead("resume", folder)
    assert trained == ["lstm", "elman", "lstm", "elman"]
    assert shown.status == 0
    assert "elman: the loss of network 0 is nan" in shown.err
    assert "1.5 (1 to 2)" in shown.out


def test_a_plain_table_has_every_cell():
    console = Console(width=80, record=True)
    console.print(plain_table(["", "a"], [["x", "1"], ["y", "2"]]))
    text = console.export_text()
    for word in ("a", "x", "1", "y", "2"):
        assert word in text


@pytest.mark.parametrize("words", [["compare", "copy", "lstm", "dnc", "--help"]])
def test_help_of_a_comparison_has_the_tasks_settings(tapehead, words):
    page = tapehead(*words).out
    assert "--task.max-length" in page
    assert "--model." not in page
