"""Where in an image a network computed: maps of the units that it took at every position."""

import math

import jax.numpy as jnp
import numpy as np

from tapehead.cell import Cell
from tapehead.inspection.trace import fields_of, matches, trace


def units_taken(model: Cell, images: np.ndarray) -> np.ndarray | None:
    """The residual units computed at every pixel of `images`, `(images, side²)`, over all blocks.

    **Returns:** `(images, side, side)`; `None` if the network shows no such maps.

    After Figurnov et al., "Spatially adaptive computation time for residual networks" (2017).
    """
    side, inputs = math.isqrt(images.shape[-1]), jnp.asarray(images)[None]
    if not any(matches(name, "units.*") for name in fields_of(model, inputs)):
        return None
    blocks = trace(model, inputs, fields=("units.*",)).fields.values()
    return np.sum([_enlarged(np.asarray(block)[0], side) for block in blocks], axis=0)


def _enlarged(maps: np.ndarray, side: int) -> np.ndarray:
    """Maps of fewer positions than an image has pixels, each position as a square of them."""
    places = np.arange(side) * maps.shape[-1] // side
    return maps[:, places][:, :, places]
