"""Arrays as text, small: one byte a number, deflated, in base64."""

import base64
import zlib
from typing import Any

import numpy as np

LEVELS = 254
"""Numbers are rounded to this many steps between the ends of their range; 255 stands for NaN."""

Packed = dict[str, Any]


def pack(values: Any, low: float | None = None, high: float | None = None) -> Packed:
    """An array as `{"shape", "low", "high", "bytes"}`, as the page's script unpacks it.

    Numbers are rounded to 1/254 of the range from `low` to `high`, by default that of the
    values: around zero where some are negative, else from zero up, so that zero stays exact.
    Values outside are clamped.
    """
    array = np.asarray(values, np.float64)
    finite = array[np.isfinite(array)]
    most = float(np.max(np.abs(finite), initial=0.0)) or 1.0
    if high is None:
        high = most
    if low is None:
        low = -most if finite.size and finite.min() < 0 else 0.0
    scaled = np.clip((array - low) / (high - low), 0, 1) * LEVELS
    bytes_ = np.where(np.isnan(array), LEVELS + 1, np.round(scaled)).astype(np.uint8)
    return {
        "shape": list(array.shape),
        "low": low,
        "high": high,
        "bytes": base64.b64encode(zlib.compress(bytes_.tobytes(), 9)).decode("ascii"),
    }


def unpack(packed: Packed) -> np.ndarray:
    """The array that `pack` rounded."""
    levels = np.frombuffer(zlib.decompress(base64.b64decode(packed["bytes"])), np.uint8)
    span = packed["high"] - packed["low"]
    values = np.where(levels > LEVELS, np.nan, packed["low"] + span * levels / LEVELS)
    return values.reshape(packed["shape"])
