"""What predicted gradients are worth on text: characters of the Penn Treebank by short windows.

    python examples/windows_of_text.py [--windows T ...] [--rules NAME ...] [--rate RATE]
        [--scale S] [--seeds N] [--updates N] [--out FOLDER]

An LSTM of 128 units reads the training part in 32 streams and moves after every T characters, by
truncated backpropagation and by synthetic gradients without and with the auxiliary task, scaled by
S; all see equally many characters, 120 of each stream in an update. Tells the bits per character on
the test part: the median of the seeds, the lowest and the highest. Every row is a run folder below
FOLDER; a command that was stopped goes on where it was. Source: Jaderberg et al., "Decoupled neural
interfaces using synthetic gradients" (2017), section 3.1.
"""

import argparse
import sys
from pathlib import Path

import jax
import numpy as np

from tapehead.learning import SyntheticGradients, TruncatedBPTT
from tapehead.models import LSTMModel
from tapehead.tasks import PtbCharacters
from tapehead.training import Adam, Run, RunConfig, evaluate, train

RULES = {
    "truncated": (TruncatedBPTT, {}),
    "synthetic": (SyntheticGradients, {}),
    "auxiliary": (SyntheticGradients, {"auxiliary": 1.0}),
}
"""By name, the rule and its settings."""


def bits(folder, config):
    """Of every seed's network, the bits per character of the test part."""
    run = Run.open(folder) if folder.exists() else Run.create(folder, config)
    if train(run).outcome == "stopped":
        sys.exit("stopped; the same command goes on")
    test = PtbCharacters(length=config.task.length, split="test")
    found = []
    for seed in range(config.seeds):
        marks = evaluate(run.model(seed), test, key=jax.random.key(0), data=test.data())
        found.append(marks["bits_per_character"])
    return sorted(found)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--windows", nargs="+", type=int, default=[3, 8, 20])
    parser.add_argument("--rules", nargs="+", choices=RULES, default=list(RULES))
    parser.add_argument("--rate", type=float, default=1e-3)
    parser.add_argument("--scale", type=float, default=0.1, help="how much a prediction counts")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--updates", type=int, default=1000)
    parser.add_argument("--out", type=Path, default=Path("runs/windows-of-text"))
    asked = parser.parse_args()
    print("| window | rule | bits per character | from | to |\n|---|---|---|---|---|")
    for window in asked.windows:
        for name in asked.rules:
            rule, settings = RULES[name]
            folder = f"{name}-{window}-{asked.rate:g}"
            if rule is SyntheticGradients:
                settings = settings | {"scale": asked.scale}
                folder += f"-{asked.scale:g}"
            config = RunConfig(
                task=PtbCharacters(length=120),
                model=LSTMModel(hidden=128),
                rule=rule(window=window, **settings),
                optimizer=Adam(asked.rate, schedule="cosine"),
                online=True,
                batch=32,
                updates=asked.updates,
                seeds=asked.seeds,
                log_every=20,
                evaluate_every=asked.updates,
                evaluation_size=100,
                test_size=10,
            )
            found = bits(asked.out / folder, config)
            row = window, name, *(f"{one:.3f}" for one in (np.median(found), found[0], found[-1]))
            print(f"| {' | '.join(map(str, row))} |", flush=True)


if __name__ == "__main__":
    main()
