"""Beside: cells that read the same input."""

from collections.abc import Callable

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array

from tapehead.cell import Cell, Composite
from tapehead.errors import UserError


class Beside(Composite):
    """Cells side by side: y_t = [f¹(x_t), ..., fᴺ(x_t)].

    ```python
    pool = Beside(RunningMean(64), RunningMax(64))
    ```

    **Arguments:**

    - `cells`: at least one, all of the same input size.

    **Raises:** `UserError` if there is none, or the sizes differ or are not known.
    """

    cells: tuple[Cell, ...]
    input_size: int | None = eqx.field(static=True)
    output_size: int | None = eqx.field(static=True)

    def __init__(self, *cells: Cell):
        if not cells:
            raise UserError("Beside: needs at least one cell, got none")
        total = 0
        for position, cell in enumerate(cells):
            if cell.input_size is None or cell.output_size is None:
                raise UserError(
                    f"Beside: member {position} ({type(cell).__name__}) must have input and "
                    "output sizes of its own"
                )
            if cell.input_size != cells[0].input_size:
                raise UserError(
                    f"Beside: member {position} ({type(cell).__name__}) takes {cell.input_size} "
                    f"features but member 0 takes {cells[0].input_size}"
                )
            total += cell.output_size
        self.cells = cells
        self.input_size = cells[0].input_size
        self.output_size = total

    def connect(self, member: Callable[[int, Array], Array], x: Array) -> Array:
        """The outputs of all on the same input, joined."""
        return jnp.concatenate([member(n, x) for n in range(len(self.cells))], axis=-1)
