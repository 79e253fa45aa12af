"""The order in which slots were touched, beside a list; and entries that name the same slot."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tapehead.errors import UserError
from tapehead.memory.duplicates import find, first_of
from tapehead.memory.recency import least_recent, ring, touch

LANES, ENTRIES = 2, 9
# Fewer slots than entries, and more.
SLOTS = (1, 4, 20)
jitted_touch, jitted_first_of = jax.jit(touch), jax.jit(first_of)


@st.composite
def programs(draw):
    """A number of slots, and for some steps what each lane touches."""
    slots = draw(st.sampled_from(SLOTS))
    entry = st.tuples(st.integers(0, slots - 1), st.booleans())
    step = st.lists(entry, min_size=LANES * ENTRIES, max_size=LANES * ENTRIES)
    return slots, draw(st.lists(step, min_size=1, max_size=8))


def every(slots):
    """Touch them all at once, from the last to the first."""
    return [(max(slots - 1 - entry, 0), True) for entry in range(ENTRIES)] * LANES


@given(programs())
@example((1, [every(1), every(1)]))
@example((4, [every(4), every(4)]))
@example((4, [every(4), [(0, False)] * LANES * ENTRIES, every(4)]))
def test_slots_stand_in_the_order_of_their_last_touch(program):
    slots, steps = program
    expected = [list(range(slots)) for _ in range(LANES)]
    recency = ring(LANES, slots)
    for step in steps:
        named, mask = np.array(step, np.int32).reshape(LANES, ENTRIES, 2).transpose(2, 0, 1)
        for order, *touched in zip(expected, named, mask, strict=True):
            for slot, counts in zip(*touched, strict=True):
                if counts:
                    order.remove(slot)
                    order.append(slot)
        recency = jitted_touch(recency, named, mask.astype(bool))
        after, before = (np.asarray(side) for side in recency)
        for lane, order in enumerate(expected):
            assert followed(after[lane]) == order
            assert followed(before[lane]) == order[::-1]


def followed(side):
    """The slots from the joint round to it."""
    joint, found = len(side) - 1, []
    while (slot := side[found[-1] if found else joint]) != joint:
        found.append(slot)
        assert len(found) <= joint
    return found


def test_the_least_recent_come_oldest_first():
    recency = jitted_touch(
        ring(LANES, 20), jnp.array([range(ENTRIES), range(ENTRIES, 18)]), jnp.ones((2, 9), bool)
    )
    assert least_recent(recency, 3).tolist() == [[9, 10, 11], [0, 1, 2]]
    assert least_recent(recency, 20)[1].tolist() == [*range(9), 18, 19, *range(9, 18)]
    assert least_recent(recency, 0).shape == (2, 0)
    with pytest.raises(UserError, match="count must be between 0 and 20, got 21"):
        least_recent(recency, 21)


def test_what_the_mask_leaves_out_may_be_any_number():
    slots = jnp.array([[-7, 3, 99, 3, 1, 2**31 - 1, -1, 0, 20]] * LANES, jnp.int32)
    mask = jnp.array([[False, True, False, True, True, False, False, False, False]] * LANES)
    recency = jitted_touch(ring(LANES, 20), slots, mask)
    assert least_recent(recency, 20)[0].tolist() == [0, 2, *range(4, 20), 3, 1]


def test_a_scan_changes_the_ring_in_place():
    slots = 1000

    def through(recency, named):
        def step(recency, named):
            oldest = least_recent(recency, 2)
            touched = jnp.concatenate([named, oldest], axis=1)
            return touch(recency, touched, jnp.ones_like(touched, bool)), oldest

        return jax.lax.scan(step, recency, named)

    for lanes in (1, 2):  # compiled differently: a batch axis of length one is taken away
        arguments = ring(lanes, slots), jnp.zeros((3, lanes, ENTRIES), jnp.int32)
        compiled = jax.jit(through, donate_argnums=0).lower(*arguments).compile().as_text()
        copies = [line for line in compiled.splitlines() if " copy(" in line]
        assert not [line for line in copies if f"{slots + 1}]" in line]


@given(
    st.lists(
        st.tuples(st.integers(0, 5), st.booleans()), min_size=2 * ENTRIES, max_size=2 * ENTRIES
    )
)
def test_the_first_mention_of_every_slot_is_found(entries):
    slots, mask = np.array(entries, np.int32).reshape(LANES, ENTRIES, 2).transpose(2, 0, 1)
    is_first, positions = map(np.asarray, jitted_first_of(slots, mask.astype(bool)))
    for lane in range(LANES):
        seen = {}
        for place, (slot, counts) in enumerate(zip(slots[lane], mask[lane], strict=True)):
            first = seen.setdefault(slot, place) if counts else place
            assert positions[lane, place] == first
            assert is_first[lane, place] == (bool(counts) and first == place)


def test_slots_are_found_among_others():
    found = find(jnp.array([4, 7, 1]), jnp.array([1, 4, 4, 1]))
    assert found.tolist() == [1, 4, 0]
