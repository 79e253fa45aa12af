"""`export`: a fitted estimator's function as a file that others can run: StableHLO or ONNX."""

import logging
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal, get_args

import jax
import jax.numpy as jnp
import numpy as np

from tapehead.cell import expect_steps, reads_whole, scan, select
from tapehead.errors import UserError, among
from tapehead.estimators.requirements import expect_installed
from tapehead.training.storage import json_bytes, write_bytes

What = Literal["batch", "step"]

PLATFORMS = ("cpu", "cuda", "tpu")
"""For which StableHLO is written."""
TOLERANCE = 1e-4
"""By how much the answers of an ONNX file may differ, beside those of about 1."""


@dataclass
class Function:
    """What is exported.

    **Attributes:**

    - `call`: takes and gives arrays, one after another.
    - `inputs`, `outputs`: the names of what it takes and gives.
    - `shapes`: the shape of each input, in which words stand for axes of any size, and its dtype.
    """

    call: Callable[..., tuple[Any, ...]]
    inputs: list[str]
    outputs: list[str]
    shapes: list[tuple[tuple[int | str, ...], Any]]

    def specs(self) -> list[jax.ShapeDtypeStruct]:
        """The inputs' shapes as JAX has them, all axes of any size in one scope."""
        words = sorted(
            {axis for shape, _ in self.shapes for axis in shape if isinstance(axis, str)}
        )
        axes = dict(zip(words, jax.export.symbolic_shape(",".join(words)), strict=True))
        return [
            jax.ShapeDtypeStruct([axes.get(a, a) for a in shape], dtype)  # pyright: ignore
            for shape, dtype in self.shapes
        ]


def reading(estimator: Any) -> Callable[[Any], tuple[Any, Any]]:
    """What makes of columns, or symbols, the networks' inputs, and where anything is known."""
    if estimator.schema_.tokens:
        return lambda x: (x, jnp.ones_like(x, bool))
    return estimator.schema_.coded


def of_columns(estimator: Any, *axes: str) -> tuple[tuple[int | str, ...], Any]:
    """The shape and dtype of inputs with these leading axes."""
    schema = estimator.schema_
    return (axes, jnp.int32) if schema.tokens else ((*axes, len(schema.names)), jnp.float32)


def last_of(mask: Any) -> Any:
    """Of a mask `(time, batch)`, only the last step of each sequence."""
    after = jax.lax.cumsum(mask.astype(jnp.int32), axis=0, reverse=True)
    return mask & (after == 1)


def batch(estimator: Any, *, stepwise: bool = False) -> Function:
    """Whole sequences to their answers; by single steps, if `stepwise`."""
    networks, read = estimator.networks(), reading(estimator)

    def call(x: Any, present: Any) -> tuple[Any, ...]:
        inputs, known = read(x)
        inputs, known, mask = (jnp.swapaxes(one, 0, 1) for one in (inputs, known, present))
        if not estimator.each_step:
            anything = jnp.any(mask & known, axis=0, keepdims=True)
            # As in `predict`: of a sequence in which nothing is known, its last step is read.
            mask = mask & ((anything & known) | (~anything & last_of(mask)))
        made = []
        for network in networks:
            state = network.initial_state((x.shape[0],))
            unroll = partial(scan, network) if stepwise else network.unroll
            outputs = unroll(state, inputs, mask=mask)[1]
            if estimator.each_step:
                made.append(jnp.swapaxes(outputs, 0, 1))
            else:
                last = jnp.expand_dims(last_of(mask), -1)
                made.append(jnp.sum(jnp.where(last, outputs, 0.0), axis=0))
        return (estimator.decoded(jnp.stack(made)),)

    shapes = [of_columns(estimator, "batch", "time"), (("batch", "time"), jnp.bool_)]
    return Function(call, ["x", "present"], ["answers"], shapes)


def step(estimator: Any) -> Function:
    """One step of each of several streams to the answers after it."""
    networks, read = estimator.networks(), reading(estimator)
    expect_steps("export", networks[0], "take a network of one direction, or what='batch'")
    outputs = estimator.task().output_size

    def begin(count: Any) -> Any:
        """The state of each network and its last answer."""
        return [(net.initial_state((count,)), jnp.zeros((count, outputs))) for net in networks]

    leaves, form = jax.tree.flatten(jax.eval_shape(lambda: begin(1)))

    def call(x: Any, start: Any, seen: Any, *remembered: Any) -> tuple[Any, ...]:
        fresh, old = begin(x.shape[0]), jax.tree.unflatten(form, remembered)
        inputs, known = read(x)
        known = jnp.ones_like(known) if estimator.each_step else known
        seen = seen & ~start
        made = []
        for network, (state, last) in zip(networks, select(start, fresh, old), strict=True):
            new, y = network.step(state, inputs)
            made.append((select(known, new, state), select(known | ~seen, y, last)))
        answers = estimator.decoded(jnp.stack([last for _, last in made]))
        return (answers, seen | known, *jax.tree.leaves(made))

    names = [f"state_{number}" for number in range(1 + len(leaves))]
    shapes = [of_columns(estimator, "batch"), *[(("batch",), jnp.bool_)] * 2]
    shapes += [(("batch", *leaf.shape[1:]), leaf.dtype) for leaf in leaves]
    return Function(
        call, ["x", "start", *names], ["answers", *(f"new_{name}" for name in names)], shapes
    )


def as_stablehlo(function: Function) -> bytes:
    """The function as `jax.export` serialises it."""
    expect_installed("estimators", "flatbuffers")
    exported = jax.export.export(jax.jit(function.call), platforms=PLATFORMS)(*function.specs())
    return bytes(exported.serialize())


def as_onnx(function: Function) -> bytes:
    """The function as ONNX, by jax2onnx; its answers are compared before they are trusted."""
    expect_installed("onnx", "jax2onnx", "onnxruntime")
    logging.getLogger("onnx_ir").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        # Of an extra that not every check of the types has.
        import onnxruntime  # pyright: ignore[reportMissingImports]
        from jax2onnx import to_onnx  # pyright: ignore[reportMissingImports]

        with jax.numpy_dtype_promotion("standard"):
            made: Any = to_onnx(
                function.call,
                function.specs(),
                model_name="tapehead",
                input_names=function.inputs,
                output_names=function.outputs,
            )
    content = made.SerializeToString()
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    for size in (2, 5):
        given = example(function, size)
        wanted = function.call(*map(jnp.asarray, given))
        found: Any = session.run(None, dict(zip(function.inputs, given, strict=True)))
        for name, a, b in zip(function.outputs, wanted, found, strict=True):
            a = np.asarray(a, np.float64)
            if a.shape != np.shape(b) or not np.allclose(a, b, TOLERANCE, TOLERANCE):
                raise ValueError(f"the converted function gives other numbers for {name}")
    return content


def example(function: Function, size: int) -> list[np.ndarray]:
    """Some inputs with gaps, of `size` sequences of one step more."""
    rng, axes = np.random.default_rng(size), {"batch": size, "time": size + 1}
    made = []
    for name, (shape, dtype) in zip(function.inputs, function.shapes, strict=True):
        sizes = [axes[axis] if isinstance(axis, str) else axis for axis in shape]
        values: Any = np.zeros(sizes) if name.startswith("state") else rng.normal(size=sizes)
        if dtype == jnp.bool_:
            values = rng.random(sizes) < 0.7
        elif name == "x":
            gaps = rng.random(sizes) < 0.1
            symbols = dtype == jnp.int32
            values = rng.integers(0, 2, sizes) if symbols else np.where(gaps, np.nan, values)
        made.append(values.astype(dtype))
    return made


FORMATS = {".stablehlo": as_stablehlo, ".onnx": as_onnx}


def export(estimator: Any, path: Path | str, what: What) -> None:
    """Write the function of a fitted estimator; see `SequenceEstimator.export`."""
    among("export", get_args(What), what=what)
    path = Path(path)
    if path.suffix not in FORMATS:
        raise UserError(f"export: {path} must end in {' or '.join(FORMATS)}")
    ways: list[Callable[[Any], Function]] = [step] if what == "step" else [batch]
    if what == "batch" and not reads_whole(estimator.networks()[0]):
        # An unroll that is made for gradients may want to know the sizes.
        ways.append(partial(batch, stepwise=True))
    function, content = converted(estimator, ways, path.suffix)
    try:
        write_bytes(path, content)
        write_bytes(
            path.with_name(f"{path.name}.json"), json_bytes(about(estimator, what, function))
        )
    except OSError as error:
        raise UserError(f"cannot write {error.filename or path}: {error.strerror}") from None


def converted(
    estimator: Any, ways: list[Callable[[Any], Function]], suffix: str
) -> tuple[Function, bytes]:
    """The first of several ways to the same numbers that can be converted, and the file."""
    failed = None
    for way in ways:
        function = way(estimator)
        try:
            return function, FORMATS[suffix](function)
        except UserError:
            raise
        except Exception as error:  # whatever a converter meets that it does not know
            failed = error
    reason = " ".join(str(failed).split())[:200]
    other = "" if suffix == ".stablehlo" else "; write a .stablehlo file instead"
    raise UserError(
        f"export: {estimator.recipe_name()} cannot be written as {suffix[1:]} "
        f"({type(failed).__name__}: {reason}){other}"
    )


def about(estimator: Any, what: What, function: Function) -> dict[str, Any]:
    """What goes in and what comes out, as JSON data."""
    schema = estimator.schema_
    inputs = [
        {"name": name, "shape": list(shape), "dtype": np.dtype(dtype).name}
        for name, (shape, dtype) in zip(function.inputs, function.shapes, strict=True)
    ]
    return {
        "estimator": estimator.kind,
        "what": what,
        "inputs": inputs,
        "outputs": function.outputs,
        "columns": schema.names,
        "categories": schema.categories,
        "symbols": None if schema.vocabulary is None else list(schema.vocabulary.symbols),
        "classes": [str(name) for name in getattr(estimator, "classes_", [])],
    }
