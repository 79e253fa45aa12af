"""The unroll of DNC and NTM beside a plain scan of their steps."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tapehead.cell import scan
from tapehead.memory import DNC, NTM
from tapehead.memory.replay import segment_length

BATCH, INPUTS, OUTPUTS = 3, 2, 3
VARIANTS = {
    "the DNC paper's": {"make": DNC},
    "the NTM paper's": {"make": NTM, "controller": "feedforward"},
    "an NTM of several heads": {
        "make": NTM,
        "read_heads": 2,
        "write_heads": 3,
        "shift_range": 2,
        "similarity": "negative-squared-distance",
        "learned_reads": True,
    },
    "a DNC of everything": {
        "make": DNC,
        "read_heads": 2,
        "write_heads": 2,
        "controller": "gru",
        "controller_layers": 2,
        "key_masking": True,
        "erase_on_deallocation": True,
        "sharpen_links": True,
        "interface_norm": True,
        "links": "sparse",
        "link_entries": 3,
    },
}


def network(variant: str):
    settings = dict(VARIANTS[variant])
    make = settings.pop("make")
    model = make(
        INPUTS, OUTPUTS, slots=5, width=4, controller_size=6, **settings, key=jax.random.key(1)
    )
    # Larger weights, so that gates close and look-ups point.
    return jax.tree.map(
        lambda leaf: 2 * leaf.astype(jnp.float64) if eqx.is_inexact_array(leaf) else leaf, model
    )


def value_and_gradients(unroll, masked):
    """A compiled function of the model and the inputs: outputs, and gradients by both."""

    @jax.jit
    def evaluate(model, xs, mask):
        def loss(model, xs):
            state = model.initial_state(xs.shape[1:-1])
            state, ys = unroll(model, state, xs, mask=mask if masked else None)
            leaves = jax.tree.leaves(eqx.filter(state, eqx.is_inexact_array))
            return jnp.sum(jnp.cos(ys)) + sum(jnp.sum(jnp.sin(leaf)) for leaf in leaves), ys

        gradients, ys = jax.grad(loss, argnums=(0, 1), has_aux=True)(model, xs)
        return ys, gradients

    return evaluate


def unrolled(model, state, xs, *, mask):
    return model.unroll(state, xs, mask=mask)


@pytest.mark.parametrize(
    ("variant", "masked"),
    [
        pytest.param("the DNC paper's", False, marks=pytest.mark.slow),
        ("a DNC of everything", True),
        pytest.param("the NTM paper's", False, marks=pytest.mark.slow),
        ("an NTM of several heads", True),
    ],
)
def test_the_unroll_is_the_scan_with_its_gradients(x64, variant, masked):
    steps = 7
    assert steps % segment_length(steps), "the last segment is to be filled up"
    rng = np.random.default_rng(0)
    model = network(variant)
    xs = jnp.asarray(rng.normal(size=(steps, BATCH, INPUTS)))
    mask = jnp.asarray(rng.uniform(size=(steps, BATCH)) < 0.7)
    expected = value_and_gradients(scan, masked)(model, xs, mask)
    if masked:
        # Padding may hold anything.
        xs = jnp.where(mask[..., None], xs, jnp.nan)
    found = value_and_gradients(unrolled, masked)(model, xs, mask)
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-11)


@pytest.mark.slow
def test_a_gradient_that_explodes_stays_finite():
    """Weights spread evenly and sharpened 70 times: their gradient would reach 7⁷⁰."""
    slots, steps = 5, 70
    model = NTM(INPUTS, OUTPUTS, slots=slots, width=4, controller_size=6, key=jax.random.key(1))
    # No look-up, no shift, and as sharp as 1 + log(1 + e⁶).
    keys = 2 * 4 + 2
    bias = jnp.zeros(model.interface.bias.shape).at[keys : keys + 2].set(-40)
    bias = bias.at[keys + 2 : keys + 8].set(jnp.tile(jnp.array([-40.0, 0, -40]), 2))
    bias = bias.at[keys + 8 : keys + 10].set(6)
    model = eqx.tree_at(lambda m: m.interface.bias, model, bias)
    model = eqx.tree_at(lambda m: m.interface.weight, model, 0 * model.interface.weight)
    state = model.initial_state((1,))
    rows = jax.random.normal(jax.random.key(2), state.memory.memory.shape)
    even = jnp.full(state.memory.read_weights.shape, 1 / slots)
    memory = state.memory._replace(memory=rows, read_weights=even)

    def loss(memory, unroll):
        xs = jnp.zeros((steps, 1, INPUTS))
        _, ys = unroll(model, state._replace(memory=memory), xs, mask=None)
        return jnp.sum(jnp.sin(ys))

    plain, bounded = (jax.grad(loss)(memory, unroll) for unroll in (scan, unrolled))
    assert not all(np.isfinite(x).all() for x in jax.tree.leaves(plain))
    assert all(np.isfinite(x).all() for x in jax.tree.leaves(bounded))
    assert 1e10 < np.abs(bounded.read_weights).max() < 1e16


def test_segments_keep_few_memories():
    for steps in (1, 2, 7, 50, 101, 997):
        length = segment_length(steps)
        assert 1 <= length <= steps
        assert -(-steps // length) + length <= 2 * steps**0.5 + 4
