"""How a memory is addressed: the equations one by one, and what must always hold."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from reference import ntm as reference

from tapehead.errors import UserError
from tapehead.memory.addressing import (
    SIMILARITIES,
    circular_shift,
    content_weights,
    erase_and_add,
    interpolate,
    read,
    resolve_similarity,
)

SLOTS, WIDTH, HEADS = 5, 4, 2
REFERENCE = {
    "cosine": reference.cosine,
    "dot": reference.dot,
    "negative-squared-distance": reference.negative_squared_distance,
}
rng = np.random.default_rng(0)
MEMORY = rng.normal(size=(3, SLOTS, WIDTH))
KEYS = rng.normal(size=(3, HEADS, WIDTH))
MASK = rng.uniform(size=(3, HEADS, WIDTH))
STRENGTHS = rng.uniform(0, 5, size=(3, HEADS))


def manhattan(memory, keys):
    return -jnp.sum(jnp.abs(memory[..., None, :, :] - keys[..., :, None, :]), axis=-1)


def test_every_similarity_has_a_reference():
    assert set(REFERENCE) == set(SIMILARITIES)


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("name", REFERENCE)
@pytest.mark.parametrize("masked", [False, True])
def test_content_weights_are_the_reference(name, masked):
    mask = MASK if masked else None
    weights = content_weights(MEMORY, KEYS, STRENGTHS, resolve_similarity(name), mask=mask)
    for b in range(3):
        for h in range(HEADS):
            m = MASK[b, h] if masked else np.ones(WIDTH)
            expected = reference.content(
                m * MEMORY[b], m * KEYS[b, h], STRENGTHS[b, h], REFERENCE[name]
            )
            np.testing.assert_allclose(weights[b, h], expected, rtol=1e-10)


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("name", REFERENCE)
def test_a_users_function_sees_what_the_named_one_sees(name):
    named = resolve_similarity(name)
    custom = resolve_similarity(lambda memory, keys: named(memory, keys))
    for mask in (None, MASK):
        np.testing.assert_allclose(
            custom(MEMORY, KEYS, mask=mask), named(MEMORY, KEYS, mask=mask), rtol=1e-10
        )


def test_a_users_module_keeps_its_parameters():
    class Bilinear(eqx.Module):
        weight: jax.Array

        def __call__(self, memory, keys):
            return jnp.einsum("...hv,vw,...nw->...hn", keys, self.weight, memory)

    similarity = resolve_similarity(Bilinear(jnp.eye(WIDTH)))
    memory, keys = jnp.float32(MEMORY), jnp.float32(KEYS)
    np.testing.assert_allclose(
        similarity(memory, keys), SIMILARITIES["dot"](memory, keys), rtol=1e-4, atol=1e-5
    )
    gradient = jax.grad(lambda s: jnp.sum(s(memory, keys) ** 2))(similarity)
    (leaf,) = jax.tree.leaves(gradient)
    assert leaf.shape == (WIDTH, WIDTH)
    assert jnp.any(leaf != 0)
    assert not jax.tree.leaves(resolve_similarity("cosine"))
    assert not jax.tree.leaves(resolve_similarity(manhattan))


@pytest.mark.parametrize("given", ["cosin", 3, None])
def test_an_unknown_similarity_is_refused(given):
    with pytest.raises(UserError, match=r"cosine") as caught:
        resolve_similarity(given)
    assert "\n" not in str(caught.value)


@eqx.filter_jit
def content_and_gradients(similarity, memory, keys, strengths):
    def value(memory, keys, strengths):
        return jnp.sum(content_weights(memory, keys, strengths, similarity)[..., 0])

    weights = content_weights(memory, keys, strengths, similarity)
    return weights, jax.grad(value, (0, 1, 2))(memory, keys, strengths)


@pytest.mark.parametrize("similarity", [*REFERENCE, manhattan])
def test_content_weights_are_finite_at_every_bad_point(similarity):
    similarity = resolve_similarity(similarity)
    rows = jnp.float32(MEMORY[0])
    keys = jnp.float32(KEYS[0])
    for memory in (0 * rows, rows, rows.at[2].set(0), jnp.full_like(rows, 1e-6), 1e4 * rows):
        for key in (0 * keys, keys, keys.at[0].set(0), 1e4 * keys):
            for strength in (0.0, 1.0, 1e4):
                weights, gradients = content_and_gradients(
                    similarity, memory, key, jnp.full(HEADS, strength)
                )
                np.testing.assert_allclose(jnp.sum(weights, axis=-1), 1, rtol=1e-5)
                assert all(jnp.all(jnp.isfinite(g)) for g in gradients)


distributions = arrays(np.float32, SLOTS, elements=st.floats(2**-10, 1, width=32)).map(
    lambda w: w / np.sum(w)
)
JITTED_SHIFT = jax.jit(circular_shift)


@given(
    st.integers(0, SLOTS - 1), st.integers(0, 3), st.integers(0, 6).map(lambda i: i - 3), st.data()
)
def test_a_pure_shift_moves_a_place_exactly_and_around_the_end(place, reach, move, data):
    move = int(np.clip(move, -reach, reach))
    shift = np.eye(2 * reach + 1, dtype=np.float32)[move + reach]
    shifted = JITTED_SHIFT(np.eye(SLOTS, dtype=np.float32)[place], shift)
    np.testing.assert_array_equal(shifted, np.eye(SLOTS)[(place + move) % SLOTS])


@given(distributions, st.integers(0, 4), st.integers(0, 2**16))
def test_a_shift_is_the_reference_and_keeps_a_distribution(weights, reach, seed):
    shift = np.random.default_rng(seed).dirichlet(np.ones(2 * reach + 1)).astype(np.float32)
    shifted = JITTED_SHIFT(weights, shift)
    np.testing.assert_allclose(shifted, reference.circular_shift(weights, shift), atol=1e-6)
    np.testing.assert_allclose(np.sum(shifted), 1, rtol=1e-5)
    assert np.all(shifted >= 0)


def test_an_even_number_of_shifts_is_refused():
    with pytest.raises(UserError, match="odd number of shifts"):
        circular_shift(jnp.ones(SLOTS), jnp.ones(2))


@given(distributions, distributions, st.floats(0, 1, width=32))
def test_interpolation_stays_between_its_ends(content, previous, gate):
    mixed = interpolate(content[None], previous[None], np.float32([gate]))[0]
    np.testing.assert_allclose(mixed, reference.interpolate(content, previous, gate), atol=1e-6)
    assert np.all(mixed >= np.minimum(content, previous) - 1e-6)
    assert np.all(mixed <= np.maximum(content, previous) + 1e-6)


@pytest.mark.usefixtures("x64")
def test_writing_and_reading_are_the_equations_and_heads_have_no_order():
    weights = rng.dirichlet(np.ones(SLOTS), size=(3, HEADS))
    erase, add = rng.uniform(size=(3, HEADS, WIDTH)), rng.normal(size=(3, HEADS, WIDTH))
    written = erase_and_add(MEMORY, weights, erase, add)
    turned = erase_and_add(MEMORY, weights[:, ::-1], erase[:, ::-1], add[:, ::-1])
    np.testing.assert_allclose(written, turned, rtol=1e-12)
    reads = read(written, weights)
    for b in range(3):
        expected = MEMORY[b].copy()
        for i in range(SLOTS):
            for h in range(HEADS):
                expected[i] *= 1 - weights[b, h, i] * erase[b, h]
            for h in range(HEADS):
                expected[i] += weights[b, h, i] * add[b, h]
        np.testing.assert_allclose(written[b], expected, rtol=1e-12)
        for h in range(HEADS):
            mean = sum(weights[b, h, i] * expected[i] for i in range(SLOTS))
            np.testing.assert_allclose(reads[b, h], mean, rtol=1e-12)
