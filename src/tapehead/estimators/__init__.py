"""Recurrent networks behind scikit-learn's interface, for people who simply have sequences."""

from pathlib import Path
from typing import Any

from tapehead.cell import Cell
from tapehead.estimators import requirements as requirements  # first: says what is missing
from tapehead.estimators.backtest import backtest
from tapehead.estimators.classifier import SequenceClassifier
from tapehead.estimators.clusterer import SequenceClusterer
from tapehead.estimators.detector import AnomalyDetector
from tapehead.estimators.embedder import SequenceEmbedder
from tapehead.estimators.files import read
from tapehead.estimators.forecaster import Forecaster
from tapehead.estimators.generator import SequenceGenerator
from tapehead.estimators.hub import pull
from tapehead.estimators.regressor import SequenceRegressor
from tapehead.registry import Registry

KINDS = (
    SequenceClassifier,
    SequenceRegressor,
    Forecaster,
    AnomalyDetector,
    SequenceEmbedder,
    SequenceClusterer,
    SequenceGenerator,
)
ESTIMATORS: Registry[type[Any]] = Registry("estimator", {kind.kind: kind for kind in KINDS})


def load(path: Path | str, *, cell: Cell | None = None) -> Any:
    """The estimator that `save` wrote to a folder; nothing in it is executed.

    **Arguments:**

    - `path`: the folder.
    - `cell`: a cell like the one it was fitted with, where that was not given by name.

    **Raises:** `UserError` if it is missing, truncated, tampered with, or from a newer version.
    """
    return read(path, ESTIMATORS, cell)


def from_hub(
    repo: str, *, revision: str | None = None, token: str | None = None, cell: Cell | None = None
) -> Any:
    """The estimator that `push_to_hub` wrote to a repository of Hugging Face.

    Only its two files are downloaded, and checked as by `load`; nothing in them is executed.

    **Arguments:**

    - `repo`: such as `"somebody/heartbeats"`.
    - `revision`: a branch, tag or commit; the newest if `None`.
    - `token`: instead of the one you logged in with.
    - `cell`: as of `load`.

    **Raises:** `UserError` if the library is missing, the network fails, you may not, or there is
    no estimator in it.
    """
    return load(pull(repo, revision=revision, token=token), cell=cell)


__all__ = [
    "ESTIMATORS",
    "AnomalyDetector",
    "Forecaster",
    "SequenceClassifier",
    "SequenceClusterer",
    "SequenceEmbedder",
    "SequenceGenerator",
    "SequenceRegressor",
    "backtest",
    "from_hub",
    "load",
]
