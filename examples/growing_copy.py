"""How far each learning rule comes with copying ever longer sequences, from equally many of them.

    python examples/growing_copy.py [copy | repeat-copy] [--rules NAME ...] [--window T]
        [--rate RATE] [--seeds N] [--updates N] [--out FOLDER]

Begins with sequences of one bit and goes on to one bit more whenever the loss falls below 0.15 bits
for each step asked; repeat-copy wants them twice, and an end marker. A GRU of 16 units learns by
each of the rules, all of which move it after every T steps. Tells the longest sequence that it came
to: the median of the seeds, the lowest and the highest. Every row is a run folder below FOLDER; a
command that was stopped goes on where it was. Sources: Jaderberg et al., "Decoupled neural
interfaces using synthetic gradients" (2017), section 3.1; Menick et al., "A practical sparse
approximation for real time recurrent learning" (2020).
"""

import argparse
import sys
from pathlib import Path

import numpy as np

from tapehead.learning import RFLO, RTRL, UORO, SnAp, SyntheticGradients, TruncatedBPTT
from tapehead.models import GRUModel
from tapehead.tasks import Copy, RepeatCopy
from tapehead.training import Adam, Run, RunConfig, train

TASKS = {
    "copy": Copy(bits=1),
    "repeat-copy": RepeatCopy(bits=1, min_repeats=2, max_repeats=2),
}
RULES = {
    "truncated": (TruncatedBPTT, {}),
    "synthetic": (SyntheticGradients, {"scale": 0.5}),
    "auxiliary": (SyntheticGradients, {"scale": 0.5, "auxiliary": 1.0}),
    "rtrl": (RTRL, {}),
    "snap-1": (SnAp, {}),
    "snap-2": (SnAp, {"steps": 2}),
    "uoro": (UORO, {}),
    "rflo": (RFLO, {}),
}
"""By name, the rule and its settings."""


def lengths(folder, config):
    """Of every seed's network, the length that it came to."""
    run = Run.open(folder) if folder.exists() else Run.create(folder, config)
    if train(run).outcome == "stopped":
        sys.exit("stopped; the same command goes on")
    lines = [line for line in run.metrics() if line["kind"] == "train"]
    return sorted(int(level) for level in lines[-1]["metrics"]["level"])


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("task", nargs="?", choices=TASKS, default="copy")
    parser.add_argument("--rules", nargs="+", choices=RULES, default=list(RULES))
    parser.add_argument("--window", type=int, default=4)
    parser.add_argument("--rate", type=float, default=3e-3)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--updates", type=int, default=3000)
    parser.add_argument("--out", type=Path, default=Path("runs/growing-copy"))
    asked = parser.parse_args()
    print("| rule | window | learning rate | length | from | to |\n|---|---|---|---|---|---|")
    for name in asked.rules:
        rule, settings = RULES[name]
        config = RunConfig(
            task=TASKS[asked.task],
            model=GRUModel(hidden=16),
            rule=rule(window=asked.window, **settings),
            optimizer=Adam(asked.rate, schedule="constant"),
            online=True,
            curriculum="one-more",
            curriculum_threshold=0.15 * np.log(2),
            batch=16,
            updates=asked.updates,
            seeds=asked.seeds,
            log_every=20,
            evaluate_every=asked.updates,
            evaluation_size=100,
            test_size=10,
        )
        found = lengths(asked.out / f"{asked.task}-{name}-{asked.window}-{asked.rate:g}", config)
        row = name, asked.window, f"{asked.rate:g}", f"{np.median(found):g}", found[0], found[-1]
        print(f"| {' | '.join(map(str, row))} |", flush=True)


if __name__ == "__main__":
    main()
