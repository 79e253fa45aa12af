"""What the benchmarks share: options, cores, and interleaved pairs of timings."""

import argparse
import os
import sys
import time
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

Step = Callable[[], object]
"""A training step that has ended when it returns."""

WARM = 3
"""Steps of each before any is timed."""


class Pairs(NamedTuple):
    """Median times in milliseconds, and the other's over ours: median and quartiles."""

    mine: float
    other: float
    low: float
    ratio: float
    high: float

    def row(self) -> str:
        """The columns of a table."""
        times = f"{self.mine:9.1f}  {self.other:9.1f}"
        return f"{times}  {self.ratio:5.2f}  {self.low:.2f} to {self.high:.2f}"


def options(doc: str, repeats: int) -> argparse.ArgumentParser:
    """A parser that knows `--threads` and `--repeats`."""
    parser = argparse.ArgumentParser(description=doc.splitlines()[0])
    parser.add_argument("--threads", type=int, default=2, help="cores for both (default: 2)")
    parser.add_argument(
        "--repeats", type=int, default=repeats, help=f"pairs of steps (default: {repeats})"
    )
    return parser


def bind(threads: int) -> None:
    """Bind this process to so many cores, which XLA's threads then are as many as (on Linux)."""
    if sys.platform == "linux":
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])


def seconds(step: Step) -> float:
    """How long one step takes."""
    begun = time.perf_counter()
    step()
    return time.perf_counter() - begun


def paired(mine: Step, other: Step, repeats: int) -> Pairs:
    """Time both, one after the other, `repeats` times."""
    for _ in range(WARM):
        mine()
        other()
    times = np.array([(seconds(mine), seconds(other)) for _ in range(repeats)])
    low, ratio, high = np.percentile(times[:, 1] / times[:, 0], (25, 50, 75))
    a, b = 1000 * np.median(times, axis=0)
    return Pairs(a, b, low, ratio, high)
