"""Training: configs, runs, and the trainer that joins cells, rules and tasks."""

from tapehead.training.config import SCHEMA, AnyConfig, RunConfig, from_json, to_json
from tapehead.training.evaluation import evaluate, evaluate_seeds
from tapehead.training.optimizers import OPTIMIZERS, SGD, Adam, Optimizer, RMSPropGraves
from tapehead.training.presets import suggest
from tapehead.training.run import Run, load_model, next_folder
from tapehead.training.trainer import (
    Diverged,
    Listener,
    Result,
    SeedMetrics,
    Silent,
    StopSignal,
    Timing,
    train,
)

__all__ = [
    "OPTIMIZERS",
    "SCHEMA",
    "SGD",
    "Adam",
    "AnyConfig",
    "Diverged",
    "Listener",
    "Optimizer",
    "RMSPropGraves",
    "Result",
    "Run",
    "RunConfig",
    "SeedMetrics",
    "Silent",
    "StopSignal",
    "Timing",
    "evaluate",
    "evaluate_seeds",
    "from_json",
    "load_model",
    "next_folder",
    "suggest",
    "to_json",
    "train",
]
