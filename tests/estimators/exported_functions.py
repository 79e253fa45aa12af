"""Exported functions as they come back from their files."""

import importlib.util

import jax
import numpy as np
import pytest

ONNX = pytest.mark.skipif(
    importlib.util.find_spec("jax2onnx") is None or importlib.util.find_spec("onnxruntime") is None,
    reason="needs pip install 'tapehead[onnx]'",
)


def padded(X):
    """Sequences as one array, with something else where there is nothing to be read."""
    x = np.full((len(X), max(map(len, X)), *X[0].shape[1:]), 7, np.float32)
    present = np.zeros(x.shape[:2], bool)
    for number, one in enumerate(X):
        x[number, : len(one)] = one
        present[number, : len(one)] = True
    return x, present


def opened(path):
    """The function in a file, from arrays to arrays."""
    if path.suffix == ".stablehlo":
        exported = jax.export.deserialize(bytearray(path.read_bytes()))
        return lambda *given: [np.asarray(one) for one in exported.call(*given)]
    import onnxruntime

    onnxruntime.set_default_logger_severity(3)
    session = onnxruntime.InferenceSession(path)
    names = [one.name for one in session.get_inputs()]
    return lambda *given: session.run(None, dict(zip(names, given, strict=True)))
