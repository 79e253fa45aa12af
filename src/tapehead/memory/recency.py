"""The order in which slots were last touched, kept in constant time a step.

The slots are the links of a ring: every slot knows the one touched next after it and the one
touched last before it. What is touched is taken out of the ring and put back at its end, so that
a step changes a few entries however many slots there are; inside a compiled scan it does so in
place.

Source: Rae, Hunt et al., "Scaling memory-augmented neural networks with sparse reads and writes"
(2016), where the ring is a circular linked list.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Int

from tapehead.errors import within
from tapehead.memory.duplicates import find, first_of
from tapehead.memory.outline import outlined


class Recency(NamedTuple):
    """The slots from the least to the most recently touched, as a ring with a joint.

    The joint is entry N, behind the N slots; it lies between the most and the least recent one.
    """

    after: Int[Array, "lanes slots+1"]
    """The slot touched next after each one; of the joint, the least recently touched slot."""
    before: Int[Array, "lanes slots+1"]
    """The slot touched last before each one; of the joint, the most recently touched slot."""


def ring(lanes: int, slots: int) -> Recency:
    """Slots never touched: slot 0 counts as the least recent, then slot 1, and so on."""
    joined = jnp.arange(slots + 1, dtype=jnp.int32)
    after, before = jnp.roll(joined, -1), jnp.roll(joined, 1)
    shape = (lanes, slots + 1)
    return Recency(jnp.broadcast_to(after, shape), jnp.broadcast_to(before, shape))


def least_recent(recency: Recency, count: int) -> Int[Array, "lanes count"]:
    """The `count` least recently touched slots, oldest first.

    **Raises:** `UserError` if there are not so many slots.
    """
    within("least_recent", 0, recency.after.shape[-1] - 1, count=count)

    def walk(after: Array) -> Array:
        last, found = jnp.full_like(after[:, :1], after.shape[-1] - 1), []
        for _ in range(count):
            last = _at(after, last)
            found.append(last)
        return jnp.concatenate([last[:, :0], *found], axis=-1)

    # Were it computed again where it is used, the ring could not be changed in place meanwhile.
    return outlined(walk)(recency.after)


def touch(
    recency: Recency,
    slots: Int[Array, "lanes entries"],
    mask: Bool[Array, "lanes entries"],
) -> Recency:
    """Make the masked slots the most recent ones, in the order of the entries.

    A slot that is named several times counts where it is named last. Slots lie in [0, N); those
    of the entries that `mask` leaves out may be anything.
    """
    last_named = first_of(slots[:, ::-1], mask[:, ::-1])[0][:, ::-1]
    # Everything is read before anything is written: only then are the arrays changed in place.
    left, right = outlined(_joins)(recency, slots, last_named)
    return jax.vmap(_joined)(recency, left, right)


def _joined(recency: Recency, left: Array, right: Array) -> Recency:
    """Let each slot of `left` be followed by the one of `right` beside it."""
    return Recency(
        after=recency.after.at[left].set(right, mode="drop"),
        before=recency.before.at[right].set(left, mode="drop"),
    )


def _joins(
    recency: Recency, slots: Int[Array, "lanes entries"], moved: Bool[Array, "lanes entries"]
) -> tuple[Int[Array, "lanes joins"], Int[Array, "lanes joins"]]:
    """Which slots become neighbours when distinct slots move.

    The gaps that they leave are closed, and they are strung up before the joint.
    """
    joint, entries = recency.after.shape[1] - 1, slots.shape[1]
    nowhere = joint + 1  # an index that writes drop
    named = jnp.where(moved, slots, nowhere)
    before = jnp.where(moved, _at(recency.before, named), joint)
    after = jnp.where(moved, _at(recency.after, named), joint)

    # Where slots that follow each other all move, the last of them closes the gap of all.
    stays = _staying(before, named)
    closes = moved & (find(after, named) == entries)
    at_end = closes & (after == joint)
    last = jnp.sum(jnp.where(at_end, stays, 0), axis=1, dtype=jnp.int32)
    last = jnp.where(jnp.any(at_end, axis=1), last, recency.before[:, joint])

    # The first one that moves comes after `last`, and the joint after the last one that moves.
    places = jnp.arange(-1, entries, dtype=jnp.int32)
    following = jnp.full_like(after, joint, shape=(len(slots), entries + 1))
    for place in reversed(range(entries)):
        later = moved[:, place, None] & (places < place)
        following = jnp.where(later, slots[:, place, None], following)
    last = jnp.where(jnp.any(moved, axis=1), last, nowhere)
    left = jnp.concatenate(
        [jnp.where(closes & ~at_end, stays, nowhere), last[:, None], named], axis=1
    )
    right = jnp.concatenate([after, following], axis=1)
    return left, jnp.where(left == nowhere, nowhere, right)


def _staying(
    before: Int[Array, "lanes entries"], named: Int[Array, "lanes entries"]
) -> Int[Array, "lanes entries"]:
    """The nearest slot before each entry that is not named itself.

    Every entry looks twice as far back in every round, so that few are needed.
    """
    entries = named.shape[1]
    # Outlined, or the comparisons would be made again for every look.
    back = outlined(find)(before, named)
    back = jnp.where(back < entries, back, jnp.arange(entries, dtype=jnp.int32))
    for _ in range((entries - 1).bit_length()):
        back = _at(back, back)
    return _at(before, back)


def _at(values: Int[Array, "lanes n"], places: Int[Array, "lanes m"]) -> Int[Array, "lanes m"]:
    return jnp.take_along_axis(values, places, axis=1, mode="clip")
