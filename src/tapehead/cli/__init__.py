"""The command line. Each command is a module of its own, imported only when it is called for."""

import importlib
import os
import sys
from collections.abc import Sequence

from tapehead.datasets.fetch import ENVIRONMENT
from tapehead.errors import UserError, nearest

COMMANDS = {
    "train": "train a model on a task, evaluate it and write a report",
    "resume": "continue a run that was stopped",
    "evaluate": "measure a run's networks on fresh or longer sequences",
    "generate": "let a run's network make up text or music",
    "fit": "learn to classify, regress, forecast or detect from a table of yours",
    "predict": "print what a fitted model says about a table",
    "watch": "print scores and alarms for observations as they come in on standard input",
    "inspect": "print what a fitted model is, and what it reads",
    "export": "write a fitted model as StableHLO or ONNX, to run without tapehead",
    "compare": "train several models on one task under the same budget, with one table and figure",
    "report": "write a run's report.html anew",
    "list": "list the tasks, models, rules or optimizers there are",
    "datasets": "list the data sets there are, download them, or check those that are here",
    "completion": "print a script that completes commands and options in your shell",
}
"""The commands and what they do; each is the function `run` of the module of its name."""


def usage() -> str:
    """The page that `tapehead --help` prints."""
    lines = [f"  {name:<12}{text}" for name, text in COMMANDS.items()]
    return "\n".join(
        [
            "usage: tapehead COMMAND ...",
            "",
            "Train recurrent networks that remember, and see what their memory did.",
            "",
            "commands:",
            *lines,
            "",
            "options:",
            "  -h, --help  show this page; `tapehead COMMAND --help` shows the command's",
            "  --version   show the version",
            "",
            "examples:",
            "  tapehead train copy dnc",
            "  tapehead train copy lstm --seeds 10 --task.max-length 30",
            "  tapehead evaluate runs/copy-dnc-1 --length 50 100",
        ]
    )


def version() -> str:
    """The installed version of tapehead."""
    from importlib.metadata import version as installed

    return installed("tapehead")


def dispatch(args: Sequence[str]) -> int:
    """Run the command that `args` begin with; returns the exit status."""
    if not args:
        raise UserError("expected a command (see 'tapehead --help')")
    name, *rest = args
    if name in ("-h", "--help", "help"):
        print(usage())
        return 0
    if name == "--version":
        print(f"tapehead {version()}")
        return 0
    if name not in COMMANDS:
        kind = "option" if name.startswith("-") else "command"
        hint = nearest(name, [*COMMANDS, "--help", "--version"])
        raise UserError(f"unknown {kind} '{name}'{hint} (known: {', '.join(COMMANDS)})")
    return importlib.import_module(f"tapehead.cli.{name}").run(rest)


def main(argv: Sequence[str] | None = None) -> int:
    """The `tapehead` command: runs it and returns the exit status.

    0: done; 1: the training diverged; 2: a mistake in what was given, or a folder or file that
    cannot be used, told in one line on stderr; 130 and 143: stopped by Ctrl-C or SIGTERM.
    """
    before = os.environ.get(ENVIRONMENT)
    try:
        return dispatch(sys.argv[1:] if argv is None else argv)
    except SystemExit as request:  # a parser printed its help page
        return int(request.code or 0)
    except UserError as error:
        complain(str(error))
        return 2
    except BrokenPipeError:
        # Whoever read our output has gone; keep the interpreter from complaining about it too.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        complain(f"{where}{error.strerror or error}")
        return 2
    except KeyboardInterrupt:
        return 130
    finally:  # --data-dir holds for its command only
        if before is None:
            os.environ.pop(ENVIRONMENT, None)
        else:
            os.environ[ENVIRONMENT] = before


def complain(message: str) -> None:
    """Print one line on stderr."""
    print(f"tapehead: error: {' '.join(message.split())}", file=sys.stderr)
