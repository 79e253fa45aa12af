"""The Neural Turing Machine against a slow reference, its properties, and what it refuses."""

import functools

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from reference import ntm as reference

from tapehead.cell import Chain, run
from tapehead.cells import GRU, LSTM
from tapehead.errors import UserError
from tapehead.memory.controller import FeedForward
from tapehead.memory.ntm import NTM, NTMMemory, NTMState
from tapehead.testing.memory import check_memory

SIZES = {"slots": 7, "width": 3}
VARIANTS = {
    "the paper's": {},
    "many heads, far shifts": {"read_heads": 2, "write_heads": 3, "shift_range": 2},
    "no shift": {"shift_range": 0},
    "dot product": {"similarity": "dot"},
    "distance": {"similarity": "negative-squared-distance"},
}
SIMILARITIES = {
    "dot": reference.dot,
    "negative-squared-distance": reference.negative_squared_distance,
}


@pytest.mark.parametrize(
    "options",
    [
        pytest.param({}, marks=pytest.mark.slow),
        {"read_heads": 2, "write_heads": 3, "shift_range": 2, "learned_memory": True}
        | {"learned_weights": True, "similarity": "dot"},
        pytest.param({"slots": 1, "shift_range": 0}, marks=pytest.mark.slow),
    ],
    ids=["the paper's", "everything else", "one slot"],
)
def test_conformance(options):
    check_memory(NTMMemory(**(SIZES | options)))


def doubled(tree):
    return jax.tree.map(lambda a: jnp.asarray(a, jnp.float64), tree)


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize(
    "variant", ["the paper's", "many heads, far shifts", "no shift", "dot product", "distance"]
)
def test_steps_are_the_reference(variant):
    options = VARIANTS[variant]
    memory = NTMMemory(**(SIZES | options))
    flats = np.random.default_rng(1).normal(scale=2, size=(6, 4, memory.interface_size))
    state = doubled(memory.initial_state((4,)))
    step = jax.jit(lambda state, flat: memory.step(state, memory.interface(flat)))
    similarity = SIMILARITIES.get(options.get("similarity"), reference.cosine)
    expected = [
        reference.initial_state(7, 3, memory.read_heads, memory.write_heads) for _ in range(4)
    ]
    for flat in flats:
        state, reads = step(state, flat)
        for b in range(4):
            expected[b], wanted = reference.step(
                expected[b], flat[b], memory.shift_range, similarity
            )
            np.testing.assert_allclose(reads[b], wanted, rtol=1e-6, atol=1e-10)
            for leaf, want in zip(state, expected[b], strict=True):
                np.testing.assert_allclose(leaf[b], want, rtol=1e-6, atol=1e-10)


@pytest.mark.usefixtures("x64")
def test_outputs_and_gradients_are_the_reference():
    model = doubled(
        NTM(
            2,
            3,
            **SIZES,
            read_heads=2,
            controller="feedforward",
            controller_size=4,
            learned_memory=True,
            key=jax.random.key(0),
        )
    )
    rng = np.random.default_rng(2)
    memory = rng.normal(size=(7, 3))
    model = eqx.tree_at(lambda m: m.memory.initial_memory, model, jnp.asarray(memory))
    xs, tangent = rng.normal(size=(5, 2)), rng.normal(size=(5, 3))
    where = {
        "controller": lambda m: m.controller.linear.weight,
        "controller_bias": lambda m: m.controller.linear.bias,
        "interface": lambda m: m.interface.weight,
        "interface_bias": lambda m: m.interface.bias,
        "readout": lambda m: m.readout.weight,
        "readout_bias": lambda m: m.readout.bias,
        "memory": lambda m: m.memory.initial_memory,
    }
    parameters = {name: np.asarray(get(model)) for name, get in where.items()}

    def outputs(parameters):
        _, *weights = reference.initial_state(7, 3, 2, 1)
        return reference.network(parameters, xs, (parameters["memory"], *weights), shift_range=1)

    np.testing.assert_allclose(jax.jit(run)(model, xs), outputs(parameters), rtol=1e-9, atol=1e-12)
    gradient = jax.jit(jax.grad(lambda m: jnp.sum(tangent * run(m, xs))))(model)
    for name, get in where.items():
        direction = rng.normal(size=parameters[name].shape)

        def value(step, name=name, direction=direction):
            moved = parameters | {name: parameters[name] + step * direction}
            return np.sum(tangent * outputs(moved))

        slope = (value(1e-6) - value(-1e-6)) / 2e-6
        along = np.sum(np.asarray(get(gradient)) * direction)
        np.testing.assert_allclose(along, slope, rtol=1e-6, atol=1e-8, err_msg=name)


@functools.cache
def jitted_steps():
    memory = NTMMemory(7, 3, read_heads=2, write_heads=2, shift_range=2)

    @jax.jit
    def steps(state, flats):
        def step(state, flat):
            state, reads = memory.step(state, memory.interface(flat))
            return state, (state, reads)

        return jax.lax.scan(step, state, flats)[1]

    return memory, steps


@given(st.integers(0, 2**32 - 1), st.floats(0, 100))
def test_every_weighting_is_a_distribution(seed, scale):
    memory, steps = jitted_steps()
    shape = (4, memory.interface_size)
    flats = np.random.default_rng(seed).normal(scale=scale, size=shape).astype(np.float32)
    states, _ = steps(memory.initial_state(()), flats)
    for weights in (states.read_weights, states.write_weights):
        assert np.all(weights >= 0)
        np.testing.assert_allclose(np.sum(weights, axis=-1), 1, rtol=1e-5)


def test_what_is_written_can_be_found_by_content_and_by_place():
    memory = NTMMemory(7, 3)
    interface = memory.interface(jnp.zeros(memory.interface_size))
    word = jnp.array([1.0, -2.0, 3.0])
    forward = jnp.tile(jnp.array([0.0, 0, 1]), (2, 1))
    stay = jnp.tile(jnp.array([0.0, 1, 0]), (2, 1))
    write = interface._replace(
        gates=jnp.zeros(2),
        shifts=forward,
        sharpness=jnp.ones(2),
        erase=jnp.ones((1, 3)),
        add=word[None],
    )
    step = jax.jit(memory.step)
    state, reads = step(memory.initial_state(), write)
    # The write head moved from slot 0 to slot 1, the read head with it, and read what is new.
    np.testing.assert_allclose(state.memory[1], word)
    np.testing.assert_allclose(state.memory[jnp.array([0, 2, 3, 4, 5, 6])], 1e-6, rtol=1e-5)
    np.testing.assert_allclose(reads[0], word)
    elsewhere = state._replace(read_weights=jnp.eye(7)[None, 4])
    look_up = write._replace(
        keys=jnp.stack([word, word]),
        strengths=jnp.full(2, 50.0),
        gates=jnp.array([1.0, 0]),
        shifts=stay,
        erase=jnp.zeros((1, 3)),
        add=jnp.zeros((1, 3)),
    )
    _, reads = step(elsewhere, look_up)
    np.testing.assert_allclose(reads[0], word, rtol=1e-5)


def test_observe_shows_every_head_from_content_to_weights():
    memory = NTMMemory(7, 3, read_heads=2, write_heads=1)
    state = memory.initial_state((4,))
    flat = jnp.asarray(
        np.random.default_rng(0).normal(size=(4, memory.interface_size)), jnp.float32
    )
    interface = memory.interface(flat)
    seen = jax.jit(memory.observe)(state, interface)
    after, _ = jax.jit(memory.step)(state, interface)
    np.testing.assert_allclose(seen["read"]["weights"], after.read_weights, rtol=1e-6)
    np.testing.assert_allclose(seen["write"]["weights"], after.write_weights, rtol=1e-6)
    assert seen["read"]["gate"].shape == (4, 2)
    assert seen["write"]["shift"].shape == (4, 1, 3)
    assert {
        "key",
        "strength",
        "sharpness",
        "content_weights",
        "gated_weights",
        "shifted_weights",
    } <= set(seen["read"])


def test_a_learned_beginning_gets_a_gradient():
    model = NTM(
        2,
        2,
        **SIZES,
        controller_size=4,
        learned_memory=True,
        learned_weights=True,
        learned_reads=True,
        key=jax.random.key(0),
    )
    xs = jnp.ones((3, 2))
    gradient = jax.jit(jax.grad(lambda m: jnp.sum(run(m, xs) ** 2)))(model)
    for leaf in (
        gradient.memory.initial_memory,
        gradient.memory.initial_weights,
        gradient.initial_reads,
    ):
        assert jnp.any(leaf != 0)
    first = model.initial_state((5,)).memory
    assert isinstance(first, NTMState)
    np.testing.assert_allclose(first.read_weights[..., 0], 0.9, rtol=1e-6)


@pytest.mark.parametrize(
    ("controller", "layers", "kind"),
    [
        ("lstm", 1, LSTM),
        ("gru", 1, GRU),
        ("feedforward", 1, FeedForward),
        ("elman", 2, Chain),
        (functools.partial(LSTM, forget_bias=0.0), 1, LSTM),
    ],
)
def test_any_controller(controller, layers, kind):
    model = NTM(
        2,
        3,
        **SIZES,
        controller=controller,
        controller_size=4,
        controller_layers=layers,
        key=jax.random.key(0),
    )
    assert isinstance(model.controller, kind)
    ys = jax.eval_shape(lambda xs: run(model, xs), jnp.zeros((2, 5, 2)))
    assert ys.shape == (2, 5, 3)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"slots": 0}, "NTM: slots must be at least 1, got 0"),
        ({"width": 0}, "NTM: width must be at least 1, got 0"),
        ({"read_heads": 0}, "NTM: read_heads must be at least 1, got 0"),
        ({"write_heads": -1}, "NTM: write_heads must be at least 1, got -1"),
        ({"shift_range": -1}, "NTM: shift_range must be at least 0, got -1"),
        ({"controller_size": 0}, "controller_size must be at least 1, got 0"),
        ({"controller_layers": 0}, "controller_layers must be at least 1, got 0"),
        ({"controller": "lstn"}, "unknown controller 'lstn'; did you mean 'lstm'"),
        ({"controller": 3}, "controller: expected one of lstm"),
        ({"similarity": "cosin"}, "unknown similarity 'cosin'; did you mean 'cosine'"),
        ({"clip": 0.0}, "clip must be above 0, got 0.0"),
    ],
)
def test_bad_options_are_refused_in_one_line(options, message):
    with pytest.raises(UserError) as caught:
        NTM(2, 3, **(SIZES | options), key=jax.random.key(0))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
