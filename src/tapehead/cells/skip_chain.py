"""SkipChain: stacked layers with connections past them."""

from collections.abc import Callable

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array

from tapehead.cell import Cell, Composite, expect_features
from tapehead.errors import UserError


class SkipChain(Composite):
    """Layers in a row that all see the input, and are all seen by what comes after.

        h¹_t = layer₁(x_t)
        hⁿ_t = layerₙ([x_t, hⁿ⁻¹_t])
        y_t = [h¹_t, ..., hᴺ_t]

    So the way from the input to any layer, and from any layer to the output, passes no other
    layer, however many there are.

    **Arguments:**

    - `cells`: the layers, at least one; each takes as many features as the input and the layer
        before it have together. A layer may be a chain, such as of an `LSTM` and a `Dropout`.

    **Raises:** `UserError` if there is none, or the sizes do not add up.

    Source: Graves, "Generating sequences with recurrent neural networks" (2013), section 2.
    """

    cells: tuple[Cell, ...]
    input_size: int | None = eqx.field(static=True)
    output_size: int | None = eqx.field(static=True)

    def __init__(self, *cells: Cell):
        if not cells:
            raise UserError("SkipChain: needs at least one cell, got none")
        size, before, total = cells[0].input_size, 0, 0
        for position, cell in enumerate(cells):
            if size is None or cell.input_size is None or cell.output_size is None:
                raise UserError(
                    f"SkipChain: member {position} ({type(cell).__name__}) must have input and "
                    "output sizes of its own"
                )
            if cell.input_size != size + before:
                raise UserError(
                    f"SkipChain: member {position} ({type(cell).__name__}) takes "
                    f"{cell.input_size} features but the input and the member before it give "
                    f"{size} + {before}"
                )
            before = cell.output_size
            total += before
        self.cells = cells
        self.input_size = size
        self.output_size = total

    def connect(self, member: Callable[[int, Array], Array], x: Array) -> Array:
        """Every layer on the input joined to the layer before; all of their outputs joined."""
        expect_features("SkipChain", x, self.input_size or 0)
        given = [member(0, x)]
        for n in range(1, len(self.cells)):
            given.append(member(n, jnp.concatenate([x, given[-1]], axis=-1)))
        return jnp.concatenate(given, axis=-1)
