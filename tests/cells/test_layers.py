"""Linear, Embedding, LayerNorm and Dropout."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tapehead.cell import run
from tapehead.cells import Dropout, Embedding, LayerNorm, Linear
from tapehead.errors import UserError

KEY = jax.random.key(0)


def test_linear_is_affine():
    layer = Linear(2, 3, key=KEY)
    x = np.array([[1.0, -2.0]], np.float32)
    np.testing.assert_allclose(layer(x), x @ np.array(layer.weight).T + layer.bias, rtol=1e-6)
    bare = Linear(2, 3, use_bias=False, key=KEY)
    assert bare.bias is None
    np.testing.assert_allclose(bare(x), x @ np.array(bare.weight).T, rtol=1e-6)


def test_embedding_looks_up_rows():
    layer = Embedding(4, 3, key=KEY)
    np.testing.assert_array_equal(layer(jnp.array([[3, 0]])), layer.table[np.array([[3, 0]])])


def test_layer_norm_standardises_then_scales():
    layer = LayerNorm(50)
    y = np.asarray(layer(3 + 7 * jax.random.normal(KEY, (4, 50))))
    np.testing.assert_allclose(y.mean(-1), 0, atol=1e-5)
    np.testing.assert_allclose(y.std(-1), 1, atol=1e-3)
    np.testing.assert_array_equal(layer(jnp.full(50, 2.0)), np.zeros(50))


@pytest.mark.parametrize("per_sequence", [False, True])
def test_dropout_drops_its_share_and_keeps_the_mean(per_sequence):
    layer = Dropout(0.25, per_sequence=per_sequence)
    time = 20
    ys = np.asarray(run(layer, jnp.ones((time, 100, 8)), key=KEY))
    assert set(np.unique(ys)) == {0, np.float32(1 / 0.75)}
    # 800 independent draws a step: five standard deviations around the rate.
    draws = ys[0] if per_sequence else ys
    share = np.mean(draws == 0)
    assert abs(share - 0.25) < 5 * np.sqrt(0.25 * 0.75 / draws.size)
    constant = (ys == ys[0]).all(axis=0).mean()
    assert constant == 1 if per_sequence else constant < 0.05


def test_dropout_masks_differ_between_lanes_and_sequences():
    layer = Dropout(0.5, per_sequence=True)
    state = layer.initial_state((2,), key=KEY)
    starts = jnp.zeros((4, 2), bool).at[2].set(True)
    _, ys = layer.unroll(state, jnp.ones((4, 2, 64)), starts=starts)
    assert (ys[0] == ys[1]).all()
    assert (ys[1] != ys[2]).any()
    assert (ys[0, 0] != ys[0, 1]).any()


def test_dropout_is_off_without_a_key_and_at_rate_zero():
    xs = jax.random.normal(KEY, (3, 5))
    np.testing.assert_array_equal(run(Dropout(0.9), xs), xs)
    np.testing.assert_array_equal(run(Dropout(0.0), xs, key=KEY), xs)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Linear(0, 3, key=KEY), "Linear: input_size must be at least 1, got 0"),
        (lambda: Linear(3, 0, key=KEY), "Linear: output_size must be at least 1, got 0"),
        (lambda: Embedding(0, 3, key=KEY), "Embedding: symbols must be at least 1, got 0"),
        (lambda: LayerNorm(0), "LayerNorm: size must be at least 1, got 0"),
        (lambda: Dropout(1.0), "Dropout: rate must be at least 0 and below 1, got 1.0"),
        (lambda: Dropout(-0.1), "Dropout: rate must be at least 0 and below 1, got -0.1"),
        (lambda: Dropout(float("nan")), "Dropout: rate must be at least 0 and below 1, got nan"),
        (lambda: Linear(2, 3, key=KEY)(jnp.ones(3)), "Linear: expected inputs with 2 features"),
        (lambda: LayerNorm(2)(jnp.ones(())), "LayerNorm: expected inputs with 2 features"),
        (lambda: Embedding(2, 3, key=KEY)(jnp.ones(3)), "Embedding: expected integer tokens"),
    ],
)
def test_mistakes_are_named(make, message):
    with pytest.raises(UserError, match=message):
        make()
