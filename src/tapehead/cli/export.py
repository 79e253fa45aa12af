"""`tapehead export MODEL --to FILE`: a fitted model as StableHLO or ONNX."""

from collections.abc import Sequence
from pathlib import Path

from tapehead.cli.options import Parser, one_of


def parser() -> Parser:
    """The parser of this command."""
    made = Parser(
        "export",
        "MODEL --to FILE [--what batch|step]",
        "Write what a model of `tapehead fit` computes to a file that runs without tapehead: "
        "StableHLO or ONNX. FILE.json beside it says what goes in and what comes out.",
    )
    made.add_argument("model", metavar="MODEL", type=Path, help="the model's folder")
    made.option(
        "--to",
        metavar="FILE",
        type=Path,
        required=True,
        help="a file whose name ends in .stablehlo or .onnx",
    )
    made.option(
        "--what",
        type=one_of(("batch", "step")),
        default="batch",
        help="of whole sequences, or of one step of streams (default: batch)",
    )
    return made


def run(args: Sequence[str]) -> int:
    """The command; returns the exit status."""
    given = parser().read(args)
    from tapehead.estimators import load

    load(given.model).export(given.to, what=given.what)
    print(f"exported: {given.to}")
    print(f"what goes in and comes out: {given.to}.json")
    return 0
