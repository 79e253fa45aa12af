"""Streams: microseconds a step, and memory over many steps.

    python benchmarks/streaming.py [--steps 1000000] [--model lstm]

An LSTM of 64 units that reads one number a step, fed one observation at a time from Python, on one
core: as a regressor's stream, which answers with a number, and as a detector's, which answers with
a score, an alarm and the surprise of each column. The networks are not trained: what they know
takes no time. Latency is the median of single steps, with what 99 of 100 take at most; memory is
what the process holds (its resident set) after a tenth of the steps and after all of them.
"""

import argparse
import os
import resource
import time
from pathlib import Path

import numpy as np

from tapehead.estimators import AnomalyDetector, SequenceRegressor

TARGET = 200
"""Microseconds that a step may take."""


def resident() -> float:
    """MiB that the process holds now."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 2**20
    except OSError:  # not Linux: the most that it held
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10


def measured(name: str, stream, steps: int) -> None:
    """Feed a stream, and print what it took."""
    values = np.random.default_rng(0).normal(size=4096)
    for value in values[:200]:
        stream.feed(value)
    times, first = np.empty(min(steps, 100_000)), None
    begun = time.perf_counter()
    for step in range(steps):
        before = time.perf_counter()
        stream.feed(values[step % 4096])
        times[step % len(times)] = time.perf_counter() - before
        if step + 1 == steps // 10:
            first = resident()
    mean = (time.perf_counter() - begun) / steps * 1e6
    median, most = np.quantile(times, [0.5, 0.99]) * 1e6
    verdict = "within" if median <= TARGET else "above"
    print(
        f"{name}: median {median:.0f} µs a step ({verdict} {TARGET}), 99 % at most {most:.0f}, "
        f"mean {mean:.0f}\n{' ' * len(name)}  {first:.1f} MiB after {steps // 10:,} steps, "
        f"{resident():.1f} MiB after {steps:,}",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=1_000_000)
    parser.add_argument("--model", default="lstm")
    parser.add_argument("--size", default="medium", help="medium: 64 units")
    options = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    X = np.random.default_rng(0).normal(size=(32, 16))
    settings = {"model": options.model, "size": options.size, "max_updates": 1, "random_state": 0}
    regressor = SequenceRegressor(**settings).fit(X, X.mean(axis=1))
    measured("regressor", regressor.stream(), options.steps)
    detector = AnomalyDetector(**settings).fit(X)
    measured("detector", detector.stream(), options.steps)


if __name__ == "__main__":
    main()
