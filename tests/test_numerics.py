"""The guarded primitives: values, and finite gradients at every bad point."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from reference import ntm as reference

from tapehead.numerics import cosine_similarity, norm, oneplus, sharpen

SLOTS, WIDTH, HEADS = 5, 4, 2


def finite(tree):
    return all(bool(jnp.all(jnp.isfinite(leaf))) for leaf in jax.tree.leaves(tree))


def test_oneplus_is_one_plus_softplus_without_overflow():
    x = jnp.array([-1e4, -2.0, 0.0, 2.0, 1e4])
    expected = [1, 1 + np.log1p(np.exp(-2)), 1 + np.log(2), 1 + np.log1p(np.exp(2)), 1e4 + 1]
    np.testing.assert_allclose(oneplus(x), expected, rtol=1e-6)
    assert finite(jax.vmap(jax.grad(oneplus))(x))


@pytest.mark.parametrize("scale", [0.0, 1e-3, 1.0, 1e18, 1e30])
def test_norm_is_finite_where_its_square_is_not(scale):
    x = scale * jnp.array([3.0, -4.0, 12.0])
    np.testing.assert_allclose(norm(x), scale * 13, rtol=1e-6)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_norm_of_what_is_not_finite_is_not(bad):
    assert not np.isfinite(norm(jnp.array([1.0, bad, 2.0])))


@jax.jit
def cosine_and_gradients(memory, keys, mask, tangent):
    def value(memory, keys, mask):
        return jnp.sum(tangent * cosine_similarity(memory, keys, mask=mask))

    plain = cosine_similarity(memory, keys)
    masked = cosine_similarity(memory, keys, mask=mask)
    return plain, masked, jax.grad(value, (0, 1, 2))(memory, keys, mask)


numbers = st.floats(-10, 10, width=32)


@given(
    arrays(np.float32, (SLOTS, WIDTH), elements=numbers),
    arrays(np.float32, (HEADS, WIDTH), elements=numbers),
    arrays(np.float32, (HEADS, WIDTH), elements=st.floats(0, 1, width=32)),
)
def test_cosine_is_the_reference_plain_and_masked(memory, keys, mask):
    plain, masked, _ = cosine_and_gradients(memory, keys, mask, np.ones((HEADS, SLOTS), "f4"))
    for h in range(HEADS):
        for i in range(SLOTS):
            expected = reference.cosine(keys[h].astype(float), memory[i].astype(float))
            np.testing.assert_allclose(plain[h, i], expected, atol=1e-5)
            m = mask[h].astype(float)
            np.testing.assert_allclose(
                masked[h, i], reference.cosine(m * keys[h], m * memory[i]), atol=1e-5
            )
    assert np.all(np.abs(plain) <= 1 + 1e-6)


@pytest.mark.parametrize("memory", [0, 1e-6, 1, 1e4])
@pytest.mark.parametrize("keys", [0, 1, 1e4])
@pytest.mark.parametrize("mask", [0, 0.5, 1])
def test_cosine_has_finite_gradients_at_every_scale(memory, keys, mask):
    full = np.float32([[1, -1, 1, 1], [1, 1, 1, 1], [-1, 0, 0, 0], [0, 0, 0, 0], [1, 2, 3, 4]])
    plain, masked, gradients = cosine_and_gradients(
        np.float32(memory) * full,
        np.full((HEADS, WIDTH), keys, np.float32),
        np.full((HEADS, WIDTH), mask, np.float32),
        np.ones((HEADS, SLOTS), np.float32),
    )
    assert finite((plain, masked, gradients))


@pytest.mark.usefixtures("x64")
def test_cosine_has_the_gradient_of_its_equation():
    rng = np.random.default_rng(0)
    memory, keys = rng.normal(size=(3, SLOTS, WIDTH)), rng.normal(size=(3, HEADS, WIDTH))
    mask, tangent = rng.uniform(size=(3, HEADS, WIDTH)), rng.normal(size=(3, HEADS, SLOTS))
    *_, gradients = cosine_and_gradients(memory, keys, mask, tangent)
    arguments = [memory, keys, mask]

    def value(memory, keys, mask):
        return sum(
            tangent[b, h, i] * reference.cosine(mask[b, h] * keys[b, h], mask[b, h] * memory[b, i])
            for b in range(3)
            for h in range(HEADS)
            for i in range(SLOTS)
        )

    for position, gradient in enumerate(gradients):
        direction = rng.normal(size=gradient.shape)

        def along(step, position=position, direction=direction):
            moved = list(arguments)
            moved[position] = moved[position] + step * direction
            return value(*moved)

        slope = (along(1e-6) - along(-1e-6)) / 2e-6
        np.testing.assert_allclose(np.sum(gradient * direction), slope, rtol=1e-6, atol=1e-8)


@jax.jit
def sharpen_and_gradients(weights, exponent, tangent):
    gradients = jax.grad(lambda w, e: jnp.sum(tangent * sharpen(w, e)), (0, 1))
    return sharpen(weights, exponent), gradients(weights, exponent)


TANGENT = np.float32([1, -2, 3, 0.5, -1])


@given(
    arrays(np.float32, SLOTS, elements=st.floats(0, 1, width=32)),
    st.floats(1, 1e4, width=32),
)
def test_sharpen_gives_a_distribution_with_the_same_peak(weights, exponent):
    sharp, gradients = sharpen_and_gradients(weights, jnp.float32(exponent), TANGENT)
    assert finite(gradients)
    assert np.all(sharp >= 0)
    if np.max(weights) >= 1e-8:
        np.testing.assert_allclose(np.sum(sharp), 1, rtol=1e-6)
        assert sharp[np.argmax(weights)] == np.max(sharp)
        total = np.sum(weights)
        assert np.max(sharp) >= np.max(weights) / total - 1e-5
    else:
        assert np.sum(sharp) <= 1 + 1e-6


@pytest.mark.parametrize("exponent", [1.0, 1.5, 50.0, 1e4])
@pytest.mark.parametrize(
    "weights",
    [[0, 0, 0, 0, 0], [0, 0, 1, 0, 0], [0, 0.5, 0.5, 0, 0], [1e-40] * 5, [1e-20] * 5, [0.2] * 5],
)
def test_sharpen_is_finite_where_weights_vanish(weights, exponent):
    sharp, gradients = sharpen_and_gradients(
        jnp.array(weights, jnp.float32), jnp.float32(exponent), TANGENT
    )
    assert finite((sharp, gradients))
    if not any(weights):
        assert not np.any(sharp)


def test_sharpen_forgives_what_rounding_left_below_zero():
    sharp, gradients = sharpen_and_gradients(
        np.float32([-1e-9, 0.25, 0.75, 0, 0]), jnp.float32(1.5), TANGENT
    )
    np.testing.assert_allclose(sharp, reference.sharpen(np.array([0, 0.25, 0.75, 0, 0]), 1.5))
    assert finite(gradients)


@pytest.mark.usefixtures("x64")
def test_sharpen_has_the_value_and_gradient_of_its_equation():
    rng = np.random.default_rng(0)
    weights, exponent, step = rng.uniform(0.01, 1, SLOTS), 2.5, 1e-6
    tangent = rng.normal(size=SLOTS)
    sharp, (by_weight, by_exponent) = sharpen_and_gradients(weights, jnp.float64(exponent), tangent)
    np.testing.assert_allclose(sharp, reference.sharpen(weights, exponent), rtol=1e-12)

    def value(weights, exponent):
        return np.sum(tangent * reference.sharpen(weights, exponent))

    for i, unit in enumerate(np.eye(SLOTS)):
        slope = value(weights + step * unit, exponent) - value(weights - step * unit, exponent)
        np.testing.assert_allclose(by_weight[i], slope / (2 * step), rtol=1e-6, atol=1e-9)
    slope = value(weights, exponent + step) - value(weights, exponent - step)
    np.testing.assert_allclose(by_exponent, slope / (2 * step), rtol=1e-6, atol=1e-9)
