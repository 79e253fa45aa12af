"""A memory with its slots on the last axis, the longer one: `(*batch, width, slots)`.

Loops over the last axis are what a CPU does several numbers at a time. Functions here give the same
as those of `tapehead.memory.addressing` on the memory turned back.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from tapehead.memory.addressing import read


def turned(memory: Float[Array, "*batch rows columns"]) -> Float[Array, "*batch columns rows"]:
    """The memory with slots and width exchanged."""
    return jnp.swapaxes(memory, -1, -2)


@jax.custom_vjp
def outer(
    rows: Float[Array, "*batch heads width"], weights: Float[Array, "*batch heads slots"]
) -> Float[Array, "*batch width slots"]:
    """Σ_h rows_h weights_hᵀ, head by head: XLA's product of two thin matrices is slower."""
    products = [
        rows[..., head, :, None] * weights[..., head, None, :] for head in range(rows.shape[-2])
    ]
    return sum(products[1:], start=products[0])


def _outer_backward(inputs: tuple[Array, Array], of_outer: Array) -> tuple[Array, Array]:
    rows, weights = inputs
    return (
        jnp.einsum("...wn,...hn->...hw", of_outer, weights),
        jnp.einsum("...hw,...wn->...hn", rows, of_outer),
    )


outer.defvjp(lambda rows, weights: (outer(rows, weights), (rows, weights)), _outer_backward)


def write_columns(
    columns: Float[Array, "*batch width slots"],
    weights: Float[Array, "*batch heads slots"],
    erase: Float[Array, "*batch heads width"],
    add: Float[Array, "*batch heads width"],
) -> Float[Array, "*batch width slots"]:
    """`erase_and_add`."""
    for head in range(weights.shape[-2]):
        here = slice(head, head + 1)
        columns = columns * (1 - outer(erase[..., here, :], weights[..., here, :]))
    return columns + outer(add, weights)


def read_columns(
    columns: Float[Array, "*batch width slots"], weights: Float[Array, "*batch heads slots"]
) -> Float[Array, "*batch heads width"]:
    """`read`."""
    return read(turned(columns), weights)
