"""`tapehead completion SHELL`: a script that completes commands, names and options."""

import importlib
import shlex
from collections.abc import Sequence
from typing import NamedTuple

from tapehead.cli import COMMANDS
from tapehead.cli.datasets import ACTIONS
from tapehead.cli.list import KINDS as LISTS
from tapehead.cli.options import Parser, class_defaults, one_of
from tapehead.datasets import DATASETS
from tapehead.training.config import PARTS

SHELLS = ("bash", "zsh", "fish")
BY_OPTION = ("rule", "optimizer")
"""The parts that an option names, rather than an argument."""


class Words(NamedTuple):
    """What can be completed where.

    **Attributes:**

    - `options`: the options of each command that hold whatever its arguments are.
    - `parts`: for each kind of part and each name of one, the options it adds to `train`.
    """

    options: dict[str, list[str]]
    parts: dict[str, dict[str, list[str]]]


def words() -> Words:
    """All commands' options, from their parsers."""
    options = {
        name: importlib.import_module(f"tapehead.cli.{name}").parser().flags for name in COMMANDS
    }
    parts: dict[str, dict[str, list[str]]] = {part: {} for part in PARTS}
    for part, registry in PARTS.items():
        for name, cls in registry.items():
            made = Parser("train", "", "", add_help=False)
            made.options_of(cls, class_defaults(cls), prefix=f"{part}.")
            parts[part][name] = made.flags
    for command in ("train", "compare"):
        for part in BY_OPTION:
            options[command] += [flag for flags in parts[part].values() for flag in flags]
    return Words({name: list(dict.fromkeys(flags)) for name, flags in options.items()}, parts)


def branches(choices: dict[str, list[str]]) -> list[str]:
    """The branches of a shell's `case` that add each choice's words."""
    return [f'{name}) words="$words {" ".join(more)}" ;;' for name, more in choices.items()]


def bash(known: Words) -> str:
    """The script for bash."""
    names = {part: " ".join(choices) for part, choices in known.parts.items()}
    trains = ("train", "compare")
    return "\n".join(
        [
            "_tapehead() {",
            'local current="${COMP_WORDS[COMP_CWORD]}" previous="${COMP_WORDS[COMP_CWORD-1]}"',
            'local command="${COMP_WORDS[1]-}" task="${COMP_WORDS[2]-}" model="${COMP_WORDS[3]-}"',
            'local words="" kind=argument',
            '[[ "$current" == -* ]] && kind=option',
            'case "$previous" in --rule|--optimizer) kind="$previous" ;; esac',
            'case "$kind,$command,$COMP_CWORD" in',
            f'--rule,*) words="{names["rule"]}" ;;',
            f'--optimizer,*) words="{names["optimizer"]}" ;;',
            f'*,*,1) words="{" ".join(COMMANDS)} --help --version" ;;',
            *(f'argument,{c},2) words="{names["task"]}" ;;' for c in trains),
            f'argument,train,3|argument,compare,*) words="{names["model"]}" ;;',
            f'argument,list,2) words="{" ".join(LISTS)}" ;;',
            f'argument,datasets,2) words="{" ".join(ACTIONS)}" ;;',
            f'argument,datasets,*) words="{" ".join(DATASETS)}" ;;',
            f'argument,completion,2) words="{" ".join(SHELLS)}" ;;',
            "option,*)",
            'case "$command" in',
            *branches(known.options),
            "esac",
            'case "$command,$task" in',
            *branches(
                {f"{c},{n}": more for c in trains for n, more in known.parts["task"].items()}
            ),
            "esac",
            'case "$command,$model" in',
            *branches({f"train,{name}": more for name, more in known.parts["model"].items()}),
            "esac ;;",
            "esac",
            'COMPREPLY=($(compgen -W "$words" -- "$current"))',
            "}",
            "complete -o default -F _tapehead tapehead",
        ]
    )


def zsh(known: Words) -> str:
    """The script for zsh, which can use bash's."""
    return "autoload -U +X bashcompinit && bashcompinit\n" + bash(known)


def fish(known: Words) -> str:
    """The script for fish."""

    def seen(*names: str) -> str:
        return "; and ".join(f"__fish_seen_subcommand_from {name}" for name in names)

    def line(condition: str, *settings: str) -> str:
        return shlex.join(["complete", "-c", "tapehead", "-n", condition, *settings])

    lines = [
        line("__fish_use_subcommand", "-f", "-a", name, "-d", text)
        for name, text in COMMANDS.items()
    ]
    arguments = {
        "train": [*known.parts["task"], *known.parts["model"]],
        "compare": [*known.parts["task"], *known.parts["model"]],
        "list": LISTS,
        "datasets": [*ACTIONS, *DATASETS],
        "completion": SHELLS,
    }
    lines += [
        line(seen(command), "-f", "-a", " ".join(choices)) for command, choices in arguments.items()
    ]
    options = {(command,): flags for command, flags in known.options.items()}
    options |= {("train", name): flags for name, flags in known.parts["task"].items()}
    options |= {("compare", name): flags for name, flags in known.parts["task"].items()}
    options |= {("train", name): flags for name, flags in known.parts["model"].items()}
    values = {f"--{part}": ["-x", "-a", " ".join(known.parts[part])] for part in BY_OPTION}
    lines += [
        line(seen(*names), "-l", flag.removeprefix("--"), *values.get(flag, []))
        for names, flags in options.items()
        for flag in flags
    ]
    return "\n".join(lines)


def parser() -> Parser:
    """The parser of this command."""
    made = Parser(
        "completion",
        "SHELL",
        "Print a script that completes commands, names and options.",
        epilog=(
            "To use it at once and in every new shell:\n"
            "  bash  tapehead completion bash > ~/.tapehead.bash && "
            "echo 'source ~/.tapehead.bash' >> ~/.bashrc\n"
            "  zsh   tapehead completion zsh > ~/.tapehead.zsh && "
            "echo 'source ~/.tapehead.zsh' >> ~/.zshrc\n"
            "  fish  tapehead completion fish > ~/.config/fish/completions/tapehead.fish"
        ),
    )
    made.add_argument("shell", metavar="SHELL", type=one_of(SHELLS), help=", ".join(SHELLS))
    return made


def run(args: Sequence[str]) -> int:
    """The command; returns the exit status."""
    shell = parser().read(args).shell
    print({"bash": bash, "zsh": zsh, "fish": fish}[shell](words()))
    return 0
