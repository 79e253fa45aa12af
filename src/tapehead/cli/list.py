"""`tapehead list KIND`: the registered parts and what they are."""

from collections.abc import Sequence

from tapehead.cli.options import Parser, one_of, summary
from tapehead.training.config import PARTS

KINDS = ("tasks", "models", "rules", "optimizers")


def entries(kind: str) -> dict[str, str]:
    """Name and one-line description of every part of a kind."""
    return {name: summary(part) for name, part in PARTS[kind.removesuffix("s")].items()}


def table(kind: str) -> str:
    """The entries, one a line."""
    found = entries(kind)
    width = max(map(len, found))
    return "\n".join(f"  {name:<{width}}  {text}" for name, text in found.items())


def parser() -> Parser:
    """The parser of this command."""
    made = Parser("list", "KIND", "List what there is of one kind, with a line about each.")
    made.add_argument("kind", metavar="KIND", type=one_of(KINDS), help=", ".join(KINDS))
    return made


def run(args: Sequence[str]) -> int:
    """The command; returns the exit status."""
    print(table(parser().read(args).kind))
    return 0
