"""Evolution strategies and searches: what they estimate, find, keep and refuse."""

import sys

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tapehead.cell import Chain
from tapehead.cells import Elman, Linear
from tapehead.errors import UserError
from tapehead.learning import (
    BPTT,
    CMAES,
    EvolutionStrategy,
    GeneticAlgorithm,
    RandomGuessing,
    sequence_gradient,
    stream_gradient,
)
from tapehead.learning.rule import as_vector
from tapehead.models import MODELS
from tapehead.testing.rules import (
    INPUTS,
    OUTPUTS,
    as_float64,
    assert_same,
    batch_of,
    check_rule,
    small_models,
    squared_error,
)


def small():
    keys = jax.random.split(jax.random.key(0), 2)
    cell = Elman(INPUTS, 3, learned_initial_state=True, key=keys[0])
    return as_float64(Chain(cell, Linear(3, OUTPUTS, key=keys[1])))


@eqx.filter_jit
def gradient(rule, model, sequences, key):
    return sequence_gradient(rule, model, sequences, squared_error, key=key)[0]


@pytest.mark.slow
def test_conformance_of_persistent_noise():
    """The mean over ε is the gradient, across windows; `check_rule` would see cut time."""
    models = {kind: small_models()[kind] for kind in ("stateless", "elman")}
    check_rule(EvolutionStrategy(window=3, pairs=8, noise="persistent"), models=models)


@pytest.mark.slow
def test_along_its_own_noise_it_is_the_slope(x64):
    """By hand: of every sequence, with one pair, the slope of its loss along ε, times ε."""
    model, sequences, rule = small(), batch_of(), EvolutionStrategy(pairs=1, spread=1e-4)
    noise = rule.begin(model, (2,), key=None).noise
    vector, model_at = as_vector(model)
    whole = sequences.normalised()

    def losses(vector):
        model = model_at(vector)
        _, outputs = model.unroll(model.initial_state((2,)), whole.inputs)
        return jnp.sum(whole.weights * squared_error(outputs, whole.targets), axis=0)

    slopes = jax.jacobian(losses)(vector)
    expected = sum(jnp.sum(slopes[n] * noise[n, 0]) * noise[n, 0] for n in range(2))
    found = as_vector(gradient(rule, model, sequences, None))[0]
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-8)


@pytest.mark.slow
def test_windows_do_not_matter_to_reused_noise(x64):
    """Its states go on from window to window, so that the sum is that of the whole."""
    model, key = small(), jax.random.key(1)
    whole = gradient(EvolutionStrategy(), model, batch_of(), key)
    cut = gradient(EvolutionStrategy(window=2), model, batch_of(), key)
    assert_same("in windows", cut, whole, 1e-8)
    # With new noise in each window it is another estimate.
    persistent = gradient(EvolutionStrategy(window=2, noise="persistent"), model, batch_of(), key)
    assert np.abs(as_vector(persistent)[0] - as_vector(whole)[0]).max() > 1e-3


@pytest.mark.slow
def test_sequences_begin_anew_one_by_one(x64):
    model, rule, key = small(), EvolutionStrategy(window=7, noise="persistent"), jax.random.key(2)
    begun = rule.begin(model, (2,), key=key)
    _, carry, _ = stream_gradient(rule, model, begun, batch_of(), squared_error)
    renewed = rule.renew(carry, begun, jnp.array([True, False]))
    for one, first, on in zip(*(jax.tree.leaves(c) for c in (renewed, begun, carry)), strict=True):
        assert (one[0] == first[0]).all()
        assert (one[1] == on[1]).all()


@pytest.mark.slow
@pytest.mark.parametrize(
    "search",
    [
        CMAES(population=16, spread=0.5),
        CMAES(population=16, spread=0.5, diagonal=True),
        GeneticAlgorithm(population=32, spread=0.2),
        RandomGuessing(population=50, scale=2.0),
    ],
    ids=["cma-es", "diagonal", "genetic-algorithm", "random-guessing"],
)
def test_a_search_comes_down(search):
    """Without windows and gradients; each must come below what the network began with."""
    if not isinstance(search, RandomGuessing):
        pytest.importorskip("evosax", reason="evosax is not installed")
    linear = Chain(Linear(INPUTS, OUTPUTS, key=jax.random.key(0)))
    vector, model_at = as_vector(linear)
    sequences = jax.tree.map(lambda x: x.astype(jnp.float32), batch_of()._replace(mask=None))

    @jax.jit
    def learned(vector):
        def body(before, key):
            vector, standing = before
            model = model_at(vector)
            return search.generation(
                standing, model, sequences, squared_error, begun=None, key=key
            ), None

        keys = jax.random.split(jax.random.key(1), 40)
        return jax.lax.scan(body, (vector, search.start(vector, keys[0])), keys)[0][0]

    def cost(vector):
        return float(sequence_gradient(BPTT(), model_at(vector), sequences, squared_error)[1].loss)

    assert cost(learned(vector)) < 0.8 * cost(vector)


def test_what_is_not_finite_is_never_best():
    search = RandomGuessing(population=3)
    model = Chain(Linear(1, 1, key=jax.random.key(0)))
    sequences = batch_of()._replace(inputs=jnp.ones((7, 2, 1)), mask=None)

    def loss(outputs, targets):
        return jnp.where(outputs[..., 0] > 0, jnp.nan, -outputs[..., 0])

    with jax.numpy_dtype_promotion("standard"):
        best, _ = search.generation(
            search.start(as_vector(model)[0], None),
            model,
            sequences,
            loss,
            begun=None,
            key=jax.random.key(0),
        )
    assert best.sum() <= 0


def test_refusals(monkeypatch):
    key = jax.random.key(0)
    model = MODELS["gru"](hidden=100).build(2, 1, key=key)
    with pytest.raises(UserError, match=r"EvolutionStrategy: 8 changed networks of 31,101 param"):
        EvolutionStrategy(gigabytes=0.01).begin(model, (16,), key=key)
    with pytest.raises(UserError, match=r"CMAES: .* of 31,101 parameters would take 7\.7 gigabyte"):
        CMAES().extend(model, key=key)
    both = MODELS["lstm"](hidden=4, bidirectional=True).build(2, 1, key=key)
    with pytest.raises(UserError, match=r"EvolutionStrategy: cuts time .* leave window out"):
        EvolutionStrategy(window=3).begin(both, (1,), key=key)
    EvolutionStrategy().begin(both, (1,), key=key)
    with pytest.raises(UserError, match="noise must be one of reused, persistent, got 'fresh'"):
        EvolutionStrategy(noise="fresh")
    with pytest.raises(UserError, match="EvolutionStrategy: spread must be above 0, got 0"):
        EvolutionStrategy(spread=0)
    with pytest.raises(UserError, match="CMAES: population must be at least 2, got 1"):
        CMAES(population=1)
    with pytest.raises(UserError, match="RandomGuessing: scale must be above 0, got -1"):
        RandomGuessing(scale=-1)
    monkeypatch.setitem(sys.modules, "evosax.algorithms", None)
    for search in (GeneticAlgorithm(), CMAES(diagonal=True)):
        with pytest.raises(UserError, match=r"evosax is not installed; `pip install 'tapehead\[ev"):
            search.extend(model, key=key)
