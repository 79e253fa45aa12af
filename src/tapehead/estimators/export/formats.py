"""A function as a file: StableHLO by `jax.export`, ONNX by jax2onnx."""

import logging
import warnings
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from tapehead.estimators.export.function import Function
from tapehead.estimators.requirements import expect_installed

PLATFORMS = ("cpu", "cuda", "tpu")
"""For which StableHLO is written."""
TOLERANCE = 1e-4
"""By how much the answers of an ONNX file may differ, beside those of about 1."""


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
            alike = a.shape == np.shape(b) and np.allclose(a, b, TOLERANCE, TOLERANCE, True)
            if not alike:
                raise ValueError(f"the converted function gives other numbers for {name}")
    return content


def example(function: Function, size: int) -> list[np.ndarray]:
    """Some inputs with gaps, of `size` sequences of one step more."""
    rng, axes = np.random.default_rng(size), {"batch": size, "time": size + 1}
    made = []
    for name, (shape, dtype) in zip(function.inputs, function.shapes, strict=True):
        sizes = [axes[axis] if isinstance(axis, str) else axis for axis in shape]
        values: Any = np.zeros(sizes) if name.startswith("state") else rng.normal(size=sizes)
        if np.dtype(dtype) == bool:
            values = rng.random(sizes) < 0.7
        elif name == "x":
            gaps = rng.random(sizes) < 0.1
            symbols = np.dtype(dtype) == np.int32
            values = rng.integers(0, 2, sizes) if symbols else np.where(gaps, np.nan, values)
        made.append(values.astype(dtype))
    return made


FORMATS: dict[str, Callable[[Function], bytes]] = {".stablehlo": as_stablehlo, ".onnx": as_onnx}
