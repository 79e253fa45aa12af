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


def test_every_process_but_the_last_was_killed(story):
    _, told = story
    ends = {line.split(": ")[0]: line.split()[-1] for line in told if ": " in line}
    assert ends.pop("never") == "ended"
    assert set(ends.values()) == {"killed"}


def test_the_numbers_are_those_of_a_run_that_was_never_killed(story, tmp_path, monkeypatch):
    folder, _ = story
    monkeypatch.setattr(TASKS["copy"], "sizes", (3,))
    monkeypatch.setattr(TASKS["copy"], "evaluations", lambda self: {"short": self.resized(1)})
    whole = Run.create(tmp_path / "run", small_config())
    train(whole)
    for name in ("metrics.jsonl", "model/weights.safetensors", "model/config.json"):
        assert (folder / name).read_bytes() == (whole.folder / name).read_bytes(), name
