"""Indoor movement: does somebody who walks through a room leave it?"""

import csv
import io
import zipfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from tapehead.datasets.fetch import fetch
from tapehead.datasets.registry import INDOOR_MOVEMENT
from tapehead.errors import UserError

FOLDER = "dataset/MovementAAL"


class Walk(NamedTuple):
    """The signal strengths at four anchors, 8 a second; whether the room changes; which house."""

    signals: Float[np.ndarray, "time 4"]
    changes: bool
    house: int


def load_indoor_movement(*, data_dir: str | Path | None = None) -> list[Walk]:
    """314 walks of 19 to 129 steps, in the order of the files.

    Each ends in the middle of the room; asked is whether the walker then goes to another room.

    `data_dir` and where files come from: see `fetch`. **Raises:** `UserError` as `fetch` does.

    Source: Bacciu et al., "An experimental characterization of reservoir computing in ambient
    assisted living applications" (2014).
    """
    path = fetch(INDOOR_MOVEMENT, "IndoorMovement.zip", data_dir=data_dir)
    try:
        with zipfile.ZipFile(path) as archive:

            def rows(name: str) -> list[list[float]]:
                text = archive.read(name).decode("ascii")
                return [[float(x) for x in row] for row in list(csv.reader(io.StringIO(text)))[1:]]

            def told(name: str) -> dict[int, float]:
                return {int(number): value for number, value in rows(name)}

            targets = told(f"{FOLDER}_target.csv")
            houses = told("groups/MovementAAL_DatasetGroup.csv")
            return [
                Walk(
                    np.array(rows(f"{FOLDER}_RSS_{number}.csv"), np.float32),
                    target > 0,
                    int(houses[number]),
                )
                for number, target in sorted(targets.items())
            ]
    except (OSError, zipfile.BadZipFile, KeyError, ValueError) as error:
        raise UserError(f"{path}: not the archive of indoor movement ({error})") from None
