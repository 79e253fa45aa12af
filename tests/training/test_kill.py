import os
import subprocess
import sys
from pathlib import Path

import pytest
from small_runs import small_config

from tapehead.tasks import TASKS
from tapehead.training import Run, train


@pytest.fixture(scope="module")
def story(tmp_path_factory):
    """The run of a chain of killed processes, and what that chain printed."""
    folder = tmp_path_factory.mktemp("killed") / "run"
    script = Path(__file__).with_name("killed_run.py")
    told = subprocess.run(
        [sys.executable, str(script), str(folder)],
        capture_output=True,
        text=True,
        check=True,
        timeout=600,
        env=os.environ | {"JAX_NUMPY_DTYPE_PROMOTION": "strict"},
    )
    print(told.stdout, told.stderr)
    return folder, told.stdout.splitlines()


def test_every_process_ended_as_it_was_meant_to(story):
    _, told = story
    assert told.pop() == "never: ended"
    refusals = [line for line in told if line == "refused"]
    excuses = [line for line in told if "cannot write" in line]
    others = [line for line in told if line not in refusals + excuses]
    assert len(others) == 12
    assert all(line.endswith("killed") for line in others)
    assert len(refusals) == len(excuses) == 3
    for line, why in zip(excuses, ["No space", "No space", "File too large"], strict=True):
        assert line.startswith("no room for a")
        assert why in line
        assert "nothing written before is lost: make room" in line
        assert "tapehead resume " in line


def test_the_numbers_are_those_of_a_run_that_was_never_killed(story, tmp_path, monkeypatch):
    folder, _ = story
    monkeypatch.setattr(TASKS["copy"], "sizes", (3,))
    monkeypatch.setattr(TASKS["copy"], "evaluations", lambda self: {"short": self.resized(1)})
    whole = Run.create(tmp_path / "run", small_config())
    train(whole)
    for name in ("metrics.jsonl", "model/weights.safetensors", "model/config.json"):
        assert (folder / name).read_bytes() == (whole.folder / name).read_bytes(), name
