"""`export`: a fitted estimator's function as a file that others can run: StableHLO or ONNX.

Which function that is each kind of estimator says by itself, from the file of its kind here.
"""

from pathlib import Path
from typing import Any, get_args

import numpy as np

from tapehead.errors import UserError, among
from tapehead.estimators.export.formats import FORMATS
from tapehead.estimators.export.function import Function, Ways, What
from tapehead.training.storage import json_bytes, write_bytes


def export(estimator: Any, path: Path | str, what: What) -> None:
    """Write the function of a fitted estimator; see `Trained.export`."""
    among("export", get_args(What), what=what)
    path = Path(path)
    if path.suffix not in FORMATS:
        raise UserError(f"export: {path} must end in {' or '.join(FORMATS)}")
    function, content = converted(estimator.recipe_name(), estimator.functions(what), path.suffix)
    inputs = [
        {"name": name, "shape": list(shape), "dtype": np.dtype(dtype).name}
        for name, (shape, dtype) in zip(function.inputs, function.shapes, strict=True)
    ]
    about = {
        "estimator": estimator.kind,
        "what": what,
        "inputs": inputs,
        "outputs": function.outputs,
        "constraints": list(function.constraints),
        **estimator.legend(),
    }
    try:
        write_bytes(path, content)
        write_bytes(path.with_name(f"{path.name}.json"), json_bytes(about))
    except OSError as error:
        raise UserError(f"cannot write {error.filename or path}: {error.strerror}") from None


def converted(name: str, ways: Ways, suffix: str) -> tuple[Function, bytes]:
    """The first of several ways to the same numbers that can be converted, and the file."""
    failed = None
    for way in ways:
        function = way()
        try:
            return function, FORMATS[suffix](function)
        except UserError:
            raise
        except Exception as error:  # whatever a converter meets that it does not know
            failed = error
    reason = " ".join(str(failed).split())[:200]
    other = "" if suffix == ".stablehlo" else "; write a .stablehlo file instead"
    raise UserError(
        f"export: {name} cannot be written as {suffix[1:]} "
        f"({type(failed).__name__}: {reason}){other}"
    )
