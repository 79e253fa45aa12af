"""Recurrent networks behind scikit-learn's interface, for people who simply have sequences."""

from pathlib import Path
from typing import Any

from tapehead.cell import Cell
from tapehead.estimators import requirements as requirements  # first: says what is missing
from tapehead.estimators.backtest import backtest
from tapehead.estimators.classifier import SequenceClassifier
from tapehead.estimators.detector import AnomalyDetector
from tapehead.estimators.files import read
from tapehead.estimators.forecaster import Forecaster
from tapehead.estimators.regressor import SequenceRegressor
from tapehead.registry import Registry

ESTIMATORS: Registry[type[Any]] = Registry(
    "estimator",
    {
        kind.kind: kind
        for kind in (SequenceClassifier, SequenceRegressor, Forecaster, AnomalyDetector)
    },
)


def load(path: Path | str, *, cell: Cell | None = None) -> Any:
    """The estimator that `save` wrote to a folder; nothing in it is executed.

    **Arguments:**

    - `path`: the folder.
    - `cell`: a cell like the one it was fitted with, where that was not given by name.

    **Raises:** `UserError` if it is missing, truncated, tampered with, or from a newer version.
    """
    return read(path, ESTIMATORS, cell)


__all__ = [
    "ESTIMATORS",
    "AnomalyDetector",
    "Forecaster",
    "SequenceClassifier",
    "SequenceRegressor",
    "backtest",
    "load",
]
