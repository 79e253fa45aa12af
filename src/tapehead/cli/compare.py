"""`tapehead compare TASK MODEL MODEL ...`: several models under the same budget."""

import dataclasses
import shlex
from collections.abc import Sequence
from pathlib import Path

from tapehead.cli.configure import (
    add_choices,
    add_settings,
    asks_for_help,
    check,
    command_of,
    overridden,
    split,
    starting_point,
)
from tapehead.cli.options import Parser, class_defaults
from tapehead.errors import UserError
from tapehead.training.config import PARTS, AnyConfig, RunConfig

DESCRIPTION = (
    "Train each MODEL on TASK with the same budget, batch and seeds, every one in a run folder of "
    "its own below one folder, and put their results into one table and one figure. Optimizer and "
    "learning rule are each model's own presets unless given here; everything else is the same for "
    "all. A comparison that was stopped continues with 'tapehead resume FOLDER'."
)
SEEDS = 5
"""Networks of each model, where the user does not say."""
FOLDERS = ("--out", "--runs-dir", "--data-dir")
"""Options that say where things are and change no number."""


def base_parser(words: str = "TASK MODEL MODEL ...", *, add_help: bool = True) -> Parser:
    """The options that hold for every task and model."""
    made = Parser(f"compare {words}", "[options]", DESCRIPTION, add_help=add_help)
    add_choices(made)
    made.option(
        "--out",
        metavar="FOLDER",
        type=Path,
        help="the folder, which must be new or empty (default: a new one below --runs-dir)",
    )
    made.option(
        "--runs-dir",
        metavar="FOLDER",
        type=Path,
        help="where folders are made (default: runs)",
    )
    made.data_option()
    made.option("--quiet", action="store_true", help="show no progress")
    return made


def parser() -> Parser:
    """The parser for help without a task."""
    made = base_parser()
    defaults = class_defaults(RunConfig) | {"seeds": SEEDS}
    made.options_of(RunConfig, defaults, skip=tuple(PARTS))
    return made


def starting_points(task: str, models: Sequence[str], **parts: str | None) -> dict[str, AnyConfig]:
    """Each model's config before any further options; the first one's settings hold for all."""
    first, *_ = starts = [
        starting_point({"task": task, "model": model, **parts}, None, settings={})
        for model in models
    ]
    shared = {
        field.name: getattr(first, field.name)
        for field in dataclasses.fields(first)
        if field.name not in PARTS
    } | {"seeds": SEEDS}
    return {
        model: dataclasses.replace(start, **shared)
        for model, start in zip(models, starts, strict=True)
    }


def configured(words: Sequence[str], start: AnyConfig, rest: Sequence[str]) -> AnyConfig:
    """One model's config: its starting point, and on top of it what the user gave."""
    full = base_parser(shlex.join(words))
    add_settings(full, start, skip=("model",))
    config = overridden(start, full.read(rest))
    check(config)
    return config


def run(args: Sequence[str]) -> int:
    """The command; returns the exit status."""
    words, rest = split(args)
    if asks_for_help(rest) and len(words) < 2:
        parser().print_help()
        return 0
    if len(words) < 3:
        given = f"got {shlex.join(words)}" if words else "got nothing"
        raise UserError(f"compare: expected TASK and at least 2 models, {given}")
    task, *models = words
    for model in models:
        if models.count(model) > 1:
            raise UserError(f"compare: model '{model}' is named twice; name each once")
    early, _ = base_parser(add_help=False).parse_known_args(rest)
    starts = starting_points(task, models, rule=early.rule, optimizer=early.optimizer)
    configs = {model: configured(words, start, rest) for model, start in starts.items()}
    if early.out and early.runs_dir:
        raise UserError("compare: --out and --runs-dir exclude each other; leave one of them out")

    from tapehead.cli.session import carry_out_comparison
    from tapehead.comparison import Comparison
    from tapehead.training import dry_run, next_folder

    for config in configs.values():
        dry_run(config, config.task.data())  # what cannot be is told before a folder is made
    comparison = Comparison.create(
        early.out or next_folder(early.runs_dir or Path("runs"), "compare", task),
        configs,
        commands={model: command_of(config) for model, config in configs.items()},
        command=shlex.join(["tapehead", "compare", *without(FOLDERS, args)]),
    )
    return carry_out_comparison(comparison, quiet=early.quiet)


def without(flags: Sequence[str], args: Sequence[str]) -> list[str]:
    """`args` without the `flags` and their values, and without `--quiet`."""
    kept: list[str] = []
    words = iter(args)
    for word in words:
        if word in flags:
            next(words)
        elif word != "--quiet" and word.split("=")[0] not in flags:
            kept.append(word)
    return kept
