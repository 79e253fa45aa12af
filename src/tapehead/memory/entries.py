"""A few entries of arrays that may have very many: `(lanes, slots, ...)`.

Inside a compiled loop both cost what the entries cost, however many slots there are, as long as
nothing reads the array as it was once it is written.
"""

import jax.numpy as jnp
from jaxtyping import Array, Bool, Int


def at(array: Array, slots: Int[Array, "lanes *entries"]) -> Array:
    """The entries at those slots, `(lanes, *entries, ...)`."""
    lanes = jnp.arange(slots.shape[0]).reshape(-1, *(1,) * (slots.ndim - 1))
    return array.at[lanes, slots].get(mode="clip")


def put(
    array: Array,
    slots: Int[Array, "lanes entries"],
    values: Array,
    mask: Bool[Array, "lanes entries"],
) -> Array:
    """The array with the values where `mask` holds; of these no slot may come twice."""
    return array.at[_places(array, slots, mask)].set(values, mode="drop")


def add(
    array: Array,
    slots: Int[Array, "lanes entries"],
    values: Array,
    mask: Bool[Array, "lanes entries"],
) -> Array:
    """The array with the values added where `mask` holds; several to one slot add up."""
    return array.at[_places(array, slots, mask)].add(values, mode="drop")


def _places(array: Array, slots: Array, mask: Array) -> tuple[Array, Array]:
    """The indices, behind the last slot where `mask` does not hold."""
    return jnp.arange(slots.shape[0])[:, None], jnp.where(mask, slots, array.shape[1])
