"""Series to forecast, as columns of numbers and their times."""

import csv
import io
from pathlib import Path
from typing import Literal, NamedTuple, get_args

import numpy as np
from jaxtyping import Float

from tapehead.datasets.fetch import fetch
from tapehead.datasets.reading import read_text
from tapehead.datasets.registry import TIMESERIES
from tapehead.errors import UserError, among

Name = Literal["airline", "sunspots", "temperatures", "pollution", "etth1", "sp500"]

FILES = {
    "airline": "airline-passengers.csv",
    "sunspots": "monthly-sunspots.csv",
    "temperatures": "daily-min-temperatures.csv",
    "pollution": "pollution.csv",
    "etth1": "ETTh1.csv",
    "sp500": "sp500.csv",
}


class Series(NamedTuple):
    """A series.

    **Attributes:**

    - `times`: of its rows, `datetime64[s]`.
    - `columns`: the names of its values.
    - `values`: `(time, columns)` in float64, NaN where one is missing.
    """

    times: np.ndarray
    columns: tuple[str, ...]
    values: Float[np.ndarray, "time columns"]


def _time(name: str, row: list[str]) -> str:
    if name == "pollution":
        year, month, day, hour = (int(x) for x in row[1:5])
        return f"{year}-{month:02}-{day:02}T{hour:02}:00"
    if name == "sp500":
        day, month, year = row[0].split("-")
        return f"20{year}-{month}-{day}"
    return row[0].replace(" ", "T")


def load_series(name: Name, *, data_dir: str | Path | None = None) -> Series:
    """A series by name.

    - `"airline"`: monthly passengers 1949 to 1960, 144 rows.
    - `"sunspots"`: monthly Zurich sunspot numbers 1749 to 1983, 2,820 rows.
    - `"temperatures"`: daily minimum temperatures in Melbourne 1981 to 1990, 3,650 rows.
    - `"pollution"`: hourly PM2.5 in Beijing 2010 to 2014 and the weather, 43,824 rows of 7 columns
      (the wind's direction, a word, is left out).
    - `"etth1"`: hourly oil temperature and load of a transformer, 17,420 rows of 7 columns.
    - `"sp500"`: daily open, high, low, close and volume of the S&P 500 index 2000 to 2018.

    `data_dir` and where files come from: see `fetch`. **Raises:** `UserError` as `fetch` does.
    """
    among("load_series", get_args(Name), name=name)
    file = FILES[name]
    names = (file,) if name in ("airline", "sunspots", "temperatures") else (f"{file}.gz", file)
    path = fetch(TIMESERIES, *names, data_dir=data_dir)
    first = 5 if name == "pollution" else 1
    try:
        head, *rows = csv.reader(io.StringIO(read_text(path)))
        kept = [n for n in range(first, len(head)) if head[n] != "cbwd"]
        times = np.array([_time(name, row) for row in rows], "datetime64[s]")
        values = np.array(
            [[np.nan if row[n] == "NA" else float(row[n]) for n in kept] for row in rows]
        )
    except (ValueError, IndexError) as error:
        raise UserError(f"{path}: not the series '{name}' ({error})") from None
    return Series(times, tuple(head[n] for n in kept), values)
