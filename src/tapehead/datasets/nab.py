"""The Numenta anomaly benchmark: series in which somebody marked what was not normal."""

import csv
import io
import json
import tarfile
import zlib
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from tapehead.datasets.fetch import fetch
from tapehead.datasets.registry import NAB
from tapehead.errors import UserError

ROOT = "nab/"
LABELS = "labels/combined_windows.json"


class Watched(NamedTuple):
    """A series of the benchmark.

    **Attributes:**

    - `name`: folder and file, such as `"realKnownCause/nyc_taxi"`.
    - `times`: of its rows, `datetime64[s]`.
    - `values`: `(time,)` in float64.
    - `windows`: the first and last row of each labelled anomaly, in order.
    """

    name: str
    times: np.ndarray
    values: Float[np.ndarray, " time"]
    windows: tuple[tuple[int, int], ...]


def load_nab(*, data_dir: str | Path | None = None) -> list[Watched]:
    """The benchmark's series, by name.

    35 of its 58, with 55 labelled windows: those with known causes, of Amazon's cloud servers, and
    artificial ones with and without anomalies.

    `data_dir` and where files come from: see `fetch`. **Raises:** `UserError` as `fetch` does.

    Source: Lavin and Ahmad, "Evaluating real-time anomaly detection algorithms: the Numenta anomaly
    benchmark" (2015); Ahmad et al., "Unsupervised real-time anomaly detection for streaming data"
    (2017).
    """
    path = fetch(NAB, "nab.tar.gz", data_dir=data_dir)
    texts: dict[str, str] = {}
    try:
        with tarfile.open(path, "r:gz") as archive:
            for member in archive:
                stream = archive.extractfile(member)
                if stream is not None and member.name.startswith(ROOT):
                    texts[member.name.removeprefix(ROOT)] = stream.read().decode()
        labels = json.loads(texts[LABELS])
    except (EOFError, zlib.error, tarfile.TarError, OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: not a whole tar.gz archive ({error})") from None
    except (KeyError, json.JSONDecodeError):
        raise UserError(f"{path}: has no {LABELS}") from None
    found = []
    for member, text in sorted(texts.items()):
        if not (member.startswith("data/") and member.endswith(".csv")):
            continue
        file = member.removeprefix("data/")
        try:
            found.append(_read(file, text, labels[file]))
        except (KeyError, ValueError, IndexError) as error:
            raise UserError(f"{path}: {file} is no series of the benchmark ({error})") from None
    return found


def _read(file: str, text: str, labels: Any) -> Watched:
    rows = list(csv.reader(io.StringIO(text)))[1:]
    times = np.array([row[0] for row in rows], "datetime64[s]")
    ends = np.array(labels, "datetime64[s]").reshape(-1, 2)
    places = [[int(np.flatnonzero(times == end)[0]) for end in window] for window in ends]
    values = np.array([float(row[1]) for row in rows])
    windows = tuple((first, last) for first, last in places)
    return Watched(file.removesuffix(".csv"), times, values, windows)
