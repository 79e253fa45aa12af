"""Of a few candidates, the rows of a memory that are most like a key."""

from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from tapehead.memory.outline import outlined
from tapehead.numerics import COSINE_EPSILON

LINE = 16
"""How many float32 numbers come into the processor's cache at once."""


def nearest(
    memory: Float[Array, "lanes slots width"],
    keys: Float[Array, "lanes heads width"],
    candidates: Int[Array, "lanes heads found"],
    valid: Bool[Array, "lanes heads found"],
    count: int,
) -> tuple[Int[Array, "lanes heads count"], Bool[Array, "lanes heads count"]]:
    """The slots of the `count` rows with the largest cosine, and whether there are so many.

    A slot may be among the candidates several times and is chosen once. Where there
    are fewer, the slot is 0. Cosines are as in `tapehead.numerics.cosine_similarity`.
    """
    candidates = jnp.where(valid, candidates, 0)
    # Rows lie far apart in memory: the fewer instructions lie between the first looks at each,
    # the more of them are under way at once. So one number of every line is read first.
    columns = range(memory.shape[-1])
    ahead = outlined(_sums(columns[::LINE]))(memory, keys, candidates)
    rest = [column for column in columns if column % LINE]

    def score(memory: Array, products: Array, squares: Array) -> Array:
        more, longer = _sums(rest)(memory, keys, candidates)
        lengths = jax.lax.rsqrt(squares + longer + COSINE_EPSILON)
        return jnp.where(valid, (products + more) * lengths, -jnp.inf)

    scores = outlined(score)(memory, *ahead)
    chosen, found = [], []
    for _ in range(count):
        best = outlined(_largest)(scores)
        slot = outlined(_largest)(jnp.where(scores == best, candidates, 0))
        scores = jnp.where(candidates == slot, -jnp.inf, scores)
        found.append(best > -jnp.inf)
        chosen.append(jnp.where(found[-1], slot, 0))
    return jnp.concatenate(chosen, axis=-1), jnp.concatenate(found, axis=-1)


def _sums(columns: Sequence[int]) -> Callable[[Array, Array, Array], tuple[Array, Array]]:
    """The parts of k·M_i and |M_i|² in those columns."""

    def sums(memory: Array, keys: Array, slots: Array) -> tuple[Array, Array]:
        products = squares = jnp.zeros(slots.shape, memory.dtype)
        for column in columns:
            values = jax.vmap(lambda rows, slots, column=column: rows[slots, column])(memory, slots)
            products = products + values * keys[:, :, column, None]
            squares = squares + values**2
        return products, squares

    return sums


def _largest(values: Array) -> Array:
    """The maximum over the last axis; by halves, which vectorises."""
    while (size := values.shape[-1]) > 1:
        half = (size + 1) // 2
        values = jnp.maximum(values[..., :half], values[..., size - half :])
    return values
