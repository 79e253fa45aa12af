"""A command run in this process, and one small finished run that tests may copy."""

import shlex
import shutil
from typing import NamedTuple

import pytest

from tapehead.cli import main
from tapehead.tasks.algorithmic.recall import Recall

TINY = shlex.split(
    "--task.max-length 2 --task.bits 2 --batch 2 --updates 20 --log-every 5 --evaluate-every 10 "
    "--evaluation-size 8 --checkpoint-every 10"
)
"""Settings of a run that takes no time once it is compiled."""


class Shown(NamedTuple):
    """What a command came to: its exit status and what it printed."""

    status: int
    out: str
    err: str


@pytest.fixture
def tapehead(capsys):
    """Run a command in this process, given as words."""

    def run(*words):
        capsys.readouterr()
        status = main([str(word) for word in words])
        return Shown(status, *capsys.readouterr())

    return run


@pytest.fixture(scope="session")
def finished(tmp_path_factory):
    """The folder of a finished run of two networks; copy it before changing anything in it."""
    folder = tmp_path_factory.mktemp("runs") / "copy-lstm-1"
    with pytest.MonkeyPatch.context() as patch:
        # Every length of the curve costs a compilation; two are enough to have a curve.
        patch.setattr(Recall, "sizes", (2, 3))
        patch.setattr(Recall, "evaluations", lambda task: {"length 4": task.resized(4)})
        words = ["train", "copy", "lstm", "--model.hidden", "4", "--seeds", "2", *TINY]
        assert main([*words, "--quiet", "--out", str(folder)]) == 0
    return folder


@pytest.fixture
def run(finished, tmp_path):
    """A copy of the finished run, as `run` below the working folder of the test."""
    return shutil.copytree(finished, tmp_path / "run")
