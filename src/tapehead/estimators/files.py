"""Estimators as files: settings and what was learned as JSON, weights as safetensors.

```
config.json           what the estimator is and has learned, with a checksum of itself
weights.safetensors   the networks' arrays, stacked
```

Nothing in them is executed.
"""

import inspect
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from tapehead.cell import Cell
from tapehead.errors import UserError
from tapehead.estimators.network import GivenCell
from tapehead.models import Model
from tapehead.registry import Registry
from tapehead.training.config import part_from_json, part_to_json
from tapehead.training.run import WEIGHTS, check_schema
from tapehead.training.storage import (
    parse_tensors,
    read_object,
    read_sealed,
    replace_folder,
    sealed,
    sha256,
    tensor_bytes,
)

SCHEMA = 1
"""The version of the files; newer ones are refused."""
CONFIG = "config.json"
FORMAT = "tapehead estimator"


def write(estimator: Any, path: Path | str, **more: bytes) -> None:
    """Write a fitted estimator to a folder; one that is there is replaced.

    `more` are further files by name, with `_` for the last dot.

    **Raises:** `UserError` if the folder holds anything else, or cannot be written.
    """
    path = Path(path)
    weights = tensor_bytes(estimator.weights_)
    recipe = estimator.recipe_
    content = {
        "format": FORMAT,
        "schema": SCHEMA,
        "tapehead": metadata.version("tapehead"),
        "estimator": estimator.kind,
        "settings": {
            name: plain(value) for name, value in estimator.get_params(deep=False).items()
        },
        "recipe": None if isinstance(recipe, GivenCell) else part_to_json("model", recipe),
        "learned": estimator.learned(),
        "weights": {"bytes": len(weights), "sha256": sha256(weights)},
    }
    files = {WEIGHTS: weights, CONFIG: sealed(content)}
    files |= {".".join(name.rsplit("_", 1)): text for name, text in more.items()}
    expect_replaceable(path)
    try:
        replace_folder(path, files)
    except OSError as error:
        raise UserError(f"cannot write {error.filename or path}: {error.strerror}") from None


def expect_replaceable(path: Path) -> None:
    """Refuse a place where something lies that is no estimator's folder."""
    if not path.exists():
        return
    if path.is_dir() and (not any(path.iterdir()) or (path / WEIGHTS).is_file()):
        return
    raise UserError(f"{path} is there already and holds no model: choose another place")


def plain(value: Any) -> Any:
    """A setting as JSON data; what has no such form is `None`."""
    if isinstance(value, Model) and not isinstance(value, GivenCell):
        return part_to_json("model", value)
    if isinstance(value, dict):
        return {"pairs": [[plain(k), plain(v)] for k, v in value.items()]}
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    return value if isinstance(value, str | int | float | bool) else None


def setting(value: Any) -> Any:
    """The other way."""
    if isinstance(value, dict):
        if "pairs" in value:
            return {k: setting(v) for k, v in value["pairs"]}
        return part_from_json("model", value)
    return tuple(value) if isinstance(value, list) else value


def array_to_json(array: np.ndarray) -> dict[str, Any]:
    """A short array of numbers, texts or truths, as JSON data."""
    return {"dtype": array.dtype.str, "values": array.tolist()}


def array_from_json(data: Any) -> np.ndarray:
    """The other way."""
    return np.array(data["values"], dtype=np.dtype(data["dtype"]))


def holds_estimator(path: Path) -> bool:
    """Whether a folder is that of an estimator, whole or damaged, and not of a run."""
    try:
        return read_object(path / CONFIG).get("format") == FORMAT
    except (UserError, OSError):
        return False


def read(path: Path | str, kinds: Registry[Any], cell: Cell | None = None) -> Any:
    """The estimator in a folder that `write` wrote.

    **Raises:** `UserError` if it is missing, damaged, or from a newer version.
    """
    path = Path(path)
    if not path.is_dir():
        raise UserError(f"there is no model folder {path}")
    if not (path / CONFIG).exists():
        raise UserError(f"{path} is not a model: it has no {CONFIG}")
    data = read_sealed(path / CONFIG)
    if data.get("format") != FORMAT:
        raise UserError(f"{path / CONFIG} is not of an estimator; a run's are read by load_model")
    check_schema(path / CONFIG, data, SCHEMA)
    try:
        content = (path / WEIGHTS).read_bytes()
    except OSError as error:
        raise UserError(f"cannot read {path / WEIGHTS}: {error.strerror}") from None
    try:
        if sha256(content) != data["weights"]["sha256"]:
            raise UserError(f"{path / WEIGHTS} is damaged: its checksum differs")
        kind = kinds[data["estimator"]]
        known = inspect.signature(kind).parameters
        estimator = kind(**{n: setting(v) for n, v in data["settings"].items() if n in known})
        if data["recipe"] is None:
            if cell is None:
                raise UserError(
                    f"{path} was fitted with a Cell of its user's; give one like it: "
                    "load(path, cell=...)"
                )
            estimator.model, estimator.recipe_ = cell, GivenCell(cell=cell)
        else:
            estimator.recipe_ = part_from_json("model", data["recipe"])
        estimator.learn_from(data["learned"])
        estimator.weights_ = parse_tensors(str(path / WEIGHTS), content)
        estimator.networks()
    except UserError:
        raise
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise UserError(f"{path / CONFIG} is damaged: {type(error).__name__} {error}") from None
    return estimator
