"""Trains one run in a chain of processes, each killed at another moment; run by test_kill.py.

`python killed_run.py FOLDER` prints, for every process, the moment and how it ended.
"""

import errno
import os
import resource
import shutil
import signal
import sys
from pathlib import Path

from small_runs import small_config

from tapehead.errors import UserError
from tapehead.tasks import TASKS
from tapehead.training import Run, Silent, examiner, storage, train, trainer

Copy = TASKS["copy"]
Copy.sizes = (3,)
Copy.evaluations = lambda self: {"short": self.resized(1)}


def kill():
    os.kill(os.getpid(), signal.SIGKILL)


def at_call(owner, name, number, action, *, after=False, counts=lambda *args: True):
    """Do `action` at the given call (from 1) of a function that counts, before or after it."""
    function, calls = getattr(owner, name), []

    def counted(*args, **kwargs):
        calls.extend([0] * counts(*args))
        if len(calls) != number or not counts(*args):
            return function(*args, **kwargs)
        if after:
            function(*args, **kwargs)
        return action(*args, **kwargs)

    setattr(owner, name, counted)


def at_line(number, action):
    """Do `action` instead of writing a line of metrics."""
    at_call(
        storage.Lines,
        "append",
        number,
        action,
        counts=lambda lines, data: lines._path.name == "metrics.jsonl",
    )


def half_a_line(lines, data):
    """What a kill in the middle of a write leaves."""
    lines._file.write(b'{"kind": "train", "upda')
    kill()


def half_a_file(path, content):
    path.write_bytes(content[: len(content) // 2])
    kill()


def no_room_for_a_line(lines, data):
    lines._file.write(b'{"kind": "train", "upda')
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(lines._path))


def no_room_for_a_file(path, content):
    path.write_bytes(content[: len(content) // 2])
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))


def no_room_to_grow():
    """No file may grow beyond some bytes: the kernel itself refuses to write."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    size = (FOLDER / "metrics.jsonl").stat().st_size + 100
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


def nothing(*args, **kwargs):
    kill()


FOLDER = Path(sys.argv[1])
MOMENTS = {
    "before the first update": lambda: at_call(trainer.Updater, "advance", 1, nothing),
    "in the first checkpoint": lambda: at_call(storage, "write_bytes", 1, half_a_file),
    "between two files of it": lambda: at_call(storage, "write_bytes", 1, nothing, after=True),
    "before it is renamed": lambda: at_call(Path, "rename", 1, nothing),
    "after it is renamed": lambda: at_call(Path, "rename", 1, nothing, after=True),
    "in a line of metrics": lambda: at_line(2, half_a_line),
    "in an evaluation": lambda: at_call(examiner, "evaluate", 3, nothing),
    "no room for a line": lambda: at_line(2, no_room_for_a_line),
    "no room for a checkpoint": lambda: at_call(storage, "write_bytes", 2, no_room_for_a_file),
    "no room for anything": no_room_to_grow,
    "while an old checkpoint is dropped": lambda: at_call(shutil, "rmtree", 2, nothing),
    "when training has ended": lambda: at_call(trainer.Run, "save_models", 1, nothing),
    "in the model": lambda: at_call(storage, "write_bytes", 2, half_a_file),
    "in a test at the end": lambda: at_call(examiner, "evaluate", 2, nothing),
    "after the last line": lambda: at_call(storage.Lines, "sync", 1, nothing, after=True),
    "never": lambda: None,
}


class Tell(Silent):
    def on_start(self, run, update):
        print(f"{update} ", end="", flush=True)


def child(run, plant):
    """One process of the chain; does not return."""
    plant()
    try:
        train(run, Tell())
    except UserError as error:
        print(error, flush=True)
        os._exit(3)
    os._exit(0)


def main():
    # JAX must not have begun any thread before the process forks.
    run = Run.create(FOLDER, small_config(checkpoint_every=5))
    for moment, plant in MOMENTS.items():
        print(f"{moment}: ", end="", flush=True)
        process = os.fork()
        if process == 0:
            child(run, plant)
        status = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
        print({-signal.SIGKILL: "killed", 0: "ended", 3: "refused"}[status], flush=True)


if __name__ == "__main__":
    main()
