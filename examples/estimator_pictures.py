"""Pictures for the guides to the estimators, of real data.

python examples/estimator_pictures.py classify docs/images/heartbeats-told-apart.svg
"""

import argparse
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from sklearn.decomposition import PCA
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.metrics import ConfusionMatrixDisplay, adjusted_rand_score, r2_score

from tapehead.datasets import load_ecg5000, load_series
from tapehead.estimators import (
    Forecaster,
    SequenceClassifier,
    SequenceClusterer,
    SequenceGenerator,
    SequenceRegressor,
)

BEATS = ["normal", "R on T", "PVC", "SP or EB", "unknown"]
BLUE, GREY = "#1f5fa8", "#444"


def classify():
    """Which class each heartbeat is of, and which it was taken for."""
    model = SequenceClassifier(random_state=0).fit(*load_ecg5000("train"))
    X, y = load_ecg5000("test")
    found = model.predict(X)
    print(f"right: {np.mean(found == y):.4f}")
    figure, axis = plt.subplots(figsize=(5, 4), layout="constrained")
    ConfusionMatrixDisplay.from_predictions(
        y, found, display_labels=BEATS, cmap="Blues", colorbar=False, ax=axis
    )
    axis.images[0].set_norm(matplotlib.colors.PowerNorm(0.3))
    axis.set(xlabel="was taken for", ylabel="is")
    return figure


def stream():
    """What is thought of a beat of each of the two large classes, sample by sample."""
    model = SequenceClassifier("gru", size="small", max_updates=400, random_state=0)
    model.fit(*load_ecg5000("train"))
    X, y = load_ecg5000("test")
    figure, axes = plt.subplots(2, 2, figsize=(7, 3.2), sharex=True, layout="constrained")
    for (above, below), kind in zip(axes.T, (1, 2), strict=True):
        beat, reader = X[y == kind][0], model.stream()
        above.plot(beat, color=GREY, lw=1)
        above.set_title(BEATS[kind - 1])
        below.plot(np.array([reader.feed(x) for x in beat]), lw=1.2)
        below.set(ylim=(0, 1.02), xlabel="samples")
    axes[0, 0].set_ylabel("heartbeat")
    axes[1, 0].set_ylabel("probability")
    axes[1, 1].legend(BEATS, fontsize="x-small", loc="center right")
    return figure


def forecast():
    """The last two years of airline passengers, from all those before."""
    series = load_series("airline")
    table = pd.DataFrame({"month": series.times, "passengers": series.values[:, 0]})
    model = Forecaster(horizon=24, lookback=36, time="month", random_state=0).fit(table[:-24])
    bands, paths = model.forecast(), model.sample_paths(20)[0]
    figure, axis = plt.subplots(figsize=(7, 3), layout="constrained")
    months, low, middle, high = (bands[name] for name in ("time", "q0.1", "q0.5", "q0.9"))
    axis.plot(months, paths.T, color=BLUE, lw=0.4, alpha=0.5)
    axis.fill_between(months, low, high, color=BLUE, alpha=0.2, lw=0)
    axis.plot(months, middle, color=BLUE)
    axis.plot(table.month[-84:], table.passengers[-84:], color=GREY, lw=1)
    axis.set_ylabel("1,000 passengers")
    return figure


def cluster():
    """Heartbeats, grouped without labels; each is drawn where its vector is, by what it is."""
    X, y = load_ecg5000("train")
    model = SequenceClusterer(max_updates=400, random_state=0).fit(X)
    places = PCA(2).fit_transform(model.embed(X))
    print(f"groups: {model.n_clusters_}; Rand index {adjusted_rand_score(y, model.labels_):.3f}")
    figure, axes = plt.subplots(1, 2, figsize=(7, 3.2), sharey=True, layout="constrained")
    for axis, labels, title in zip(axes, (model.labels_, y), ("groups", "classes"), strict=True):
        for label in np.unique(labels):
            name = BEATS[label - 1] if title == "classes" else str(label)
            axis.plot(*places[labels == label].T, ".", ms=3, label=name)
        axis.set(title=title, xlabel="first principal component")
        axis.legend(fontsize="x-small")
    axes[0].set_ylabel("second principal component")
    return figure


def regress():
    """Fine dust of every hour of a year, from the weather alone, taught the four years before."""
    weeks = load_series("pollution").values[: 260 * 168].reshape(260, 168, 7)
    dust, weather = weeks[..., 0], weeks[..., 1:]
    model = SequenceRegressor(each_step=True, random_state=0).fit(weather[:208], dust[:208])
    found, is_so = model.predict(weather[208:]), dust[208:]
    asked = ~np.isnan(dust)
    tree = HistGradientBoostingRegressor(random_state=0)
    tree.fit(weather[:208][asked[:208]], dust[:208][asked[:208]])
    hour_alone = tree.predict(weather[208:].reshape(-1, 6)).reshape(is_so.shape)
    for name, values in {"network": found, "boosting on the hour's weather": hour_alone}.items():
        score = r2_score(is_so[asked[208:]], values[asked[208:]])
        print(f"{name}: R2 {score:.3f}")
    figure, axis = plt.subplots(figsize=(7, 3), layout="constrained")
    days = np.arange(4 * 168) / 24
    axis.plot(days, is_so[:4].ravel(), color=GREY, lw=1, label="measured")
    axis.plot(days, found[:4].ravel(), color=BLUE, lw=1.2, label="from the weather")
    axis.set(xlabel="days", ylabel="PM2.5, µg/m³")
    axis.legend(fontsize="small")
    return figure


def generate():
    """How a heartbeat may go on, of which the first 40 samples are given."""
    X, y = load_ecg5000("train")
    model = SequenceGenerator(window=141, max_updates=400, random_state=0).fit(X[y == 1])
    X, y = load_ecg5000("test")
    figure, axes = plt.subplots(1, 2, figsize=(7, 3), sharey=True, layout="constrained")
    for axis, beat in zip(axes, X[y == 1], strict=False):
        made = model.generate(20, prompt=beat[:40], temperature=0.8, length=100)
        for one in made:
            axis.plot(np.arange(39, len(one)), one[39:], color=BLUE, lw=0.5, alpha=0.6)
        axis.plot(beat, color=GREY, lw=1)
        axis.axvline(39, color=GREY, lw=0.6, ls=":")
        axis.set(xlabel="samples")
    axes[0].set_ylabel("heartbeat")
    return figure


PICTURES = [classify, regress, stream, forecast, cluster, generate]


def main():
    names = {one.__name__: one for one in PICTURES}
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=names)
    parser.add_argument("out", type=Path)
    given = parser.parse_args()
    matplotlib.use("agg")
    matplotlib.rcParams["svg.hashsalt"] = "tapehead"  # the same file every time
    figure = names[given.what]()
    for axis in figure.axes:
        axis.spines[["top", "right"]].set_visible(given.what == "classify")
    figure.savefig(given.out, metadata={"Date": None} if given.out.suffix == ".svg" else None)


if __name__ == "__main__":
    main()
