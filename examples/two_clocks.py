"""Two networks that tick at different speeds: what runs have learned, by digits and by time.

    python examples/two_clocks.py NAME=FOLDER=SECONDS ... PLOT.svg

Each folder is a run of `tapehead train digit-counts two-clocks`, and SECONDS the processor time of
one update of one of its networks, by which they are drawn a second time. Lines are the squared
errors of both counts in training, means over the seeds, with the lowest and the highest around.
"""

import sys

import numpy as np

from tapehead.training import Run

COUNTS = "odd_error", "threes_error"


def curves(folder):
    """T, updates, and of both counts the errors of every seed's network."""
    run = Run.open(folder)
    lines = [line for line in run.metrics() if line["kind"] == "train"]
    updates = np.array([line["update"] for line in lines])
    errors = [np.array([line["metrics"][count] for line in lines]) for count in COUNTS]
    return run.config.task.period, updates, errors


def main(*runs, plot):
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "tapehead"  # the same file every time
    from matplotlib import pyplot

    figure = pyplot.figure(figsize=(9, 5.5), layout="constrained")
    axes = figure.subplots(2, 2, sharex="col", sharey="row")
    for number, run in enumerate(runs):
        name, folder, seconds = run.split("=")
        period, updates, errors = curves(folder)
        digits = period * period
        for row, error, what in zip(
            axes, errors, (f"odd digits of {period}", f"threes of {digits}"), strict=True
        ):
            mean, low, high = error.mean(axis=1), error.min(axis=1), error.max(axis=1)
            for axis, scale in zip(row, (1, float(seconds)), strict=True):
                axis.plot(scale * updates, mean, color=f"C{number}", label=name)
                axis.fill_between(scale * updates, low, high, color=f"C{number}", alpha=0.2, lw=0)
            row[0].set(ylabel=f"squared error, {what}", ylim=0)
            print(f"{name:16}{what:18}{mean[-1]:8.3f}   {low[-1]:.3f} to {high[-1]:.3f}")
    axes[1, 0].set(xlabel="updates, each of 32 sequences")
    axes[1, 1].set(xlabel="seconds of one processor")
    axes[0, 0].legend()
    figure.savefig(plot, metadata={"Date": None})


if __name__ == "__main__":
    main(*sys.argv[1:-1], plot=sys.argv[-1])
