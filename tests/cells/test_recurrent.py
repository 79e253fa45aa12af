"""Elman, LSTM and GRU: what they carry, against Equinox, and what they refuse."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from reference.lstm import lstm

from tapehead.cell import run, scan
from tapehead.cells import GRU, LSTM, Elman, GRUState, LSTMState, from_equinox
from tapehead.errors import UserError

TIME, INPUTS, HIDDEN = 4, 2, 3


def doubled(tree):
    return jax.tree.map(lambda x: x.astype(jnp.float64), tree)


def test_lstm_carries_the_cell_of_the_equations(x64):
    cell = doubled(LSTM(INPUTS, HIDDEN, key=jax.random.key(0)))
    xs = np.random.default_rng(0).normal(size=(TIME, INPUTS))
    last, _ = cell.unroll(cell.initial_state(), jnp.asarray(xs))
    weights = map(np.array, (cell.input_weight, cell.hidden_weight, cell.bias))
    _, cells = lstm(*weights, np.zeros(HIDDEN), np.zeros(HIDDEN), xs)
    np.testing.assert_allclose(last.cell, cells[-1], rtol=1e-12)


@pytest.mark.parametrize("use_bias", [True, False])
@pytest.mark.parametrize("kind", ["lstm", "gru"])
def test_equal_to_equinox(kind, use_bias):
    other = {"lstm": eqx.nn.LSTMCell, "gru": eqx.nn.GRUCell}[kind](
        INPUTS, HIDDEN, use_bias=use_bias, key=jax.random.key(0)
    )
    cell = from_equinox(other)
    xs = jax.random.normal(jax.random.key(1), (TIME, INPUTS))
    zeros = jnp.zeros(HIDDEN)

    def theirs(xs):
        def body(state, x):
            state = other(x, state)
            return state, state[0] if kind == "lstm" else state

        return jax.lax.scan(body, (zeros, zeros) if kind == "lstm" else zeros, xs)[1]

    np.testing.assert_allclose(run(cell, xs), jax.jit(theirs)(xs), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("batch", [(), (2, 3)])
@pytest.mark.parametrize("flags", ["none", "mask", "starts", "both"])
@pytest.mark.parametrize("reset_after", [None, True, False])
@pytest.mark.slow
def test_fused_unroll_is_exactly_the_scan(x64, reset_after, flags, batch):
    key = jax.random.key(0)
    if reset_after is None:
        cell = LSTM(INPUTS, HIDDEN, learned_initial_state=True, key=key)
    else:
        cell = GRU(INPUTS, HIDDEN, reset_after=reset_after, learned_initial_state=True, key=key)
    cell = doubled(cell)
    keys = jax.random.split(jax.random.key(1), 4)
    shape = (6, *batch)
    xs = jax.random.normal(keys[0], (*shape, INPUTS), jnp.float64)
    scores = jax.random.normal(keys[1], (*shape, HIDDEN), jnp.float64)
    mask = jax.random.bernoulli(keys[2], 0.6, shape) if flags in ("mask", "both") else None
    starts = jax.random.bernoulli(keys[3], 0.3, shape) if flags in ("starts", "both") else None
    state = jax.tree.map(lambda x: x + 0.3, cell.initial_state(batch))

    def loss(route, cell, state, xs):
        last, ys = route(cell, state, xs, mask=mask, starts=starts)
        ends = sum(jnp.sum(jnp.sin(leaf)) for leaf in last)
        return jnp.sum(scores * ys) + ends

    def everything(route):
        return jax.jit(jax.value_and_grad(lambda *args: loss(route, *args), argnums=(0, 1, 2)))(
            cell, state, xs
        )

    fused, plain = everything(type(cell).unroll), everything(scan)
    for a, b in zip(jax.tree.leaves(fused), jax.tree.leaves(plain), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("make", [LSTM, GRU])
def test_gradients_of_stacked_seeds(make):
    xs = jax.random.normal(jax.random.key(0), (TIME, 2, INPUTS))
    stacked = eqx.filter_vmap(lambda key: make(INPUTS, HIDDEN, key=key))(
        jax.random.split(jax.random.key(1), 3)
    )
    slope = jax.grad(lambda cell: jnp.sum(jnp.sin(run(cell, xs))))
    together = jax.jit(jax.vmap(slope))(stacked)
    one = jax.jit(slope)
    for seed in range(3):
        alone = one(jax.tree.map(lambda x, seed=seed: x[seed], stacked))
        for a, b in zip(jax.tree.leaves(together), jax.tree.leaves(alone), strict=True):
            np.testing.assert_allclose(a[seed], b, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("make", [LSTM, GRU])
def test_padding_may_hold_nan(make):
    cell = make(INPUTS, HIDDEN, key=jax.random.key(0))
    xs = jax.random.normal(jax.random.key(1), (TIME, INPUTS)).at[2:].set(jnp.nan)
    mask = jnp.arange(TIME) < 2
    slope = jax.jit(jax.grad(lambda c, xs, mask: jnp.sum(run(c, xs, mask=mask))))
    padded, short = slope(cell, xs, mask), slope(cell, xs[:2], mask[:2])
    for a, b in zip(jax.tree.leaves(padded), jax.tree.leaves(short), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("make", [LSTM, GRU])
def test_a_sequence_of_no_steps(make):
    cell = make(INPUTS, HIDDEN, learned_initial_state=True, key=jax.random.key(0))

    def loss(cell):
        last, ys = cell.unroll(cell.initial_state(), jnp.zeros((0, INPUTS)))
        return jnp.sum(last.hidden) + jnp.sum(ys)

    slope = jax.grad(loss)(cell)
    assert not slope.input_weight.any()
    np.testing.assert_array_equal(slope.initial.hidden, np.ones(HIDDEN))


def test_parameters_begin_as_documented():
    cell = LSTM(5, 100, key=jax.random.key(0))
    plain = LSTM(5, 100, forget_bias=0.0, key=jax.random.key(0))
    added = np.asarray(cell.bias - plain.bias)
    np.testing.assert_allclose(added.reshape(4, 100), np.repeat([[0], [1], [0], [0]], 100, 1))
    assert plain.bias.shape == (400,)
    assert cell.input_weight.shape == (400, 5)
    assert cell.hidden_weight.shape == (400, 100)
    for weight in (cell.input_weight, cell.hidden_weight, plain.bias):
        assert 0.09 < np.abs(weight).max() <= 0.1
    assert GRU(5, 4, reset_after=False, key=jax.random.key(0)).candidate_bias is None


def test_initial_state_zero_or_learned():
    key = jax.random.key(0)
    assert LSTM(2, 3, key=key).initial is None
    np.testing.assert_array_equal(LSTM(2, 3, key=key).initial_state((4,)).cell, np.zeros((4, 3)))
    learned = LSTM(2, 3, learned_initial_state=True, key=key)
    learned = eqx.tree_at(lambda c: c.initial, learned, LSTMState(jnp.arange(3.0), jnp.ones(3)))
    state = learned.initial_state((4,))
    np.testing.assert_array_equal(state.hidden, np.tile(np.arange(3), (4, 1)))
    np.testing.assert_array_equal(state.cell, np.ones((4, 3)))
    gru = eqx.tree_at(
        lambda c: c.initial,
        GRU(2, 3, learned_initial_state=True, key=key),
        GRUState(jnp.arange(3.0)),
    )
    np.testing.assert_array_equal(gru.initial_state().hidden, np.arange(3))


def test_what_inspection_is_shown():
    key = jax.random.key(0)
    cell = LSTM(2, 3, key=key)
    state = LSTMState(jnp.full(3, 0.5), jnp.full(3, 0.25))
    gates = cell.observe(state, jnp.ones(2))
    after, _ = cell.step(state, jnp.ones(2))
    recalled = gates["forget_gate"] * state.cell + gates["input_gate"] * gates["candidate"]
    np.testing.assert_allclose(after.cell, recalled, rtol=1e-6)
    np.testing.assert_allclose(after.hidden, gates["output_gate"] * np.tanh(after.cell), rtol=1e-6)
    gru = GRU(2, 3, key=key)
    gates = gru.observe(GRUState(state.hidden), jnp.ones(2))
    after, _ = gru.step(GRUState(state.hidden), jnp.ones(2))
    z = gates["update_gate"]
    np.testing.assert_allclose(after.hidden, z * 0.5 + (1 - z) * gates["candidate"], rtol=1e-5)
    assert set(gates) == {"reset_gate", "update_gate", "candidate"}


@pytest.mark.parametrize("make", [Elman, LSTM, GRU])
def test_sizes_below_one_are_refused(make):
    key = jax.random.key(0)
    with pytest.raises(UserError, match=f"{make.__name__}: input_size must be at least 1, got 0"):
        make(0, 3, key=key)
    with pytest.raises(UserError, match=f"{make.__name__}: hidden_size must be at least 1, got -2"):
        make(3, -2, key=key)


@pytest.mark.parametrize("make", [Elman, LSTM, GRU])
def test_wrong_feature_count_is_refused_by_name(make):
    cell = make(2, 3, key=jax.random.key(0))
    message = rf"{make.__name__}: expected inputs with 2 features on the last axis, got shape"
    with pytest.raises(UserError, match=message):
        cell.step(cell.initial_state(), jnp.ones(4))
    with pytest.raises(UserError, match=message):
        run(cell, jnp.ones((5, 4)))


def test_unknown_activation_is_refused():
    with pytest.raises(UserError, match=r"one of tanh, relu, got 'tahn'; did you mean 'tanh'\?"):
        Elman(2, 3, activation="tahn", key=jax.random.key(0))  # type: ignore[arg-type]
