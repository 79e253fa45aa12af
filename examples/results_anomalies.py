"""Anomaly detectors on real data: heartbeats, and the series of the Numenta benchmark.

python examples/results_anomalies.py ecg5000 --seeds 3
python examples/results_anomalies.py nab
python examples/results_anomalies.py nab --relearn 1000
python examples/results_anomalies.py nab --published NAB  # a clone of numenta/NAB
python examples/results_anomalies.py picture docs/images/taxi-anomalies.svg
"""

import argparse
import itertools
import json
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import norm
from sklearn.decomposition import PCA
from sklearn.metrics import roc_auc_score

from tapehead.datasets import load_ecg5000, load_nab
from tapehead.estimators import AnomalyDetector
from tapehead.estimators.numenta import PROFILES, Watched, numenta_score, probation
from tapehead.estimators.thresholds import running_p_values


def ecg5000(seeds):
    """Learned from the 292 normal beats of the training part; all others are anomalies."""
    (X, y), (X_test, y_test) = load_ecg5000("train"), load_ecg5000("test")
    normal, anomaly = X[y == 1], y_test != 1
    apart = ((X_test - normal.mean(axis=0)) / normal.std(axis=0)) ** 2
    print(f"distance from the mean beat: AUC {roc_auc_score(anomaly, apart.mean(axis=1)):.4f}")
    components = PCA(8).fit(normal)
    rebuilt = components.inverse_transform(components.transform(X_test))
    errors = ((X_test - rebuilt) ** 2).mean(axis=1)
    print(f"8 principal components:      AUC {roc_auc_score(anomaly, errors):.4f}")
    for seed in range(seeds):
        model = AnomalyDetector(method="reconstruction", random_state=seed).fit(normal)
        scores = model.score_samples(X_test)
        limit, found = model.limit_, scores < model.offset_
        print(
            f"reconstruction, seed {seed}: AUC {roc_auc_score(anomaly, -scores):.4f}; alarms for "
            f"{found[anomaly].mean():.1%} of anomalies and {found[~anomaly].mean():.1%} of normal "
            f"beats ({limit.rate:.1%} expected)",
            flush=True,
        )


def plain(values):
    """How far each value is from the mean of all before it, in their deviations."""
    count = np.arange(1, len(values))
    sums, squares = np.cumsum(values)[:-1], np.cumsum(values**2)[:-1]
    mean = sums / count
    deviation = np.sqrt(np.maximum(squares / count - mean**2, 1e-12))
    return np.concatenate([[0.0], np.abs(values[1:] - mean) / deviation])


def shown(name, watched):
    marks = [numenta_score(watched, profile) for profile in PROFILES]
    cells = [f"{mark.score:6.2f}" for mark in marks]
    found = f"{marks[0].found} of {marks[0].windows} found, {marks[0].false_alarms} false alarms"
    print(f"{name:44}", *cells, f"({found})", flush=True)


def theirs(published, folder):
    """What a published detector made of each series of the benchmark."""
    watched = {}
    labels = json.loads((published / "labels/combined_windows.json").read_text())
    for name, windows in labels.items():
        group, file = name.split("/")
        table = pd.read_csv(folder / group / f"{folder.name}_{file}")
        times = pd.to_datetime(table["timestamp"]).to_numpy()
        ends = np.array(windows, "datetime64[us]").reshape(-1, 2)
        places = [tuple(int(np.flatnonzero(times == end)[0]) for end in pair) for pair in ends]
        watched[name] = Watched(table["anomaly_score"].to_numpy(), places)
    return watched


def rarity(surprises):
    return [-np.log10(running_p_values(-one)) for one in surprises]


def likelihood(surprise, short=10, long=8000):
    """Numenta's: the mean of the last 10 steps among such means before, as −log10 of the tail.

    Of a normal distribution by the mean and deviation of these (Ahmad et al., "Unsupervised
    real-time anomaly detection for streaming data", 2017), from the second half of the probation.
    """

    def sums(x):
        return np.concatenate([[0.0], np.cumsum(x)])

    steps, start = np.arange(len(surprise)), probation(len(surprise))
    first = np.maximum(steps + 1 - short, 0)
    means = (sums(surprise)[steps + 1] - sums(surprise)[first]) / (steps + 1 - first)
    first = np.maximum(start // 2, steps - long)
    count = np.maximum(steps - first, 1)
    mean = (sums(means)[steps] - sums(means)[first]) / count
    variance = (sums(means**2)[steps] - sums(means**2)[first]) / count - mean**2
    rare = -norm.logsf((means - mean) / np.sqrt(np.maximum(variance, 1e-6))) / np.log(10)
    return np.where(steps < start, 0.0, rare)


def surprise_of(values, seed, relearn):
    """The surprise of each step to a network that was taught the probation.

    With `relearn` another one is taught the last 3,000 steps whenever so many more have passed.
    """
    surprise, start = np.zeros(len(values)), probation(len(values))
    blocks = [*range(start, len(values), relearn or len(values)), len(values)]
    for begun, end in itertools.pairwise(blocks):
        first = max(0, begun - 3000)
        model = AnomalyDetector(
            size="small", max_updates=300, window=128 if relearn else None, random_state=seed
        )
        model.fit([values[first:begun]])
        found = -model.score_steps([values[first:end]])[0]
        kept = 0 if begun == start else begun - first
        surprise[first + kept : end] = found[kept:]
    return surprise


def nab(published, seeds, relearn):
    """Each series is learned from its probation only, and then watched step by step."""
    series = load_nab()
    print(" " * 44, *(f"{name:>6}" for name in PROFILES))
    if published is not None:
        here = {f"{one.name}.csv" for one in series}
        for folder in sorted(path for path in (published / "results").iterdir() if path.is_dir()):
            watched = theirs(published, folder)
            shown(folder.name, [watched[name] for name in sorted(here)])
            shown(f"{folder.name}, all {len(watched)} series", list(watched.values()))
        return
    far = [plain(one.values) for one in series]
    windows = [one.windows for one in series]

    def both(name, surprises):
        shown(name, list(map(Watched, surprises, windows)))
        shown(f"{name}, rarity", list(map(Watched, rarity(surprises), windows)))

    both("distance from the mean", far)
    for seed in range(seeds):
        surprises = [surprise_of(one.values[:, None], seed, relearn) for one in series]
        both(f"prediction, seed {seed}", surprises)
        likely = [likelihood(one) for one in surprises]
        shown(f"prediction, seed {seed}, likelihood", list(map(Watched, likely, windows)))


def picture(path):
    """Rides in New York's taxis, half-hourly: learned from the first 15 weeks, then watched."""
    import matplotlib

    matplotlib.use("svg")
    from matplotlib import pyplot as plt

    matplotlib.rcParams["svg.hashsalt"] = "tapehead"  # the same file every time
    (taxi,) = [one for one in load_nab() if one.name.endswith("nyc_taxi")]
    table = pd.DataFrame({"time": taxi.times, "rides": taxi.values})
    known = 15 * 7 * 48
    model = AnomalyDetector(time="time", threshold="peaks", window=336, random_state=0)
    model.fit(table[:known])
    surprise = -model.score_steps(table)[0]
    found = model.windows(table, gap=48)
    print(model.step_limit_, f"{model.step_limit_.rate * model.per_day_:.2g} alarms a day")
    print(found.to_string())
    hours = taxi.times[known::2]
    rides = taxi.values[known:].reshape(-1, 2).mean(axis=1)
    peaks = surprise[known:].reshape(-1, 6).max(axis=1)
    figure, axes = plt.subplots(2, 1, figsize=(9, 3.6), sharex=True, layout="constrained")
    axes[0].plot(hours, rides / 1000, lw=0.5, color="#444")
    axes[0].set_ylabel("1,000 rides")
    axes[1].semilogy(hours[::3], 1 + peaks, lw=0.6, color="#1f5fa8")
    axes[1].axhline(1 - model.step_limit_.value, color="#b3261e", lw=0.8, ls="--")
    axes[1].set_ylabel("1 + surprise")
    for first, last in taxi.windows:
        axes[0].axvspan(taxi.times[first], taxi.times[last], color="#e0b040", alpha=0.35, lw=0)
    for start, end in zip(found.start, found.end, strict=True):
        if start >= taxi.times[known]:
            axes[1].axvspan(start, end, color="#b3261e", alpha=0.4)
    for axis in axes:
        axis.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, metadata={"Date": None})


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=["ecg5000", "nab", "picture"])
    parser.add_argument("out", nargs="?", type=Path, default=Path("anomalies.svg"))
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--relearn", type=int)
    parser.add_argument("--published", type=Path)
    given = parser.parse_args()
    if given.what == "ecg5000":
        ecg5000(given.seeds)
    elif given.what == "nab":
        nab(given.published, given.seeds, given.relearn)
    else:
        picture(given.out)


if __name__ == "__main__":
    main()
