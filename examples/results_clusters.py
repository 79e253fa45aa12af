"""Sequences grouped without labels, beside k-means on raw values and on summary features.

python examples/results_clusters.py ecg5000 --seeds 3

The labels are looked at only afterwards: by the adjusted Rand index, 1 for the same groups and 0
for chance.
"""

import argparse
import time

import numpy as np
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score
from sklearn.preprocessing import StandardScaler

from tapehead.datasets import load_ecg5000, load_fsdd
from tapehead.estimators import SequenceClusterer
from tapehead.estimators.baselines import summary
from tapehead.estimators.sound import log_mel


def ecg5000():
    X, y = load_ecg5000("test")
    return list(X[:, :, None]), y


def fsdd():
    records = [*load_fsdd("train"), *load_fsdd("test")]
    return [log_mel(r.samples, 8000) for r in records], np.array([r.digit for r in records])


def resampled(X, steps=20):
    """Every sequence at as many places, in a row: raw values where lengths differ."""
    places = [np.linspace(0, len(x) - 1, steps).round().astype(int) for x in X]
    return np.array([x[p].ravel() for x, p in zip(X, places, strict=True)])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("data", choices=["ecg5000", "fsdd"])
    parser.add_argument("--model", default="mingru")
    parser.add_argument("--dimensions", type=int, default=16)
    parser.add_argument("--max-updates", type=int, default=1500)
    parser.add_argument("--seeds", type=int, default=3)
    given = parser.parse_args()
    X, y = globals()[given.data]()
    groups = len(np.unique(y))
    print(f"{given.data}: {len(X)} sequences, {groups} groups")
    even = len({len(x) for x in X}) == 1
    raw = np.array([x.ravel() for x in X]) if even else resampled(X)
    features = StandardScaler().fit_transform(np.nan_to_num([summary(x) for x in X]))
    for seed in range(given.seeds):
        for name, vectors in {"raw values": raw, "summary features": features}.items():
            labels = KMeans(groups, n_init=10, random_state=seed).fit_predict(vectors)
            print(f"k-means on {name}, seed {seed}: {adjusted_rand_score(y, labels):.3f}")
        began = time.perf_counter()
        model = SequenceClusterer(
            given.model,
            dimensions=given.dimensions,
            max_updates=given.max_updates,
            random_state=seed,
        ).fit(X)
        seconds = time.perf_counter() - began
        labels = KMeans(groups, n_init=10, random_state=seed).fit_predict(model.embed(X))
        print(
            f"{given.model}, seed {seed}: {adjusted_rand_score(y, labels):.3f}; by silhouette "
            f"{model.n_clusters_} groups: {adjusted_rand_score(y, model.labels_):.3f} "
            f"({model.n_updates_} updates, held-out loss {model.curve_[-1]['held_out_loss']:.3f}, "
            f"{seconds:.0f} s)",
            flush=True,
        )


if __name__ == "__main__":
    main()
