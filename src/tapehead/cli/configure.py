"""From words on the command line to a `RunConfig`, and back to the words that repeat it."""

import argparse
import json
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tapehead.cli.options import Parser, flag_of, hyphenated, written
from tapehead.errors import UserError
from tapehead.training.config import PARTS, AnyConfig, RunConfig, from_json, to_json
from tapehead.training.presets import suggest

Settings = dict[str, Any]
"""A config as `to_json` gives it."""


def add_choices(parser: Parser) -> None:
    """The options that say which further options there are."""
    group = parser.add_argument_group("parts")
    parser.option(
        "--rule",
        group=group,
        metavar="NAME",
        help="learning rule (default: the preset's; see 'tapehead list rules')",
    )
    parser.option(
        "--optimizer",
        group=group,
        metavar="NAME",
        help="optimizer (default: the preset's; see 'tapehead list optimizers')",
    )


def split(args: Sequence[str]) -> tuple[list[str], list[str]]:
    """The leading words that are no options, and the rest."""
    for position, word in enumerate(args):
        if word.startswith("-"):
            return list(args[:position]), [hyphenated(word) for word in args[position:]]
    return list(args), []


def asks_for_help(args: Sequence[str]) -> bool:
    """Whether the help page is asked for."""
    return "-h" in args or "--help" in args


def read_config(path: Path) -> Settings:
    """The settings in a file that `--save-config` wrote, or in a run's `config.json`.

    **Raises:** `UserError` if there is no such file or it is not of this form.
    """
    try:
        data = json.loads(path.read_text())
    except OSError as error:
        raise UserError(f"--config: cannot read '{path}': {error.strerror}") from None
    except ValueError as error:
        raise UserError(f"--config: '{path}' is not JSON: {error}") from None
    if isinstance(data, dict) and isinstance(data.get("config"), dict):
        data = data["config"]
    if not isinstance(data, dict):
        raise UserError(f"--config: '{path}' must hold a JSON object of settings")
    for part in PARTS:
        entry = data.get(part, {"name": ""})
        if not isinstance(entry, dict) or not isinstance(entry.get("name"), str):
            raise UserError(
                f"--config: '{path}': '{part}' must be an object with a 'name', got {entry!r}"
            )
    return data


def starting_point(
    names: Mapping[str, str | None], source: Path | None, *, settings: Settings
) -> AnyConfig:
    """The config before any further options: presets, overlaid with a config file.

    **Arguments:**

    - `names`: for each part the name that was given on the command line, or `None`.
    - `source`, `settings`: the config file and what it holds (`{}` without one).

    **Raises:** `UserError` for unknown names, and where the command line and the file disagree
    about the task or the model.
    """
    chosen: dict[str, str | None] = {}
    for part, given in names.items():
        filed = settings.get(part, {}).get("name")
        if part in ("task", "model"):
            if given and filed and given != filed:
                raise UserError(
                    f"{part.upper()} is '{given}' but the {part} in '{source}' is '{filed}'; "
                    "leave one of the two out"
                )
            if not (given or filed):
                raise UserError(
                    f"expected {part.upper()}, got nothing; one of: {', '.join(PARTS[part])}"
                )
        chosen[part] = name = given or filed
        if name:
            PARTS[part][name]  # an unknown name is refused here, whatever part it is of
    merged = to_json(
        suggest(
            str(chosen["task"]),
            str(chosen["model"]),
            rule=chosen["rule"],
            optimizer=chosen["optimizer"],
        )
    )
    for name, value in settings.items():
        if name not in PARTS:
            merged[name] = value
        elif value["name"] == merged[name]["name"]:
            merged[name] = merged[name] | value
    if source is None:
        return from_json(merged)
    try:
        return from_json(merged)
    except UserError as error:
        raise UserError(f"'{source}': {error}") from None


def add_settings(parser: Parser, config: AnyConfig, *, skip: Sequence[str] = ()) -> None:
    """An option for every setting of `config` but those of the parts in `skip`."""
    data = to_json(config)
    parser.options_of(RunConfig, data, skip=tuple(PARTS))
    for part in PARTS:
        if part not in skip:
            parser.options_of(type(getattr(config, part)), data[part], prefix=f"{part}.")


def overridden(config: AnyConfig, given: argparse.Namespace) -> AnyConfig:
    """`config` with the settings the user gave to options made by `add_settings`."""
    data = to_json(config)
    for name, value in vars(given).items():
        part, dot, setting = name.partition(".")
        if dot:
            data[part][setting] = value
        elif name in data and name not in PARTS:
            data[name] = value
    return from_json(data)


def check(config: AnyConfig) -> None:
    """Refuse what only shows when the parts are put together, before anything is written.

    The network and the optimiser are built, and the rule begun, abstractly, which takes no memory.
    """
    import equinox as eqx
    import jax

    from tapehead.cell import expect_steps
    from tapehead.training.strengths import strengths

    task = config.task
    config.optimizer.build(config.updates)

    def begin(key: jax.Array) -> Any:
        sizes = (task.input_size, task.output_size)
        network = config.model.build(*sizes, tokens=task.tokens, key=key)
        model = config.rule.extend(network, key=key)
        if task.streams:
            expect_steps(type(task).__name__, model)
        for name in ("l1_parts", "l2_parts"):
            strengths(name, model, 0.0, getattr(config, name))
        return config.rule.begin(model, (config.batch,), key=key)

    eqx.filter_eval_shape(begin, jax.random.key(0))


def names_of(config: AnyConfig) -> tuple[str, str]:
    """The names of the task and the model."""
    return PARTS["task"].name_of(config.task), PARTS["model"].name_of(config.model)


def command_of(config: AnyConfig) -> str:
    """The shortest `tapehead train` command that gives this config."""
    data = to_json(config)
    task, model = names_of(config)
    words = ["tapehead", "train", task, model]
    usual = to_json(suggest(task, model))
    chosen: dict[str, str | None] = {}
    for part in ("rule", "optimizer"):
        name = data[part]["name"]
        chosen[part] = None if name == usual[part]["name"] else name
        if chosen[part]:
            words += [f"--{part}", name]
    usual = to_json(suggest(task, model, **chosen))

    def differences(prefix: str, ours: Settings, theirs: Settings) -> None:
        for name, value in ours.items():
            if prefix + name in PARTS:
                differences(f"{name}.", value, theirs[name])
            elif value != theirs[name]:
                flag = flag_of(prefix, name)
                if isinstance(value, bool):
                    words.append(flag if value else f"--no-{flag.removeprefix('--')}")
                else:
                    words.extend([flag, *written(value)])

    differences("", data, usual)
    return shlex.join(words)
