"""Comparisons: folders of runs under one budget, with a table and figures."""

import dataclasses
import json
from importlib.util import find_spec

import pytest

from tapehead.comparison import Comparison, markdown, table, write_figures, write_table
from tapehead.errors import UserError
from tapehead.training import suggest

CONFIGS = {
    name: dataclasses.replace(suggest("copy", name), seeds=3, updates=100)
    for name in ("lstm", "elman")
}


def create(folder, configs=CONFIGS):
    commands = {name: f"tapehead train copy {name}" for name in configs}
    command = "tapehead compare copy lstm elman"
    return Comparison.create(folder, configs, commands=commands, command=command)


def log(run, *, bits, solved_at, outcome="budget", seconds=(10.0, 70.0)):
    """Write the logs of a run that ended; `bits` of each network on the tests at 10 and above."""
    lines = [
        {"kind": "train", "update": 50, "metrics": {"loss": [0.5, 0.4, 0.3], "bits": bits}},
    ]
    common = {"kind": "evaluation", "update": 100, "axis": None, "size": None, "sequences": 1000}
    sets = ["validation", "test", *run.config.task.evaluations()]
    metrics = {"bits": bits, "sequence_accuracy": [0.25, 0.5, 1.0]}
    lines += [common | {"set": name, "metrics": metrics} for name in sets]
    sized = {"set": "length 7", "axis": "length", "size": 7, "metrics": metrics}
    lines += [common | sized]
    lines += [{"kind": "end", "update": 100, "outcome": outcome, "solved_at": solved_at}]
    text = "".join(json.dumps(line) + "\n" for line in lines)
    (run.folder / "metrics.jsonl").write_text(text)
    timing = [
        {"kind": "start", "update": 0},
        {"kind": "block", "update": 50, "seconds": seconds[0]},
        {"kind": "start", "update": 50},
        {"kind": "end", "update": 100, "seconds": seconds[1]},
    ]
    (run.folder / "timing.jsonl").write_text("".join(json.dumps(t) + "\n" for t in timing))


@pytest.fixture
def ended(tmp_path):
    """A comparison whose runs have ended."""
    made = create(tmp_path / "comparison")
    log(made.runs["lstm"], bits=[3.0, 1.0, 2.0], solved_at=[None, 60, 100])
    log(made.runs["elman"], bits=[8.0, 8.0, 8.0], solved_at=[None] * 3)
    return made


def test_it_opens_as_it_was_made(tmp_path):
    made = create(tmp_path / "comparison")
    assert Comparison.at(made.folder)
    assert not Comparison.at(made.folder / "lstm")
    assert Comparison.open(made.folder) == made
    assert list(made.runs) == ["lstm", "elman"]
    assert made.runs["lstm"].config == CONFIGS["lstm"]
    assert made.task == CONFIGS["lstm"].task


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"updates": 7}, "the same updates for every model, got 100 and 7"),
        ({"seeds": 1}, "the same seeds for every model, got 3 and 1"),
        ({"seed": 9}, "the same seed for every model, got 0 and 9"),
        ({"batch": 3}, "the same batch for every model, got 16 and 3"),
    ],
)
def test_budgets_that_differ_are_refused(tmp_path, change, words):
    configs = CONFIGS | {"elman": dataclasses.replace(CONFIGS["elman"], **change)}
    with pytest.raises(UserError, match=words):
        create(tmp_path / "comparison", configs)
    assert not (tmp_path / "comparison").exists()


def test_one_model_is_no_comparison(tmp_path):
    with pytest.raises(UserError, match="at least 2 models, got 1"):
        create(tmp_path / "comparison", {"lstm": CONFIGS["lstm"]})


def test_the_table_has_medians_and_spreads(ended):
    heading, rows = table(ended)
    assert heading == ["", "lstm", "elman"]
    cells = {name: (lstm, elman) for name, lstm, elman in rows}
    assert cells["solved"] == ("2 of 3", "0 of 3")
    assert cells["updates to solve"] == ("80 (60 to 100)", "–")
    assert cells["bits per sequence, test"] == ("2 (1 to 3)", "8 (8 to 8)")
    assert cells["sequences without error, test"][0] == "50 % (25 % to 100 %)"
    for name in ended.task.evaluations():
        assert cells[f"bits per sequence, {name}"][0] == "2 (1 to 3)"
    assert cells["time, all 3 seeds"] == ("1 min 20 s", "1 min 20 s")
    assert cells["optimizer"][0].startswith("adam, learning rate 0.003")
    # 4 gates of 128 units that read 9 inputs and 128 units, with biases, and the readout.
    assert cells["parameters"][0] == f"{4 * 128 * (9 + 128 + 1) + 8 * (128 + 1):,}"


def test_runs_that_are_not_finished_or_diverged_say_so(tmp_path):
    made = create(tmp_path / "comparison")
    log(made.runs["elman"], bits=[8.0] * 3, solved_at=[None] * 3, outcome="diverged")
    cells = {name: values for name, *values in table(made)[1]}
    assert cells["solved"] == ["not finished", "diverged at update 100"]
    log(made.runs["lstm"], bits=[8.0] * 3, solved_at=[None] * 3, outcome="stopped")
    assert {name: values for name, *values in table(made)[1]}["solved"][0] == "not finished"


def test_markdown_has_the_table_and_the_commands(ended):
    text = markdown(ended)
    assert text.startswith("`tapehead compare copy lstm elman`\n\n|  | lstm | elman |\n| --- |")
    assert "| solved | 2 of 3 | 0 of 3 |" in text
    assert "tapehead train copy lstm\ntapehead train copy elman\n" in text
    assert write_table(ended).read_text() == text


def test_figures_are_written(ended):
    written = write_figures(ended)
    assert written[0] == ended.folder / "figure.html"
    page = written[0].read_text()
    assert "2 of 3" in page
    assert "lstm, elman on copy" in page
    assert 'data-figure="learning"' in page
    assert 'data-figure="generalisation"' in page
    assert "://" not in page.replace("http://www.w3.org/2000/svg", "")
    if find_spec("matplotlib"):
        assert written[1].read_text().startswith("<?xml")


def test_figures_of_nothing_yet_are_a_table_alone(tmp_path):
    made = create(tmp_path / "comparison")
    assert write_figures(made) == [made.folder / "figure.html"]
