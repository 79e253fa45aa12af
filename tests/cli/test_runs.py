"""Train, evaluate, resume and report from end to end, on a network that takes no time."""

import errno
import io
import os
import re
import shlex
import signal
import subprocess
import sys
import threading
import time

import pytest
from rich.console import Console

from tapehead.cli import session
from tapehead.cli.progress import Bar, Lines, narrator
from tapehead.tasks.algorithmic.recall import Recall
from tapehead.training import Diverged, Result, Run, Timing


def content(folder):
    return {p: p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


@pytest.fixture
def few_lengths(monkeypatch):
    """As for the finished run."""
    monkeypatch.setattr(Recall, "sizes", (2, 3))
    monkeypatch.setattr(Recall, "evaluations", lambda task: {"length 4": task.resized(4)})


def test_a_finished_run_has_all_its_parts(finished):
    run = Run.open(finished)
    assert run.outcome == "budget"
    assert run.config.seeds == 2
    assert run.command.startswith("tapehead train copy lstm ")
    assert "--out" not in run.command
    assert (finished / "report.html").stat().st_size > 10_000
    assert shlex.split(run.command)[:4] == ["tapehead", "train", "copy", "lstm"]


def test_resuming_a_finished_run_shows_it_again(tapehead, run):
    before = (run / "metrics.jsonl").read_bytes()
    shown = tapehead("resume", run, "--quiet")
    assert shown.status == 0
    assert shown.err == ""
    assert (run / "metrics.jsonl").read_bytes() == before
    for name in ("test", "length 2", "length 3", "length 4"):
        assert name in shown.out
    assert shown.out.endswith(f"run: {run}\nreport: {run / 'report.html'}\n")


def test_the_report_is_written_anew(tapehead, run):
    before = content(run)
    (run / "report.html").unlink()
    assert tapehead("report", run) == (0, f"report: {run / 'report.html'}\n", "")
    assert content(run).keys() == before.keys()


def test_evaluating_changes_nothing(tapehead, run):
    before = content(run)
    first = tapehead("evaluate", run, "--length", 2, 3, "--size", 20)
    assert first.status == 0
    assert "length 2" in first.out
    assert "length 3" in first.out
    assert "right bits" in first.out
    assert "median (lowest to highest)" in first.out
    assert tapehead("evaluate", run, "--length", 2, 3, "--size", 20) == first
    assert tapehead("evaluate", run, "--length", 2, 3, "--size", 20, "--seed", 1) != first
    assert content(run) == before


@pytest.mark.usefixtures("few_lengths")
def test_evaluating_without_lengths_takes_the_tests_of_the_task(tapehead, run):
    shown = tapehead("evaluate", run)
    assert shown.status == 0
    rows = [line.split("│")[1].strip() for line in shown.out.splitlines() if line.startswith("│")]
    assert rows == ["test", "length 4", "length 2", "length 3"]


@pytest.mark.usefixtures("few_lengths")
def test_ctrl_c_stops_after_a_checkpoint_and_resume_goes_on(tapehead, finished, tmp_path):
    words = shlex.split(Run.open(finished).command)[1:]
    folder = tmp_path / "run"
    process = subprocess.Popen(
        [sys.executable, "-m", "tapehead", *words, "--out", folder],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    for line in process.stderr:
        if line == "update 0/20  compiling\n":
            # Compiling takes far longer than this, and the updates after it next to no time.
            time.sleep(0.2)
            process.send_signal(signal.SIGINT)
            break
    out, err = process.communicate(timeout=300)
    assert process.returncode == 130, err
    assert out == ""
    assert err.endswith(f"stopped; continue with: tapehead resume {folder}\n")
    assert Run.open(folder).outcome == "stopped"
    shown = tapehead("resume", folder)
    assert shown.status == 0
    assert "continuing from update" in shown.err
    assert "all updates used at update 20" in shown.err
    assert (folder / "metrics.jsonl").read_bytes() == (finished / "metrics.jsonl").read_bytes()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_asks_for_a_stop(tapehead, run, monkeypatch, number):
    before = [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)]

    def train(run, listener, stop):
        os.kill(os.getpid(), number)
        assert threading.current_thread() is not threading.main_thread()
        for _ in range(1000):
            if stop.is_set():
                return Result("stopped", 7, (None, None), 1.0)
            threading.Event().wait(0.01)
        raise AssertionError("the signal was not heard")

    monkeypatch.setattr(session, "train", train)
    shown = tapehead("resume", run)
    assert shown.status == 128 + number
    assert shown.out == ""
    assert "stopping after a checkpoint" in shown.err
    assert shown.err.endswith(f"stopped; continue with: tapehead resume {run}\n")
    assert [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)] == before


def test_the_second_signal_ends_at_once(run):
    code = (
        "import os, sys, threading, signal\n"
        "from tapehead.cli import main, session\n"
        "def train(run, listener, stop):\n"
        "    os.kill(os.getpid(), signal.SIGINT)\n"
        "    while not stop.is_set():\n"
        "        threading.Event().wait(0.01)\n"
        "    os.kill(os.getpid(), signal.SIGINT)\n"
        "    threading.Event().wait()\n"
        "session.train = train\n"
        f"sys.exit(main(['resume', {str(run)!r}]))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == -signal.SIGINT
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("error", "status", "line"),
    [
        (Diverged("the loss of network 0 is\nnan at update 3"), 1, "network 0 is nan at update 3"),
        (OSError(errno.ENOSPC, "No space left on device", "run/x"), 2, "run/x: No space left"),
        (PermissionError(errno.EACCES, "Permission denied", "run/x"), 2, "run/x: Permission"),
    ],
)
def test_what_goes_wrong_is_one_line(tapehead, run, monkeypatch, error, status, line):
    def train(run, listener, stop):
        raise error

    monkeypatch.setattr(session, "train", train)
    shown = tapehead("resume", run)
    assert shown.status == status
    assert shown.err.startswith("tapehead: error: ")
    assert shown.err.count("\n") == 1
    assert line in shown.err


def test_a_reader_that_goes_away_is_no_error():
    command = f"{sys.executable} -m tapehead list tasks | true; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True)
    assert done.stderr == ""
    assert done.stdout == "0\n"


TIMING = Timing(seconds=3.0, updates_per_second=10.0, steps_per_second=12345.0, remaining=75.0)


def told(display, run):
    """Tell a display of a run from its beginning to its end."""
    display.on_start(run, 0)
    metrics = {"loss": [0.5, 0.3], "sequence_accuracy": [0.25, 0.75]}
    display.on_block(1, metrics, TIMING)
    display.on_block(5, metrics, TIMING)
    display.on_evaluation(10, "validation", {"sequence_accuracy": [1.0, 0.5]}, [True, False])
    display.on_message("a checkpoint was damaged")
    display.on_evaluation(20, "validation", {"sequence_accuracy": [None, 1.0]}, [False, True])
    display.on_evaluation(20, "test", {"sequence_accuracy": [1.0, 1.0]}, [True, True])
    display.on_end(Result("solved", 20, (10, 20), 65.0))


def test_plain_lines(run, monkeypatch):
    monkeypatch.setattr("tapehead.cli.progress.INTERVAL", 0)
    stream = io.StringIO()
    told(Lines(Console(file=stream, width=80)), Run.open(run))
    text = stream.getvalue()
    assert text.splitlines() == [
        f"training in {run} (2 networks, at most 20 updates)",
        "update 0/20  compiling",
        "update 1/20  loss 0.4  sequences without error 50 %  solved 0/2  12,345 sequence steps/s",
        "update 5/20  loss 0.4  sequences without error 50 %  solved 0/2  "
        "12,345 sequence steps/s  "
        "at most 1 min 15 s left",
        "update 10: solved by 1 of 2 networks",
        "a checkpoint was damaged",
        "update 20: solved by 2 of 2 networks",
        "trained for 20 updates; evaluating",
        "update 20/20  evaluated: test",
        "solved at update 20, after 1 min 5 s",
    ]
    assert "\x1b" not in text


def test_plain_lines_are_few(run):
    stream = io.StringIO()
    display = Lines(Console(file=stream, width=80))
    for update in range(100):
        display.on_block(update, {"loss": [0.5]}, TIMING)
    assert len(stream.getvalue().splitlines()) == 1


def test_the_bar(run):
    stream = io.StringIO()
    told(Bar(Console(file=stream, width=100, force_terminal=True)), Run.open(run))
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", stream.getvalue())
    assert "update 5/20" in text.replace("  ", " ")
    assert "12,345 sequence steps/s" in text
    assert "solved at update 20" in text
    assert stream.getvalue().count("\x1b[?25h") == stream.getvalue().count("\x1b[?25l")


def test_nothing_is_shown_when_quiet(run, capsys):
    told(narrator(quiet=True), Run.open(run))
    assert capsys.readouterr() == ("", "")
