"""Of all rows of a memory, those that are most like a key."""

from functools import partial

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from tapehead.memory.outline import outlined

BLOCK = 32
"""Slots of which the closest is found first, where there are many: one pass over them then does."""

MANY = 8
"""Blocks from which on that is faster than to go through all slots."""

Found = tuple[Float[Array, "lanes heads count"], Int[Array, "lanes heads count"]]
"""Scores and slots, the largest score first."""


def closest(
    scales: Float[Array, "lanes slots"],
    memory: Float[Array, "lanes slots width"],
    keys: Float[Array, "lanes heads width"],
    count: int,
) -> Found:
    """Of every key the `count` largest products with the rows times their scales, and where.

    Rows with a scale of 0 have a score of −∞. Of equal ones those with the smaller number come
    first.
    """
    # Slots by heads: the product of a long matrix with a narrow one takes less than half the time
    # of that of a narrow one with a long one, for which the memory is turned every time.
    products = outlined(partial(jnp.einsum, "lnw,lhw->lnh"))(memory, keys)
    return largest(scales, products, count)


def largest(
    scales: Float[Array, "lanes slots"], products: Float[Array, "lanes slots heads"], count: int
) -> Found:
    """The `count` largest scores of every head, see `closest`.

    They lie in those blocks whose own largest are largest. So products are only multiplied on the
    way into the maxima, and once more in the few blocks that are chosen.
    """
    blocks = -(-scales.shape[1] // BLOCK)
    if blocks < max(MANY, 2 * count):
        return outlined(partial(_of_all, count=count))(scales, products)
    maxima = outlined(_maxima)(scales, products)
    return outlined(partial(_of_blocks, count=count))(scales, products, maxima)


def _scores(scales: Array, products: Array) -> Array:
    return jnp.where(scales > 0, products * scales, -jnp.inf)


def _of_all(scales: Array, products: Array, count: int) -> Found:
    return jax.lax.top_k(_scores(scales[:, None], jnp.swapaxes(products, 1, 2)), count)


def _in_blocks(scales: Array, products: Array) -> tuple[Array, Array]:
    """`(lanes, blocks, BLOCK)` and the same with the heads behind; slots beyond have scale 0."""
    fill = -scales.shape[1] % BLOCK
    scales = jnp.pad(scales, ((0, 0), (0, fill)))
    products = jnp.pad(products, ((0, 0), (0, fill), (0, 0)))
    lanes, _, heads = products.shape
    return scales.reshape(lanes, -1, BLOCK), products.reshape(lanes, -1, BLOCK, heads)


def _maxima(scales: Array, products: Array) -> Float[Array, "lanes blocks heads"]:
    """The largest score of every block."""
    scales, products = _in_blocks(scales, products)
    best = _scores(scales[:, :, 0, None], products[:, :, 0])
    # One after the other: compilers turn this into one vectorised loop, but not a reduction.
    for place in range(1, BLOCK):
        best = jnp.maximum(best, _scores(scales[:, :, place, None], products[:, :, place]))
    return best


def _of_blocks(scales: Array, products: Array, maxima: Array, count: int) -> Found:
    """The largest scores of all, from those of every block."""
    _, chosen = jax.lax.top_k(jnp.swapaxes(maxima, 1, 2), count)
    # In the order of the slots, so that of equal scores the first is found.
    chosen = jnp.sort(chosen, axis=-1)
    scales, products = _in_blocks(scales, products)
    lanes, heads = (jnp.arange(size, dtype=jnp.int32) for size in chosen.shape[:2])
    lanes, heads = lanes[:, None, None], heads[:, None]
    candidates = _scores(scales[lanes, chosen], products[lanes, chosen, :, heads])
    best, found = jax.lax.top_k(candidates.reshape(*chosen.shape[:-1], -1), count)
    block = jnp.take_along_axis(chosen, found // BLOCK, axis=-1)
    return best, block * BLOCK + found % BLOCK
