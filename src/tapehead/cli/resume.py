"""`tapehead resume FOLDER`: continue what was stopped."""

from collections.abc import Sequence
from pathlib import Path

from tapehead.cli.options import Parser


def parser() -> Parser:
    """The parser of this command."""
    made = Parser(
        "resume",
        "RUN [options]",
        "Continue a run or a comparison from its newest intact checkpoint, to the same numbers as "
        "if it had never stopped. One that is finished is only evaluated and reported on again.",
    )
    made.add_argument("run", metavar="RUN", type=Path, help="the folder of the run or comparison")
    made.data_option()
    made.option("--quiet", action="store_true", help="show no progress")
    return made


def run(args: Sequence[str]) -> int:
    """The command; returns the exit status."""
    given = parser().read(args)

    from tapehead.cli.session import carry_out, carry_out_comparison
    from tapehead.comparison import Comparison
    from tapehead.training.run import Run

    if Comparison.at(given.run):
        return carry_out_comparison(Comparison.open(given.run), quiet=given.quiet)
    return carry_out(Run.open(given.run), quiet=given.quiet)
