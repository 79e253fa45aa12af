"""The order of writing in a DNC: links, precedence, and their sparse form; and allocation."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from reference import dnc as reference

from tapehead.memory.links import drop_small, follow, keep_largest, next_link, next_precedence
from tapehead.memory.usage import allocations, next_usage, retention
from tapehead.numerics import allocation

SLOTS = 6

jitted_allocation = jax.jit(allocation)
jitted_slope = jax.jit(jax.grad(lambda u, along: jnp.sum(along * allocation(u))))
# The edges and the middle as points of their own, so that slots are often used alike.
usages = arrays(
    np.float64,
    SLOTS,
    elements=st.sampled_from([0.0, 0.5, 1.0]) | st.floats(0, 1, allow_subnormal=False),
)


@given(usages)
@example(np.zeros(SLOTS))
@example(np.ones(SLOTS))
@example(np.full(SLOTS, 0.5))
@example(np.array([0, 1, 0, 1, 0.3, 0.3]))
def test_allocation_is_the_sorted_one(usage):
    with jax.enable_x64(True):
        a = np.asarray(jitted_allocation(usage))
    free = reference.free_list(usage)
    np.testing.assert_allclose(a, reference.allocation(usage, free), rtol=1e-9, atol=1e-15)
    exact = reference.allocation(usage, free, epsilon=0)
    np.testing.assert_allclose(a, exact, atol=SLOTS * reference.EPSILON)


@given(usages, st.integers(0, 2**32 - 1))
@example(np.zeros(SLOTS), 0)
@example(np.ones(SLOTS), 0)
@example(np.array([0, 1, 0, 1, 0.3, 0.3]), 0)
def test_the_gradient_of_allocation_leaves_the_order_as_it_is(usage, seed):
    rng = np.random.default_rng(seed)
    along, direction = rng.normal(size=(2, SLOTS))
    free = reference.free_list(usage)

    def value(step):
        return np.sum(along * reference.allocation(usage + step * direction, free))

    with jax.enable_x64(True):
        slope = np.sum(np.asarray(jitted_slope(usage, along)) * direction)
    # The allocation is a polynomial, so that a wide step does no harm.
    np.testing.assert_allclose(slope, (value(1e-5) - value(-1e-5)) / 2e-5, rtol=1e-6, atol=1e-7)


@given(usages)
@example(np.zeros(SLOTS))
@example(np.ones(SLOTS))
def test_allocation_prefers_the_least_used_slot(usage):
    usage = usage.astype(np.float32)
    usage[usage < np.finfo(np.float32).tiny] = 0
    a = np.asarray(jitted_allocation(usage))
    assert np.all(a >= 0)
    assert np.sum(a) <= 1 + 1e-6
    assert a[np.argmin(usage)] == np.max(a)
    assert np.isfinite(jitted_slope(usage, np.arange(SLOTS, dtype=np.float32))).all()


def test_later_write_heads_leave_earlier_ones_their_slots():
    usage = jnp.array([0.9, 0.0, 0.8, 0.1])
    first, second, third = allocations(usage, jnp.array([1.0, 0.0, 1.0]))
    assert np.argmax(first) == 1
    # The first head takes slot 1 altogether; the second writes nothing, so the third shares its.
    assert np.argmax(second) == np.argmax(third) == 3
    np.testing.assert_allclose(second, third)
    assert second[1] < 1e-5


def test_usage_and_retention():
    retained = retention(jnp.eye(3)[:2], jnp.array([1.0, 0.25]))
    np.testing.assert_allclose(retained, [0, 0.75, 1])
    written = jnp.array([[1.0, 0.5, 0], [0, 0.5, 0]])
    usage = next_usage(jnp.array([0.5, 0.0, 0.4]), written, retained)
    np.testing.assert_allclose(usage, [0, 0.75 * 0.75, 0.4])


def test_links_lead_along_the_order_of_writing():
    order, slots = [3, 0, 2], jnp.eye(4)
    link, precedence = jnp.zeros((1, 4, 4)), jnp.zeros((1, 4))
    for slot in order:
        link = next_link(link, precedence, slots[None, slot])
        precedence = next_precedence(precedence, slots[None, slot])
    np.testing.assert_array_equal(precedence[0], slots[2])
    forward, backward = follow(link, slots)
    nowhere = np.zeros(4)
    for slot, after, before in (
        (3, slots[0], nowhere),
        (0, slots[2], slots[3]),
        (2, nowhere, slots[0]),
        (1, nowhere, nowhere),
    ):
        np.testing.assert_array_equal(forward[slot, 0], after)
        np.testing.assert_array_equal(backward[slot, 0], before)
    # Written anew, slot 3 no longer comes before slot 0 but after slot 2.
    link = next_link(link, precedence, slots[None, 3])
    forward, _ = follow(link, slots)
    np.testing.assert_array_equal(forward[3, 0], nowhere)
    np.testing.assert_array_equal(forward[2, 0], slots[3])


@jax.jit
def linked(weights):
    """All links and precedences along a sequence of writes, from nothing."""

    def step(carry, w):
        link, precedence = carry
        link = next_link(link, precedence, w)
        precedence = next_precedence(precedence, w)
        return (link, precedence), (link, precedence)

    start = jnp.zeros((SLOTS, SLOTS)), jnp.zeros(SLOTS)
    start = jax.tree.map(lambda a: a[None].astype(weights.dtype), start)
    return jax.lax.scan(step, start, weights[:, None])[1]


def weightings(seed, count, scale):
    """Weightings that sum to at most 1; with a large scale they are nearly one-hot."""
    rng = np.random.default_rng(seed)
    logits = scale * rng.normal(size=(count, SLOTS))
    w = np.exp(logits - np.max(logits, axis=-1, keepdims=True))
    w /= np.sum(w, axis=-1, keepdims=True)
    gates = rng.choice([0, 1, rng.uniform()], size=(count, 1))
    return (gates * w).astype(np.float32)


@given(st.integers(0, 2**32 - 1), st.floats(0, 100))
def test_rows_and_columns_of_the_links_sum_to_at_most_one(seed, scale):
    links, precedences = linked(weightings(seed, 6, scale))
    links, precedences = np.asarray(links[:, 0]), np.asarray(precedences[:, 0])
    assert np.min(links) >= -1e-6
    assert np.all(np.diagonal(links, axis1=-2, axis2=-1) == 0)
    assert np.max(np.sum(links, axis=-1)) <= 1 + 1e-5
    assert np.max(np.sum(links, axis=-2)) <= 1 + 1e-5
    assert np.min(precedences) >= -1e-6
    assert np.max(np.sum(precedences, axis=-1)) <= 1 + 1e-5


jitted_keep = jax.jit(keep_largest, static_argnums=1)


@given(
    arrays(
        np.float32,
        (2, SLOTS),
        elements=st.sampled_from([0.0, 0.125]) | st.floats(0, 1, width=32, allow_subnormal=False),
    ),
    st.sampled_from([1, 2, SLOTS]),
)
@example(np.full((2, SLOTS), 0.125, np.float32), 2)
@example(np.zeros((2, SLOTS), np.float32), 2)
def test_keep_largest(weights, entries):
    kept = np.asarray(jitted_keep(weights, entries))
    for w, k in zip(weights, kept, strict=True):
        assert np.count_nonzero(k) <= entries
        np.testing.assert_allclose(k, reference.keep_largest(w.astype(float), entries), rtol=1e-5)
        np.testing.assert_allclose(np.sum(k), np.sum(w), rtol=1e-5, atol=1e-11)
    if entries == SLOTS:
        np.testing.assert_allclose(kept, weights, rtol=1e-6)


@pytest.mark.parametrize("scale", [0, 1e-40, 1e-30, 1e-20, 1e-11, 1])
def test_keep_largest_has_a_finite_gradient_however_little_is_written(scale):
    weights = (scale * np.array([0.4, 0.1, 0.2, 0.3])).astype(np.float32)
    gradient = jax.grad(lambda w: jnp.sum(jnp.arange(4.0) * keep_largest(w, 2)))(weights)
    assert np.isfinite(gradient).all()


@pytest.mark.parametrize("entries", [1, 2, 4])
def test_drop_small(entries):
    link = np.random.default_rng(entries).uniform(size=(3, 5, 5)).astype(np.float32)
    link[0, 0, 1] = 1 / entries
    dropped = np.asarray(drop_small(jnp.asarray(link), entries))
    np.testing.assert_array_equal(dropped, np.where(link < 1 / entries, 0, link))
    assert dropped[0, 0, 1] == link[0, 0, 1]
