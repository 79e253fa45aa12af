"""Settings with which an estimator is fitted in a moment, once it is compiled."""

import numpy as np

QUICK = {
    "model": "elman",
    "size": "small",
    "max_updates": 100,
    "batch": 64,
    "learning_rate": 3e-2,
    "dropout": 0.0,
    "held_out": 0.0,
    "random_state": 0,
}


def walks(count=40, seed=0):
    """Sequences of two columns and different lengths, at most 16 steps."""
    rng = np.random.default_rng(seed)
    return [rng.normal(size=(rng.integers(3, 17), 2)) for _ in range(count)]


def signs(X):
    """Whether the first column's mean is above 0."""
    return np.array(["up" if np.nanmean(x[:, 0]) > 0 else "down" for x in X])
