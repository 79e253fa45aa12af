"""`tapehead train TASK MODEL`: from a command to a trained network and its report."""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

from tapehead.cli.configure import (
    add_choices,
    add_settings,
    asks_for_help,
    check,
    command_of,
    names_of,
    overridden,
    read_config,
    split,
    starting_point,
)
from tapehead.cli.list import table
from tapehead.cli.options import Parser, class_defaults
from tapehead.errors import UserError
from tapehead.training.config import PARTS, AnyConfig, RunConfig, to_json

DESCRIPTION = (
    "Train MODEL on TASK, evaluate it on fresh and on longer sequences, and write a report. "
    "Everything is kept in a run folder, from which a stopped run can be resumed."
)


def base_parser(
    words: str = "TASK MODEL", *, epilog: str | None = None, add_help: bool = True
) -> Parser:
    """The options that hold for every task and model."""
    made = Parser(f"train {words}", "[options]", DESCRIPTION, epilog=epilog, add_help=add_help)
    add_choices(made)
    group = made.add_argument_group("files")
    made.option(
        "--config",
        group=group,
        metavar="FILE",
        type=Path,
        help="start from the settings in FILE, which --save-config wrote, or a run's config.json",
    )
    made.option(
        "--save-config",
        group=group,
        metavar="FILE",
        type=Path,
        help="write the settings to FILE and do not train",
    )
    made.option(
        "--out",
        group=group,
        metavar="FOLDER",
        type=Path,
        help="the run folder, which must be new or empty (default: a new one below --runs-dir)",
    )
    made.option(
        "--runs-dir",
        group=group,
        metavar="FOLDER",
        type=Path,
        help="where run folders are made (default: runs)",
    )
    made.data_option(group)
    made.option("--quiet", action="store_true", help="show no progress")
    return made


def parser() -> Parser:
    """The parser for help without a task and a model: what there is to choose from."""
    names = (
        "TASK:\n"
        + table("tasks")
        + "\n\nMODEL:\n"
        + table("models")
        + "\n\nEach task, model, rule and optimizer has options of its own; see for instance "
        "'tapehead train copy dnc --help'."
    )
    made = base_parser(epilog=names)
    made.options_of(RunConfig, class_defaults(RunConfig), skip=tuple(PARTS))
    return made


def save_config(path: Path, config: AnyConfig) -> None:
    """Write the settings to a new file."""
    try:
        with path.open("x") as file:
            file.write(json.dumps(to_json(config), indent=2) + "\n")
    except FileExistsError:
        raise UserError(f"--save-config: '{path}' exists already; name a new file") from None
    except OSError as error:
        raise UserError(f"--save-config: cannot write '{path}': {error.strerror}") from None


def configured(args: Sequence[str]) -> tuple[AnyConfig, argparse.Namespace]:
    """The config that the words ask for, and everything else that they say.

    **Raises:** `UserError` if they contradict each other, or name or hold what cannot be.
    """
    words, rest = split(args)
    early, _ = base_parser(add_help=False).parse_known_args(rest)
    settings = read_config(early.config) if early.config else {}
    names = {
        "task": words[0] if words else None,
        "model": words[1] if len(words) > 1 else None,
        "rule": early.rule,
        "optimizer": early.optimizer,
    }
    start = starting_point(names, early.config, settings=settings)
    parser = base_parser(" ".join(names_of(start)))
    add_settings(parser, start)
    given = parser.read([*words[2:], *rest])
    if given.out and given.runs_dir:
        raise UserError("train: --out and --runs-dir exclude each other; leave one of them out")
    config = overridden(start, given)
    check(config)
    return config, given


def run(args: Sequence[str]) -> int:
    """The command; returns the exit status."""
    words, rest = split(args)
    if asks_for_help(rest) and len(words) < 2 and not any(w.startswith("--config") for w in rest):
        parser().print_help()
        return 0
    config, given = configured(args)
    if given.save_config:
        save_config(given.save_config, config)
        print(f"wrote {given.save_config}")
        return 0

    from tapehead.cli.session import carry_out
    from tapehead.training import Run, dry_run, next_folder

    dry_run(config, config.task.data())  # what cannot be is told before a folder is made
    folder = given.out or next_folder(given.runs_dir or Path("runs"), *names_of(config))
    return carry_out(Run.create(folder, config, command_of(config)), quiet=given.quiet)
