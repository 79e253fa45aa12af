"""`RunConfig`: everything needed to repeat a run, and its form as JSON."""

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

from tapehead.errors import UserError, at_least, nearest, within
from tapehead.learning import BPTT, RULES, LearningRule
from tapehead.models import MODELS, Model
from tapehead.registry import Registry
from tapehead.tasks import TASKS, Task
from tapehead.training.optimizers import OPTIMIZERS, Adam, Optimizer

SCHEMA = 1
"""The version of the run folder's format; newer ones are refused."""

TaskT = TypeVar("TaskT", bound=Task)
ModelT = TypeVar("ModelT", bound=Model)
RuleT = TypeVar("RuleT", bound=LearningRule)
OptimizerT = TypeVar("OptimizerT", bound=Optimizer)


@dataclass(frozen=True)
class RunConfig(Generic[TaskT, ModelT, RuleT, OptimizerT]):
    """The whole of a training run.

    **Attributes** are the options of `tapehead train`; the four parts come first.
    """

    task: TaskT
    model: ModelT
    rule: RuleT
    optimizer: OptimizerT
    batch: int = 16
    """Sequences per update."""
    updates: int = 10_000
    """Updates of the parameters, at most."""
    seed: int = 0
    """The one seed from which everything random in the run derives."""
    seeds: int = 1
    """How many networks to train at once, from seeds that derive from `seed`."""
    clip_norm: float | None = 10.0
    """Gradients are scaled down to at most this global norm; None: never."""
    clip_value: float | None = None
    """Each component of the gradient is held in [-clip-value, clip-value]; None: never."""
    l1: float = 0.0
    """Weight of the sum of the parameters' absolute values in the loss."""
    l2: float = 0.0
    """Weight of half the sum of the parameters' squares in the loss."""
    weight_noise: float = 0.0
    """Standard deviation of Gaussian noise added to the parameters for each gradient."""
    curriculum: bool = False
    """Begin with the task's easier lessons and move on as each is solved."""
    evaluate_every: int = 200
    """Updates between evaluations on fresh sequences."""
    evaluation_size: int = 1000
    """Sequences in each evaluation."""
    patience: int = 2
    """Evaluations in a row that must count as solved before the run stops."""
    stop_when_solved: bool = True
    """Stop as soon as every network has solved the task; otherwise use all updates."""
    checkpoint_every: int = 1000
    """Updates between checkpoints; one is written at the end and on interruption as well."""
    keep_checkpoints: int = 3
    """How many of the newest checkpoints to keep."""

    def __post_init__(self):
        at_least("training", 1, batch=self.batch, updates=self.updates, seeds=self.seeds)
        at_least("training", 1, evaluate_every=self.evaluate_every, patience=self.patience)
        at_least("training", 1, evaluation_size=self.evaluation_size)
        at_least("training", 1, checkpoint_every=self.checkpoint_every)
        at_least("training", 2, keep_checkpoints=self.keep_checkpoints)
        at_least("training", 0, l1=self.l1, l2=self.l2, weight_noise=self.weight_noise)
        within("training", 0, 2**32 - 1, seed=self.seed)
        for name in ("clip_norm", "clip_value"):
            limit = getattr(self, name)
            if limit is not None and not limit > 0:
                raise UserError(f"training: {name} must be above 0 or None, got {limit}")


AnyConfig = RunConfig[Any, Any, Any, Any]

PARTS: dict[str, Registry[Any]] = {
    "task": TASKS,
    "model": MODELS,
    "rule": RULES,
    "optimizer": OPTIMIZERS,
}
"""The fields of a `RunConfig` that are registered parts."""


def to_json(config: AnyConfig) -> dict[str, Any]:
    """The config as plain JSON data; each part is `{"name": ..., its settings}`."""
    data: dict[str, Any] = {}
    for entry in dataclasses.fields(config):
        value = getattr(config, entry.name)
        if entry.name in PARTS:
            settings = {f.name: getattr(value, f.name) for f in dataclasses.fields(value) if f.init}
            value = {"name": PARTS[entry.name].name_of(value), **settings}
        data[entry.name] = value
    return data


def _build(owner: str, cls: type, settings: Mapping[str, Any]) -> Any:
    """`cls(**settings)`, refusing settings it does not have and values of the wrong type."""
    known = {f.name: f for f in dataclasses.fields(cls) if f.init}
    for name in settings:
        if name not in known:
            raise UserError(f"{owner}: unknown setting '{name}'{nearest(name, known)}")
    values = {n: tuple(v) if isinstance(v, list) else v for n, v in settings.items()}
    try:
        return cls(**values)
    except TypeError as error:
        raise UserError(f"{owner}: {error}") from None


def from_json(data: Mapping[str, Any]) -> AnyConfig:
    """The config that `to_json` wrote. Raises `UserError` naming whatever does not fit."""
    settings = dict(data)
    for part, registry in PARTS.items():
        entry = settings.get(part)
        if not isinstance(entry, Mapping) or "name" not in entry:
            raise UserError(f"config: '{part}' must be an object with a 'name', got {entry!r}")
        rest = {k: v for k, v in entry.items() if k != "name"}
        settings[part] = _build(f"config: {part} '{entry['name']}'", registry[entry["name"]], rest)
    return _build("config", RunConfig, settings)
