"""`RunConfig`: everything needed to repeat a run, and its form as JSON."""

import dataclasses
import json
import math
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar

from tapehead.errors import UserError, above, at_least, nearest, within
from tapehead.learning import RULES, Decoupled, Rule, Search
from tapehead.models import MODELS, Model
from tapehead.registry import Registry
from tapehead.tasks import TASKS, Task
from tapehead.training.curriculum import Curriculum, Doubling, Growing, Lessons, OneMore, Stepwise
from tapehead.training.optimizers import OPTIMIZERS, Optimizer

SCHEMA = 1
"""The version of the run folder's format; newer ones are refused."""

GROWING: Mapping[str, type[Growing]] = {
    "exponential": Doubling,
    "linear": Stepwise,
    "one-more": OneMore,
}
"""The curricula that grow, by name."""

TaskT = TypeVar("TaskT", bound=Task)
ModelT = TypeVar("ModelT", bound=Model)
RuleT = TypeVar("RuleT", bound=Rule)
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
    """How many networks to train, side by side, from seeds that derive from `seed`."""
    clip_norm: float | None = 1.0
    """Gradients are scaled down to at most this global norm; None: never."""
    clip_value: float | None = None
    """Each component of the gradient is first held in [-clip-value, clip-value]; None: never."""
    l1: float = 0.0
    """Weight of the sum of all parameters' absolute values in the loss."""
    l2: float = 0.0
    """Weight of half the sum of all parameters' squares in the loss."""
    l1_parts: Mapping[str, float] | None = None
    """Further weights of that kind for parts of the model, by the names of its parameters."""
    l2_parts: Mapping[str, float] | None = None
    """Likewise of half the squares: cells.0=1e-4 for the first cell, hidden_weight=1e-4."""
    weight_noise: float = 0.0
    """Standard deviation of Gaussian noise added to the parameters for each gradient."""
    online: bool = False
    """Apply the optimizer after every window of the rule instead of every update's sequences; its
    schedule and warm-up then count windows. For streams without end."""
    curriculum: bool | Literal["exponential", "linear", "one-more"] = False
    """Begin with the task's easier lessons and move on as each is solved; exponential, linear:
    begin with the task itself and go on to sizes up to twice as large, or up to one larger,
    whenever the loss is small; one-more: begin with the smallest size alone, go on to the next
    whenever the loss is small, and from the largest to all of them."""
    curriculum_threshold: float = 0.1
    """The mean training loss since the last line of metrics (nats per scored step) below which a
    curriculum that grows goes on to larger sizes."""
    curriculum_limit: int | None = None
    """The largest size to which such a curriculum goes, on the task's axis; None: none."""
    log_every: int = 50
    """Updates whose means make one line of metrics."""
    evaluate_every: int = 200
    """Updates between evaluations on fresh sequences."""
    evaluation_size: int = 1000
    """Sequences in each evaluation during training, and in the test at the end."""
    test_size: int = 200
    """Sequences in each of the other tests at the end: longer ones, and so on."""
    patience: int = 3
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
        at_least("training", 1, evaluation_size=self.evaluation_size, test_size=self.test_size)
        at_least("training", 1, log_every=self.log_every)
        at_least("training", 1, checkpoint_every=self.checkpoint_every)
        at_least("training", 2, keep_checkpoints=self.keep_checkpoints)
        at_least("training", 0, l1=self.l1, l2=self.l2, weight_noise=self.weight_noise)
        within("training", 0, 2**32 - 1, seed=self.seed)
        for name in ("l1_parts", "l2_parts"):
            for part, weight in (getattr(self, name) or {}).items():
                at_least("training", 0, **{f"{name} of {part}": weight})
        for name in ("clip_norm", "clip_value"):
            limit = getattr(self, name)
            if limit is not None and not limit > 0:
                raise UserError(f"training: {name} must be above 0 or None, got {limit}")
        above("training", 0, curriculum_threshold=self.curriculum_threshold)
        if self.online and self.rule.window is None:
            raise UserError(
                "training: online learns after every window, and this rule has none: give "
                "rule.window, or leave online out"
            )
        follows = ("l1", "l2", "l1_parts", "l2_parts", "weight_noise")
        turns = self.takes_turns
        for name in follows if turns or isinstance(self.rule, Search) else ():
            if getattr(self, name):
                kind = "updates all parameters together" if turns else "follows gradients"
                raise UserError(
                    f"training: {name} is for what {kind}; leave it out with "
                    f"{type(self.rule).__name__}{' or with its probability' if turns else ''}"
                )
        self.lessons()
        self.optimizer.rates(self.updates)

    @property
    def takes_turns(self) -> bool:
        """Whether the parts of a network are updated by themselves, at random."""
        return isinstance(self.rule, Decoupled) and self.rule.probability < 1

    def lessons(self) -> Curriculum:
        """The lessons of the run: just one, the task itself, without a curriculum."""
        if isinstance(self.curriculum, str):
            kind = GROWING[self.curriculum]
            return kind(self.task, self.curriculum_threshold, self.curriculum_limit)
        if not self.curriculum:
            return Lessons((self.task,))
        if len(self.task.lessons()) < 2:
            raise UserError("curriculum: this task has no easier lessons; leave curriculum out")
        return Lessons(self.task.lessons())


AnyConfig = RunConfig[Any, Any, Any, Any]

PARTS: dict[str, Registry[Any]] = {
    "task": TASKS,
    "model": MODELS,
    "rule": RULES,
    "optimizer": OPTIMIZERS,
}
"""The fields of a `RunConfig` that are registered parts."""


def part_to_json(kind: str, part: Any) -> dict[str, Any]:
    """A registered part as `{"name": ..., its settings}`."""
    settings = {f.name: getattr(part, f.name) for f in dataclasses.fields(part) if f.init}
    return {"name": PARTS[kind].name_of(part), **settings}


def to_json(config: AnyConfig) -> dict[str, Any]:
    """The config as plain JSON data; each part is `{"name": ..., its settings}`."""
    data: dict[str, Any] = {}
    for entry in dataclasses.fields(config):
        value = getattr(config, entry.name)
        if entry.name in PARTS:
            value = part_to_json(entry.name, value)
        data[entry.name] = value
    return data


def completed(data: Mapping[str, Any]) -> dict[str, Any]:
    """A config's JSON data as it would be written today: newer settings are at their defaults.

    What is not known is left as it is.
    """
    whole = {f.name: f.default for f in dataclasses.fields(RunConfig) if f.name not in PARTS}
    filled: dict[str, Any] = {**whole, **data}
    for kind, registry in PARTS.items():
        entry = data.get(kind)
        if isinstance(entry, Mapping) and entry.get("name") in registry:
            settings = dataclasses.fields(registry[entry["name"]])
            filled[kind] = {f.name: f.default for f in settings if f.init} | {**entry}
    return json.loads(json.dumps(filled))


def _fits(value: Any, annotation: Any) -> bool:
    """Whether a value is of an annotated type, a whole number counting as a float."""
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is Literal:
        return value in arguments
    if origin in (typing.Union, types.UnionType):
        return any(_fits(value, a) for a in arguments)
    if origin is tuple:
        return isinstance(value, tuple) and all(_fits(v, arguments[0]) for v in value)
    if origin is Mapping:
        return isinstance(value, Mapping) and all(
            _fits(k, arguments[0]) and _fits(v, arguments[1]) for k, v in value.items()
        )
    if annotation is float:
        number = isinstance(value, int | float) and not isinstance(value, bool)
        return number and math.isfinite(value)
    if annotation is int:
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, annotation)


def _show(annotation: Any) -> str:
    """An annotated type in words."""
    if isinstance(annotation, type) and not typing.get_args(annotation):
        return "None" if annotation is type(None) else annotation.__name__
    if typing.get_origin(annotation) is Literal:
        return "one of " + ", ".join(map(str, typing.get_args(annotation)))
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        return " or ".join(_show(a) for a in typing.get_args(annotation))
    if typing.get_origin(annotation) is Mapping:
        return f"an object of {' and '.join(map(_show, typing.get_args(annotation)))}"
    return str(annotation)


def _build(owner: str, cls: type, settings: Mapping[str, Any]) -> Any:
    """`cls(**settings)`, refusing settings it does not have and values of the wrong type."""
    known = {f.name: f for f in dataclasses.fields(cls) if f.init}
    hints = typing.get_type_hints(cls)
    values = {}
    for name, given in settings.items():
        if name not in known:
            raise UserError(f"{owner}: unknown setting '{name}'{nearest(name, known)}")
        value = tuple(given) if isinstance(given, list) else given
        if name not in PARTS and not _fits(value, hints[name]):
            raise UserError(f"{owner}: {name} must be {_show(hints[name])}, got {given!r}")
        values[name] = value
    return cls(**values)


def part_from_json(kind: str, entry: Any) -> Any:
    """The part that `to_json` wrote as `{"name": ..., its settings}`."""
    if not isinstance(entry, Mapping) or "name" not in entry:
        raise UserError(f"config: '{kind}' must be an object with a 'name', got {entry!r}")
    rest = {k: v for k, v in entry.items() if k != "name"}
    return _build(f"config: {kind} '{entry['name']}'", PARTS[kind][entry["name"]], rest)


def from_json(data: Mapping[str, Any]) -> AnyConfig:
    """The config that `to_json` wrote. Raises `UserError` naming whatever does not fit."""
    parts = {kind: part_from_json(kind, data.get(kind)) for kind in PARTS}
    return _build("config", RunConfig, {**data, **parts})
