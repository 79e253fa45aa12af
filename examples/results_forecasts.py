"""Forecasts of real series beside the seasonal naive forecast.

python examples/results_forecasts.py airline
python examples/results_forecasts.py etth1 --horizon 96
"""

import argparse
import time

import numpy as np
import pandas as pd

from tapehead.datasets import load_series
from tapehead.estimators import Forecaster, backtest
from tapehead.estimators.measures import mae, mse

# Horizon, steps looked back on, season, and the share that is learned from.
SETTINGS = {
    "airline": (12, 36, 12, 0.75),
    "sunspots": (24, 264, 132, 0.8),
    "temperatures": (14, 56, 365, 0.8),
    "pollution": (24, 168, 24, 0.8),
}
# The 12, 4 and 4 months of the papers on long horizons.
TRAIN, VALIDATION, TEST = 8640, 2880, 2880


def table(name):
    series = load_series(name)
    return pd.DataFrame({"time": series.times, series.columns[0]: series.values[:, 0]})


def one(name, seed, verbose):
    horizon, lookback, season, start = SETTINGS[name]
    model = Forecaster(
        horizon=horizon, lookback=lookback, time="time", random_state=seed, verbose=verbose
    )
    marks = backtest(model, table(name), start=start, season=season)
    print(marks[marks.series == "all"].drop(columns="series").to_string(index=False))


def sp500(seed, verbose):
    """Daily returns: there is little to be known, and the median says so."""
    close = load_series("sp500").values[:, 3]
    returns = 100 * np.diff(np.log(close))
    model = Forecaster(horizon=5, lookback=60, random_state=seed, verbose=verbose)
    marks = backtest(model, returns, start=0.8, season=1)
    print(marks[marks.series == "all"].drop(columns="series").to_string(index=False))
    test = returns[int(len(returns) * 0.8) :]
    print(f"forecasting 0: MSE {np.mean(test**2):.4f}, MAE {np.mean(np.abs(test)):.4f}")


def etth1(horizon, lookback, segment, seed, verbose):
    """All seven columns, one network; errors in deviations of the training months."""
    values = load_series("etth1").values[: TRAIN + VALIDATION + TEST]
    values = (values - values[:TRAIN].mean(axis=0)) / values[:TRAIN].std(axis=0)
    model = Forecaster(
        horizon=horizon,
        lookback=lookback,
        segment=segment,
        quantiles=None,
        held_out=0.25,
        batch=128,
        learning_rate=1e-3,
        patience=6,
        random_state=seed,
        verbose=verbose,
    )
    series = model.read(values)
    model.fit_series([column.until(TRAIN + VALIDATION) for column in series])
    origins = np.arange(TRAIN + VALIDATION, len(values) - horizon + 1)
    truth = np.stack([c.values[origins[:, None] + np.arange(horizon)] for c in series])
    found = np.stack([model.ahead(c, origins)[..., 0] for c in series])
    back = 24 * (np.arange(horizon) // 24 + 1)
    naive = np.stack([c.values[origins[:, None] + np.arange(horizon) - back] for c in series])
    print(f"network: MSE {mse(truth, found):.4f}, MAE {mae(truth, found):.4f}")
    print(f"naive by day: MSE {mse(truth, naive):.4f}, MAE {mae(truth, naive):.4f}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("data", choices=[*SETTINGS, "sp500", "etth1"])
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--horizon", type=int, default=96)
    parser.add_argument("--lookback", type=int, default=336)
    parser.add_argument("--segment", type=int, default=24)
    parser.add_argument("--verbose", type=int, default=0)
    given = parser.parse_args()
    for seed in range(given.seeds):
        began = time.perf_counter()
        if given.data == "etth1":
            etth1(given.horizon, given.lookback, given.segment, seed, given.verbose)
        elif given.data == "sp500":
            sp500(seed, given.verbose)
        else:
            one(given.data, seed, given.verbose)
        print(f"{given.data}, seed {seed}: {time.perf_counter() - began:.0f} s", flush=True)


if __name__ == "__main__":
    main()
