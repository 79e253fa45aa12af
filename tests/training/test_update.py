import dataclasses
import functools

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from small_runs import small_config

from tapehead.cells import Linear
from tapehead.learning import BPTT, TruncatedBPTT, sequence_gradient
from tapehead.models import MODELS
from tapehead.tasks.task import Turn
from tapehead.training.storage import named_leaves
from tapehead.training.update import Updater, as_vector, clip, draw, gradient

CONFIG = small_config()
KEY = jax.random.key(5)


@pytest.fixture(scope="module")
def model():
    return CONFIG.model.build(2, 1, key=jax.random.key(0))


def turn(key):
    return Turn(jnp.int32(0), key, key)


def weights_of(model):
    return {n: np.asarray(w) for n, w in named_leaves(eqx.filter(model, eqx.is_array)).items()}


def gradient_of(model, key=KEY, **changes):
    config = dataclasses.replace(CONFIG, **changes)
    found = eqx.filter_jit(lambda model, key: gradient(config, config.task, model, turn(key), ()))(
        model, key
    )
    _, model_at = as_vector(model)
    return weights_of(model_at(found.vector)), found.metrics


@pytest.fixture(scope="module")
def plain(model):
    return gradient_of(model)


def test_the_gradient_is_that_of_the_rule(model, plain):
    sample_key, model_key, _ = jax.random.split(KEY, 3)
    sequences = CONFIG.task.sample(sample_key, 4, ())
    grads, seen = eqx.filter_jit(sequence_gradient)(
        BPTT(), model, sequences, CONFIG.task.loss, key=model_key
    )
    for name, grad in named_leaves(grads).items():
        np.testing.assert_allclose(plain[0][name], grad, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(plain[1]["loss"], seen.loss, rtol=1e-6)
    measured = CONFIG.task.metrics(seen.outputs, sequences)
    assert plain[1].keys() == measured.keys() | {"loss", "gradient_norm"}
    for name, values in measured.items():
        np.testing.assert_allclose(plain[1][name], jnp.mean(values), rtol=1e-6)


def test_the_norm_is_over_all_leaves(plain):
    total = sum(np.sum(np.square(g, dtype=np.float64)) for g in plain[0].values())
    np.testing.assert_allclose(plain[1]["gradient_norm"], np.sqrt(total), rtol=1e-6)


def test_l2_pulls_to_zero(model, plain):
    grads, metrics = gradient_of(model, l2=0.3)
    for name, weight in weights_of(model).items():
        np.testing.assert_allclose(grads[name], plain[0][name] + 0.3 * weight, atol=1e-6)
    np.testing.assert_allclose(metrics["loss"], plain[1]["loss"], rtol=1e-6)


def test_l1_pulls_to_zero(model, plain):
    grads, _ = gradient_of(model, l1=0.3)
    for name, weight in weights_of(model).items():
        np.testing.assert_allclose(grads[name], plain[0][name] + 0.3 * np.sign(weight), atol=1e-6)


def test_weight_noise_moves_where_the_gradient_is_taken(model, plain):
    noisy, _ = gradient_of(model, weight_noise=0.1)
    again, _ = gradient_of(model, weight_noise=0.1)
    barely, _ = gradient_of(model, weight_noise=1e-6)
    for name, grad in plain[0].items():
        assert not np.allclose(noisy[name], grad, rtol=1e-3)
        np.testing.assert_array_equal(noisy[name], again[name])
        np.testing.assert_allclose(barely[name], grad, rtol=1e-3, atol=1e-5)


def test_weight_noise_is_gaussian():
    model = Linear(100, 100, key=KEY)
    config = small_config(weight_noise=0.5)
    noisy = draw(config, config.task, model, turn(KEY), ()).model
    for name in ("weight", "bias"):
        added = np.asarray(getattr(noisy, name) - getattr(model, name))
        assert abs(np.mean(added)) < 0.15
        assert abs(np.std(added) - 0.5) < 0.1
    assert not np.allclose(noisy.weight[0] - model.weight[0], noisy.bias - model.bias)


def test_dropout_is_drawn_from_the_key():
    config = small_config(model=MODELS["elman"](hidden=8, dropout=0.5))
    model = config.model.build(2, 1, key=jax.random.key(0))

    @eqx.filter_jit
    def outputs(key):
        sequences = config.task.sample(KEY, 4, ())
        _, seen = sequence_gradient(config.rule, model, sequences, config.task.loss, key=key)
        return seen.outputs

    one, other = (outputs(key) for key in jax.random.split(KEY))
    assert not np.allclose(one, other)


def test_the_config_chooses_the_rule(model, plain):
    cut, _ = gradient_of(model, rule=TruncatedBPTT(window=1))
    name = "cells.0.hidden_weight"
    assert not np.allclose(cut[name], plain[0][name], rtol=1e-3)
    whole, _ = gradient_of(model, rule=TruncatedBPTT(window=5))
    np.testing.assert_allclose(whole[name], plain[0][name], rtol=1e-5)


GRADS = jnp.array([3.0, -4.0, 12.0])


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        ({"clip_norm": None}, [3, -4, 12]),
        ({"clip_norm": 13.0}, [3, -4, 12]),
        ({"clip_norm": 6.5}, [1.5, -2, 6]),
        ({"clip_norm": None, "clip_value": 3.5}, [3, -3.5, 3.5]),
        # Each component first: then the norm is that of (3, -4, 4).
        ({"clip_norm": 2.5, "clip_value": 4.0}, np.array([3, -4, 4]) * 2.5 / np.sqrt(41)),
    ],
)
def test_clipping(limits, expected):
    np.testing.assert_allclose(clip(small_config(**limits), GRADS), expected, rtol=1e-6)


def test_a_gradient_whose_square_overflows_is_clipped():
    clipped = clip(small_config(clip_norm=13.0), 1e25 * GRADS)
    np.testing.assert_allclose(clipped, GRADS, rtol=1e-5)


def test_clipping_leaves_a_zero_gradient_alone():
    assert (clip(small_config(clip_norm=1.0), jnp.zeros(3)) == 0).all()


@pytest.fixture(scope="module")
def after():
    """Three networks after updates up to these stops; the second is not active."""
    config = small_config(seeds=3)
    keys = jax.random.split(KEY, 3)
    static = eqx.filter(config.model.build(2, 1, key=KEY), eqx.is_array, inverse=True)

    def build(key):
        return config.model.build(2, 1, key=key)

    @functools.cache
    def updater_of(together):
        made = Updater(config, static)
        made.together = together
        made.prepare(made.begin(build, keys, ()), config.task, ())
        return made

    def run(*stops, together=False):
        updater = updater_of(together)
        progress = updater.begin(build, keys, ())
        start = 0
        for stop in stops:
            active = jnp.array([True, False, True])
            progress = updater.advance(
                progress, config.task, (), active=active, keys=keys, start=start, stop=stop
            )
            start = stop
        return progress

    return run


def test_updates_are_the_same_in_one_call_and_in_many(after):
    """And a network that is not active is not touched."""
    first, one, many = after(), after(6), after(1, 2, 5, 6)
    for a, b, c in zip(*(jax.tree.leaves(p) for p in (one, many, first)), strict=True):
        np.testing.assert_array_equal(a, b)
        np.testing.assert_array_equal(a[1], c[1])
    assert not np.array_equal(jax.tree.leaves(one)[0][0], jax.tree.leaves(first)[0][0])
    assert (one.bad == -1).all()


def test_updates_are_the_same_under_vmap_and_one_by_one(after):
    """As on accelerators, and as on CPUs."""
    apart, together = after(6), after(6, together=True)
    for a, b in zip(jax.tree.leaves(apart), jax.tree.leaves(together), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)
