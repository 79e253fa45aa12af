"""Which of a few entries name the same slot."""

import jax.numpy as jnp
from jaxtyping import Array, Bool, Int


def find(
    slots: Int[Array, "*lanes entries"], others: Int[Array, "*lanes others"]
) -> Int[Array, "*lanes entries"]:
    """Where each of the slots stands first among the others; their number if it is not there.

    All pairs are compared, which for a few dozen takes less time than sorting them.
    """
    count = others.shape[-1]
    places = jnp.full_like(slots, count)
    # One after the other: compilers turn this into one vectorised loop, but not a reduction over
    # a matrix of pairs.
    for place in reversed(range(count)):
        places = jnp.where(slots == others[..., place, None], place, places)
    return places


def first_of(
    slots: Int[Array, "lanes entries"], mask: Bool[Array, "lanes entries"]
) -> tuple[Bool[Array, "lanes entries"], Int[Array, "lanes entries"]]:
    """Which entries are the first to name their slot, and where each entry's slot is first named.

    Slots are not negative. Of the entries that `mask` leaves out none is a first, and their
    position is their own.
    """
    places = jnp.arange(slots.shape[-1], dtype=jnp.int32)
    first = find(slots, jnp.where(mask, slots, -1))
    return mask & (first == places), jnp.where(mask, first, places)
