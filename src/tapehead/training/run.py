"""`Run`: the folder that holds all there is to a training run.

```
config.json        schema version, command, library versions, and everything needed to repeat it
metrics.jsonl      one object a line; holds no clock, so it is the same to the bit after a resume
timing.jsonl       seconds, updates and steps per second, of every sitting
checkpoints/       the newest few, each in a folder named by its update
model/             weights.safetensors and config.json (for text also vocabulary.json): loadable
                   without running anything in them
report.html
```

Lines of `metrics.jsonl` (every list has one entry per seed; `null` where that network is held
because it has solved the task):

- `{"kind": "train", "update": u, "lesson": [0], "metrics": {"loss": [...], ...}}`: means over the
  updates since the line before. `loss` is in nats per scored step; `gradient_norm` is before
  clipping; under a curriculum without end `level` is the largest size drawn; the rest are the
  task's own.
- `{"kind": "evaluation", "update": u, "set": "validation", "axis": null, "size": null,
  "sequences": 1000, "metrics": {...}, "solved": [true]}`: means over fresh or held-out sequences.
  During training `set` is `"validation"`; after it come `"test"` (fresh sequences of the training
  distribution), the task's named sets, and the generalisation curve with `set` `"length 50"`,
  `axis` `"length"` and `size` 50.
- `{"kind": "end", "update": u, "outcome": "solved" | "budget" | "stopped" | "diverged",
  "solved_at": [u or null]}`: always the last line.

Lines of `timing.jsonl`: `{"kind": "start", "update", "time"}` at each sitting (`time` in ISO form),
`{"kind": "block", "update", "seconds", "updates_per_second", "steps_per_second"}`,
`{"kind": "evaluation", "update", "set", "seconds"}` and `{"kind": "end", "update", "seconds"}` (the
whole sitting).
"""

import json
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import equinox as eqx
import jax

from tapehead.cell import Cell
from tapehead.errors import UserError, nearest
from tapehead.learning.rule import network_of
from tapehead.tasks.vocabulary import Vocabulary
from tapehead.training.config import (
    SCHEMA,
    AnyConfig,
    completed,
    from_json,
    part_from_json,
    to_json,
)
from tapehead.training.storage import (
    fill,
    json_bytes,
    parse_tensors,
    read_object,
    replace_folder,
    sha256,
    tensor_bytes,
    write_bytes,
    writing,
)

CONFIG = "config.json"
METRICS = "metrics.jsonl"
TIMING = "timing.jsonl"
WEIGHTS = "weights.safetensors"
VOCABULARY = "vocabulary.json"

MODEL_FIELDS = {
    "model": dict,
    "task": dict,
    "input_size": int,
    "output_size": int,
    "tokens": bool,
    "seeds": int,
    "sha256": str,
}
"""What the `config.json` of a model holds besides its schema."""


def versions() -> dict[str, str]:
    """The versions of everything a run's numbers depend on."""
    names = ("tapehead", "jax", "jaxlib", "equinox", "optax", "numpy")
    return {"python": platform.python_version()} | {n: metadata.version(n) for n in names}


def check_schema(path: Path, data: Mapping[str, Any], newest: int = SCHEMA) -> None:
    """Refuse a file written by a newer tapehead, or by none."""
    schema = data.get("schema")
    if not isinstance(schema, int) or schema < 1:
        raise UserError(f"{path} is damaged: expected a schema number, got {schema!r}")
    if schema > newest:
        raise UserError(
            f"{path} has schema {schema}, newer than this tapehead's {newest}: upgrade tapehead"
        )


def read_lines(path: Path) -> list[dict[str, Any]]:
    """The objects of a JSON-lines file; a last line torn by a kill is left out."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return []
    whole = content[: content.rfind(b"\n") + 1]
    lines = []
    for number, line in enumerate(whole.splitlines(), 1):
        try:
            lines.append(json.loads(line))
        except ValueError:
            raise UserError(f"{path} is damaged: line {number} is not JSON") from None
    return lines


@dataclass(frozen=True)
class Run:
    """A run folder with its config.

    **Attributes:**

    - `folder`: where it lies.
    - `config`: the `RunConfig` of the run.
    - `command`: the command line that repeats it.
    """

    folder: Path
    config: AnyConfig
    command: str

    @classmethod
    def create(cls, folder: Path | str, config: AnyConfig, command: str = "") -> "Run":
        """Make the folder and write `config.json`.

        **Raises:** `UserError` if the folder holds anything already (a run is never overwritten)
        or cannot be written.
        """
        folder = Path(folder)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            taken = any(folder.iterdir())
        except OSError as error:
            raise UserError(f"cannot make the run folder {folder}: {error.strerror}") from None
        if (folder / CONFIG).exists():
            other = cls.open(folder).config
            difference = first_difference(to_json(other), to_json(config))
            if difference is None:
                raise UserError(
                    f"{folder} already holds this run: continue it with `tapehead resume {folder}`"
                )
            raise UserError(
                f"{folder} holds a run with another config ({difference}): choose another folder"
            )
        if taken:
            raise UserError(f"{folder} is not empty and not a run: choose another folder")
        content = {
            "schema": SCHEMA,
            "command": command,
            "versions": versions(),
            "config": to_json(config),
        }
        try:
            write_bytes(folder / CONFIG, json_bytes(content))
        except OSError as error:
            raise UserError(f"cannot write {folder / CONFIG}: {error.strerror}") from None
        return cls(folder, config, command)

    @classmethod
    def open(cls, folder: Path | str) -> "Run":
        """Open an existing run folder, finished or not.

        **Raises:** `UserError` if it is missing, damaged or from a newer schema.
        """
        folder = Path(folder)
        if not folder.is_dir():
            beside = [p.name for p in folder.parent.iterdir()] if folder.parent.is_dir() else []
            raise UserError(f"there is no run folder {folder}{nearest(folder.name, beside)}")
        if not (folder / CONFIG).exists():
            raise UserError(f"{folder} is not a run folder: it has no {CONFIG}")
        data = read_object(folder / CONFIG)
        check_schema(folder / CONFIG, data)
        if not isinstance(data.get("config"), dict):
            raise UserError(f"{folder / CONFIG} is damaged: it has no 'config'")
        try:
            config = from_json(data["config"])
        except UserError as error:
            raise UserError(f"{folder / CONFIG}: {error}") from None
        return cls(folder, config, str(data.get("command", "")))

    def metrics(self) -> list[dict[str, Any]]:
        """The lines of `metrics.jsonl`; a last line torn by a kill is left out."""
        return read_lines(self.folder / METRICS)

    def timing(self) -> list[dict[str, Any]]:
        """The lines of `timing.jsonl`."""
        return read_lines(self.folder / TIMING)

    @property
    def outcome(self) -> str | None:
        """How the run ended, or `None` if it has not."""
        lines = self.metrics()
        return lines[-1]["outcome"] if lines and lines[-1]["kind"] == "end" else None

    def model(self, seed: int = 0) -> Cell:
        """The trained network number `seed` (0 up to the config's `seeds` − 1)."""
        if not (self.folder / "model").is_dir():
            raise UserError(
                f"{self.folder} has no trained model yet: finish it with "
                f"`tapehead resume {self.folder}`"
            )
        path = self.folder / "model" / CONFIG
        made_with, ours = completed(read_object(path)), completed(to_json(self.config))
        for part in ("task", "model"):
            difference = first_difference(made_with.get(part), ours[part], part)
            if difference is not None:
                raise UserError(
                    f"{path} was made with another config ({difference}): put the run's {CONFIG} "
                    f"back"
                )
        return load_model(self.folder, seed)

    def vocabulary(self) -> Vocabulary:
        """What the numbers that the trained networks read and write stand for.

        **Raises:** `UserError` if the run's task has no vocabulary, or its file is damaged.
        """
        path = self.folder / "model" / VOCABULARY
        if not path.exists():
            raise UserError(f"{self.folder} has no {VOCABULARY}: its networks were not taught text")
        try:
            return Vocabulary.from_json(read_object(path))
        except UserError as error:
            raise UserError(f"{path} is damaged: {error}") from None

    def save_models(self, parameters: Any) -> None:
        """Write the `model/` folder; `parameters` are the networks' arrays, stacked.

        What the rule learned beside them is left to the checkpoints.
        """
        weights = tensor_bytes(network_of(parameters))
        config = to_json(self.config)
        task = self.config.task
        content = {
            "schema": SCHEMA,
            "model": config["model"],
            "task": config["task"],
            "input_size": task.input_size,
            "output_size": task.output_size,
            "tokens": task.tokens,
            "seeds": self.config.seeds,
            "sha256": sha256(weights),
        }
        files = {WEIGHTS: weights, CONFIG: json_bytes(content)}
        if (vocabulary := task.vocabulary()) is not None:
            files[VOCABULARY] = json_bytes(vocabulary.to_json())
        with writing(self.folder):
            replace_folder(self.folder / "model", files)


def first_difference(old: Any, new: Any, name: str = "") -> str | None:
    """`"batch: 16 there, 32 here"` for the first place where two configs differ."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in [*old, *(k for k in new if k not in old)]:
            inner = first_difference(old.get(key), new.get(key), f"{name}.{key}" if name else key)
            if inner is not None:
                return inner
        return None
    return None if old == new else f"{name}: {old} there, {new} here"


def load_model(folder: Path | str, seed: int = 0) -> Cell:
    """The network in a `model/` folder, or in a run folder that has one; nothing is executed.

    **Raises:** `UserError` if it is missing, damaged or from a newer schema.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise UserError(f"there is no model folder {folder}")
    if (folder / "model").is_dir():
        folder = folder / "model"
    data = read_object(folder / CONFIG)
    check_schema(folder / CONFIG, data)
    weights = folder / WEIGHTS
    try:
        content = weights.read_bytes()
    except OSError as error:
        raise UserError(f"cannot read {weights}: {error.strerror}") from None
    for name, kind in MODEL_FIELDS.items():
        if not isinstance(data.get(name), kind):
            raise UserError(
                f"{folder / CONFIG} is damaged: expected '{name}' to be {kind.__name__}, "
                f"got {data.get(name)!r}"
            )
    sizes, seeds = (data["input_size"], data["output_size"]), data["seeds"]
    if sha256(content) != data["sha256"]:
        raise UserError(f"{weights} is damaged: its checksum differs from the one in {CONFIG}")
    if not 0 <= seed < seeds:
        raise UserError(f"{folder} holds networks 0 to {seeds - 1}, got seed {seed}")
    model = part_from_json("model", data["model"])
    built = eqx.filter_eval_shape(
        lambda key: model.build(*sizes, tokens=data["tokens"], key=key), jax.random.key(0)
    )
    shapes, static = eqx.partition(built, lambda x: isinstance(x, jax.ShapeDtypeStruct))
    arrays = {name: x[seed] for name, x in parse_tensors(str(weights), content).items()}
    return eqx.combine(fill(str(weights), shapes, arrays), static)


def next_folder(root: Path | str, task: str, model: str) -> Path:
    """`root/<task>-<model>-<n>` with the first n, from 1, that is above all that exist."""
    stem = f"{task}-{model}-"
    root = Path(root)
    numbers = [0]
    if root.is_dir():
        rest = (p.name.removeprefix(stem) for p in root.iterdir() if p.name.startswith(stem))
        numbers += [int(n) for n in rest if n.isdigit()]
    return root / f"{stem}{max(numbers) + 1}"
