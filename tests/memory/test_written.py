"""The look-up among the rows written so far."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tapehead.memory.lookup import Exact, Written

LANES, WIDTH = 2, 3


@jax.jit
def both(written, rows, keys):
    """What each look-up finds once `written` rows are; in the second lane a third of them.

    −1 where nothing is found.
    """
    slots = jnp.broadcast_to(jnp.arange(rows.shape[1]), rows.shape[:2])
    mask = slots < jnp.stack([written, written // 3])[:, None]
    memory = jnp.where(mask[..., None], rows, 0)
    found = []
    for lookup in (Written(span=8), Exact()):
        index = lookup.update(lookup.empty(*rows.shape), slots, rows, mask)
        places, there = lookup.find(index, memory, keys, 3)
        found.append(jnp.where(there, places, -1))
    return found


@pytest.mark.parametrize("slots", [5, 8, 37])
def test_it_finds_what_the_exact_one_finds(slots):
    """Whole numbers, so that many rows are alike: the order is the same too."""
    rng = np.random.default_rng(slots)
    rows = rng.integers(-1, 2, (LANES, slots, WIDTH)).astype(np.float32)
    keys = rng.integers(-1, 2, (LANES, 4, WIDTH)).astype(np.float32)
    for written in range(slots + 1):
        one, other = both(written, rows, keys)
        np.testing.assert_array_equal(one, other, err_msg=f"{written} written")
        some = np.any(rows[0, :written], axis=1).sum()
        np.testing.assert_array_equal((one[0] >= 0).sum(axis=-1), min(3, some))


def test_it_reads_no_more_than_it_must():
    """A row that the index does not know of, far behind those written, is not come to."""
    lookup = Written(span=8)
    slots, rows = jnp.array([[0, 5]]), jnp.ones((1, 2, WIDTH))
    index = lookup.update(lookup.empty(1, 40, WIDTH), slots, rows, jnp.array([[True, True]]))
    memory = jnp.zeros((1, 40, WIDTH)).at[:, jnp.array([0, 5])].set(1).at[:, 30].set(1)
    found, valid = jax.jit(lookup.find, static_argnums=3)(index, memory, jnp.ones((1, 1, WIDTH)), 2)
    assert found.tolist() == [[[0, 5]]]
    assert valid.all()
