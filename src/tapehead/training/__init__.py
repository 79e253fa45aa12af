"""Training: configs, runs, and the trainer that joins cells, rules and tasks."""

from tapehead.training.config import SCHEMA, AnyConfig, RunConfig, from_json, to_json
from tapehead.training.divergence import Diverged
from tapehead.training.evaluation import evaluate, final_sets
from tapehead.training.listener import Listener, Result, SeedMetrics, Silent, Timing
from tapehead.training.optimizers import OPTIMIZERS, SGD, Adam, Optimizer, RMSPropGraves
from tapehead.training.presets import suggest
from tapehead.training.run import Run, load_model, next_folder
from tapehead.training.trainer import StopSignal, train
from tapehead.training.update import dry_run

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
    "dry_run",
    "evaluate",
    "final_sets",
    "from_json",
    "load_model",
    "next_folder",
    "suggest",
    "to_json",
    "train",
]
