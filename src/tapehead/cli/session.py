"""Carrying a run to its end: training under signals, then the table and the report."""

import os
import shlex
import signal
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from types import FrameType

from tapehead.cli import complain
from tapehead.cli.progress import Narrator, narrator
from tapehead.cli.tables import evaluation_table, plain_table, show
from tapehead.comparison import Comparison, table, write_figures, write_table
from tapehead.inspection.report import write_report
from tapehead.training import Diverged, Result, Run, StopSignal, train


class Stopping(StopSignal):
    """A stop signal that remembers which process signal set it, 0 while none has."""

    signal_number: int = 0


@contextmanager
def interruptible(display: Narrator) -> Iterator[Stopping]:
    """Ctrl-C and SIGTERM ask for a stop at the next opportunity; a second one ends at once."""
    stopping = Stopping()

    def handle(number: int, frame: FrameType | None) -> None:
        if stopping.is_set():
            display.close()
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
        stopping.signal_number = number
        stopping.set()
        display.say("stopping after a checkpoint; once more to end at once")

    signals = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, handle) for number in signals]
    try:
        yield stopping
    finally:
        for number, handler in zip(signals, before, strict=True):
            signal.signal(number, handler)


def trained(run: Run, *, quiet: bool) -> tuple[Result, int]:
    """Train `run` to its end or until a signal; the result, and the signal's number or 0.

    Training has a thread of its own, because Python handles signals between two steps of the main
    thread, which would otherwise be busy for as long as a compilation takes.
    """
    display = narrator(quiet=quiet)
    try:
        with interruptible(display) as stopping, ThreadPoolExecutor(1) as pool:
            result = pool.submit(train, run, display, stopping).result()
    finally:
        display.close()
    return result, stopping.signal_number


def stopped(command: str, number: int) -> int:
    """Say how to continue after a signal; returns the exit status."""
    print(f"stopped; continue with: {command}", file=sys.stderr)
    return 128 + number


def carry_out(run: Run, *, quiet: bool) -> int:
    """Train `run`, then print its evaluations and write its report; returns the exit status."""
    try:
        result, number = trained(run, quiet=quiet)
    except Diverged as error:
        complain(str(error))
        return 1
    if result.outcome == "stopped":
        return stopped(shlex.join(["tapehead", "resume", str(run.folder)]), number)
    return conclude(run)


def conclude(run: Run) -> int:
    """Show a finished run's evaluations and write its report; returns the exit status."""
    finals = [
        line
        for line in run.metrics()
        if line["kind"] == "evaluation" and line["set"] != "validation"
    ]
    show(evaluation_table(finals))
    print(f"run: {run.folder}")
    print(f"report: {write_report(run)}")
    return 0


def carry_out_comparison(comparison: Comparison, *, quiet: bool) -> int:
    """Train every run that is not finished, then write the table and the figures."""
    for name, run in comparison.runs.items():
        if run.outcome == "diverged":
            continue
        if not quiet:
            print(f"{name}: {run.folder}", file=sys.stderr)
        try:
            result, number = trained(run, quiet=quiet)
        except Diverged as error:
            print(f"{name}: {error}", file=sys.stderr)
            continue
        if result.outcome == "stopped":
            command = shlex.join(["tapehead", "resume", str(comparison.folder)])
            return stopped(command, number)
        write_report(run)
    show(plain_table(*table(comparison)))
    written = [write_table(comparison), *write_figures(comparison)]
    print("\n".join(f"{path.stem}: {path}" for path in written))
    return 0
