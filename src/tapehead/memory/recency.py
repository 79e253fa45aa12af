"""The order in which slots were last touched, kept in constant time a step.

The slots are the links of a ring: every slot knows the one touched next after it and the one
touched last before it. What is touched is taken out of the ring and put back at its end, so that
a step changes a few entries however many slots there are; inside a compiled scan it does so in
place.

Source: Rae, Hunt et al., "Scaling memory-augmented neural networks with sparse reads and writes"
(2016), section 3.2, where the ring is a circular linked list.
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
            last = jnp.take_along_axis(after, last, axis=-1, mode="promise_in_bounds")
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
    left, right = outlined(jax.vmap(_joins))(recency, slots, last_named)
    return jax.vmap(_joined)(recency, left, right)


def _joined(recency: Recency, left: Array, right: Array) -> Recency:
    """Let each slot of `left` be followed by the one of `right` beside it."""
    return Recency(
        after=recency.after.at[left].set(right, mode="drop"),
        before=recency.before.at[right].set(left, mode="drop"),
    )


def _joins(
    recency: Recency, slots: Int[Array, " entries"], moved: Bool[Array, " entries"]
) -> tuple[Int[Array, " joins"], Int[Array, " joins"]]:
    """Which slots become neighbours when distinct slots move, in one lane.

    The gaps that they leave are closed, and they are strung up before the joint.
    """
    joint, entries = recency.after.shape[0] - 1, slots.shape[0]
    nowhere = joint + 1  # an index that writes drop
    places = jnp.arange(entries, dtype=jnp.int32)
    named = jnp.where(moved, slots, nowhere)
    before = jnp.where(moved, recency.before.at[named].get(mode="clip"), joint)
    after = jnp.where(moved, recency.after.at[named].get(mode="clip"), joint)

    # Where slots that follow each other all move, the last of them closes the gap of all. To find
    # the nearest slot before it that stays, every entry looks twice as far back in every round.
    back = find(before, named)
    back = jnp.where(back < entries, back, places)
    for _ in range((entries - 1).bit_length()):
        back = back[back]
    stays = before[back]
    closes = moved & (find(after, named) == entries)
    at_end = closes & (after == joint)
    inside = closes & (after != joint)
    end = jnp.where(jnp.any(at_end), jnp.sum(jnp.where(at_end, stays, 0)), recency.before[joint])

    # The first one that moves comes after `end`, and the joint after the last one.
    ahead = jnp.arange(-1, entries, dtype=jnp.int32)
    following = jnp.full_like(ahead, joint)
    for place in reversed(range(entries)):
        following = jnp.where(moved[place] & (ahead < place), slots[place], following)
    end = jnp.where(jnp.any(moved), end, nowhere)
    left = jnp.concatenate([jnp.where(inside, stays, nowhere), end[None], named])
    right = jnp.concatenate([after, following])
    return left, jnp.where(left == nowhere, nowhere, right)
