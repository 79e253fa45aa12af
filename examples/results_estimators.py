"""Estimators on real data beside gradient boosting on summary features.

python examples/results_estimators.py ecg5000 --model gru --seeds 3
"""

import argparse
import time

import numpy as np

from tapehead.datasets import load_ecg5000, load_fsdd, load_indoor_movement
from tapehead.estimators import SequenceClassifier
from tapehead.estimators.baselines import scores
from tapehead.estimators.sound import log_mel


def ecg5000():
    (X, y), (X_test, y_test) = load_ecg5000("train"), load_ecg5000("test")
    return list(X[:, :, None]), y, list(X_test[:, :, None]), y_test


def fsdd():
    parts = [load_fsdd("train"), load_fsdd("test")]
    sounds = [[log_mel(r.samples, 8000) for r in part] for part in parts]
    digits = [np.array([r.digit for r in part]) for part in parts]
    return sounds[0], digits[0], sounds[1], digits[1]


def indoor_movement():
    """The third house is the test: nobody walked there in training."""
    walks = load_indoor_movement()
    parts = [[w for w in walks if (w.house == 3) == test] for test in (False, True)]
    signals = [[w.signals for w in part] for part in parts]
    leaves = [np.array([w.changes for w in part]) for part in parts]
    return signals[0], leaves[0], signals[1], leaves[1]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("data", choices=["ecg5000", "fsdd", "indoor_movement"])
    parser.add_argument("--model", default="mingru")
    parser.add_argument("--size", default="medium")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--ensemble", type=int, default=1)
    parser.add_argument("--max-updates", type=int, default=None)
    parser.add_argument("--verbose", type=int, default=0)
    given = parser.parse_args()
    X, y, X_test, y_test = globals()[given.data]()
    print(f"{given.data}: {len(X)} to learn from, {len(X_test)} to be tested on")
    for name, score in scores(X, y, X_test, y_test, classes=True).items():
        print(f"{name}: {score:.4f}")
    more = {} if given.max_updates is None else {"max_updates": given.max_updates}
    for seed in range(given.seeds):
        began = time.perf_counter()
        model = SequenceClassifier(
            given.model,
            size=given.size,
            ensemble=given.ensemble,
            random_state=seed,
            verbose=given.verbose,
            **more,
        )
        score = model.fit(X, y).score(X_test, y_test)
        seconds = time.perf_counter() - began
        print(
            f"{given.model}, seed {seed}: {score:.4f} "
            f"({model.n_updates_} updates, best {model.best_update_}, {seconds:.0f} s)",
            flush=True,
        )


if __name__ == "__main__":
    main()
