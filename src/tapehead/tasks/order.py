"""`shuffled`: a random order that is computed an entry at a time."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Int, PRNGKeyArray, UInt32

ROUNDS = 8


def _mixed(x: UInt32[Array, "*shape"]) -> UInt32[Array, "*shape"]:
    """The finaliser of MurmurHash3: every bit of the result depends on every bit of `x`."""
    x = (x ^ (x >> 16)) * jnp.uint32(0x85EBCA6B)
    x = (x ^ (x >> 13)) * jnp.uint32(0xC2B2AE35)
    return x ^ (x >> 16)


def shuffled(
    key: PRNGKeyArray,
    positions: Int[Array, "*shape"],
    size: int | Int[Array, ""],
    room: int | None = None,
) -> Int[Array, "*shape"]:
    """What stands at `positions` when `range(size)` is put into the random order that `key` gives.

    The order is a permutation: different positions hold different numbers. Nothing of length
    `size` is stored or sorted; an entry costs the same whatever the size. It is a Feistel network
    of 8 rounds over the next power of four, repeated where it leaves the range.

    **Arguments:**

    - `key`: decides the order.
    - `positions`: in `[0, size)`.
    - `size`: at least 1, below 2³¹. It may be traced where `room` is given.
    - `room`: what `size` does not exceed, if that alone is known when this is compiled; the order
        depends on it. An entry costs more the further `size` is below it.

    Source: Black and Rogaway, "Ciphers with arbitrary finite domains" (2002), method 2.

    >>> import jax
    >>> order = shuffled(jax.random.key(0), jax.numpy.arange(10), 10)
    >>> sorted(order.tolist())
    [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]
    """
    most = int(size) if room is None else room
    half = max(1, ((most - 1).bit_length() + 1) // 2)
    size = jnp.asarray(size, jnp.uint32)
    low = jnp.uint32(2**half - 1)
    salts = jax.random.bits(key, (ROUNDS,), jnp.uint32)

    def permuted(x: Array) -> Array:
        left, right = x >> half, x & low
        for salt in salts:
            left, right = right, left ^ (_mixed(right ^ salt) & low)
        return (left << half) | right

    found = jax.lax.while_loop(
        lambda x: jnp.any(x >= size),
        lambda x: jnp.where(x >= size, permuted(x), x),
        permuted(positions.astype(jnp.uint32)),
    )
    return found.astype(jnp.int32)
