"""`tapehead report RUN`: write the page about a run anew."""

from collections.abc import Sequence
from pathlib import Path

from tapehead.cli.options import Parser


def parser() -> Parser:
    """The parser of this command."""
    made = Parser("report", "RUN", "Write report.html of a run anew from what its folder holds.")
    made.add_argument("run", metavar="RUN", type=Path, help="the run's folder")
    made.data_option()
    return made


def run(args: Sequence[str]) -> int:
    """The command; returns the exit status."""
    given = parser().read(args)

    from tapehead.inspection.report import write_report
    from tapehead.training.run import Run

    print(f"report: {write_report(Run.open(given.run))}")
    return 0
