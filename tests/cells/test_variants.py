"""What sets the variants apart, and what they refuse."""

import functools

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tapehead import cells
from tapehead.cell import Chain, run
from tapehead.cells import linear_recurrence, mlstm
from tapehead.errors import UserError

KEY = jax.random.key(0)


def size(cell):
    return sum(leaf.size for leaf in jax.tree.leaves(eqx.filter(cell, eqx.is_inexact_array)))


@pytest.mark.parametrize(
    ("inputs", "blocks", "outputs", "weights"),
    [(2, 2, 1, 93), (8, 2, 4, 156), (8, 3, 8, 308)],
    ids=["experiment 4", "experiment 6a", "experiment 6b"],
)
def test_the_1997_nets_have_the_papers_weights(inputs, blocks, outputs, weights):
    cell = cells.LSTM1997(inputs, blocks, 2, key=KEY)
    assert size(cell) + size(cells.Linear(2 * blocks, outputs, key=KEY)) == weights


def test_the_1997_biases_follow_their_schedule():
    cell = cells.LSTM1997(1, 3, input_bias=(-1, -3, -5), output_bias=-2, key=KEY)
    np.testing.assert_array_equal(cell.bias, [0, 0, 0, -1, -3, -5, -2, -2, -2])


def test_only_the_carousel_carries_the_truncated_gradient():
    """An input is felt later by what it left in the cells, not by way of the gates."""
    xs = jax.random.normal(KEY, (6, 2))

    def felt(truncated):
        cell = cells.LSTM1997(2, 2, 2, truncated=truncated, spread=1.0, key=KEY)

        def last(us):
            state = cell.initial_state()._replace(units=us)
            return jnp.sum(cell.unroll(state, xs)[1][-1])

        return jax.grad(last)(cell.initial_state().units)

    assert (felt(True) == 0).all()
    assert (felt(False) != 0).all()


def test_irnn_begins_by_remembering():
    cell = cells.IRNN(2, 5, key=KEY)
    state = cell.initial_state()._replace(hidden=jnp.arange(5.0))
    after, _ = cell.unroll(state, jnp.zeros((20, 2)))
    np.testing.assert_array_equal(after.hidden, state.hidden)


def test_connections_that_are_not_allowed_have_no_gradient():
    allowed = np.ones((3, 6), bool)
    allowed[0, 2:5] = False  # unit 0 sees no unit
    cell = cells.FullyRecurrent(2, 3, connections=allowed, key=KEY)
    xs = jax.random.normal(KEY, (4, 2))
    of_cell = jax.grad(lambda cell: jnp.sum(run(cell, xs) ** 2))(cell)
    np.testing.assert_array_equal(of_cell.weight != 0, allowed)


@pytest.mark.parametrize("kind", ["linear", "fixed", "complex", "mlstm"])
def test_at_once_is_in_turn(x64, kind):
    """What accelerators do and what CPUs do, with the gradient."""
    keys = jax.random.split(KEY, 6)

    def draw(key, *shape):
        return jax.random.normal(key, shape, jnp.float64)

    module = mlstm if kind == "mlstm" else linear_recurrence
    if kind == "complex":
        arguments = tuple(
            jax.lax.complex(draw(one, *shape), draw(other, *shape))
            for one, other, shape in zip(
                keys[:3], keys[3:], ((1, 2, 3), (7, 2, 3), (2, 3)), strict=True
            )
        )
    elif kind != "mlstm":
        steps = 1 if kind == "fixed" else 7
        arguments = (draw(keys[0], steps, 2, 3), draw(keys[1], 7, 2, 3), draw(keys[2], 2, 3))
    else:
        stretch, state = mlstm._Stretch, cells.MLSTMState
        steps = stretch(
            draw(keys[0], 7, 2),
            state(draw(keys[1], 7, 2, 3, 3), draw(keys[2], 7, 2, 3), draw(keys[3], 7, 2)),
        )
        before = state(draw(keys[4], 2, 3, 3), draw(keys[5], 2, 3), draw(keys[0], 2))
        arguments = (steps, before)

    def everything(through):
        def loss(arguments):
            leaves = jax.tree.leaves(through(*arguments))
            return sum(jnp.sum(jnp.sin(leaf.real) + jnp.cos(leaf.imag)) for leaf in leaves)

        return jax.jit(jax.value_and_grad(loss))(arguments)

    once, turn = everything(module.at_once), everything(module.in_turn)
    for a, b in zip(jax.tree.leaves(once), jax.tree.leaves(turn), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-11)


@jax.jit
@functools.partial(jax.value_and_grad, argnums=(0, 1))
def energy_and_gradient(cell, xs):
    return jnp.sum(run(cell, xs) ** 2)


@pytest.mark.parametrize("scale", [-200.0, 200.0])
@pytest.mark.parametrize("kind", ["slstm", "mlstm"])
def test_exponential_gates_do_not_overflow(kind, scale):
    """Gates of e^200 and of e^-200, which float32 cannot hold."""
    make = cells.SLSTM if kind == "slstm" else cells.MLSTM
    cell = make(1, 4, heads=2, key=KEY)
    field = "bias" if kind == "slstm" else "gate_bias"
    cell = eqx.tree_at(lambda c: getattr(c, field), cell, getattr(cell, field) + scale)

    value, gradient = energy_and_gradient(cell, jnp.ones((5, 1)))
    assert np.isfinite(value)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(gradient))


def test_zoneout_keeps_the_share_it_says():
    cell = cells.Zoneout(cells.GRU(2, 64, key=KEY), 0.3)
    state = cell.initial_state((50,), key=jax.random.key(1))
    before = state._replace(inner=cells.GRUState(jnp.full((50, 64), 0.5)))
    after, y = cell.step(before, jnp.ones((50, 2)))
    stayed = np.mean(np.asarray(after.inner.hidden) == 0.5)
    assert abs(stayed - 0.3) < 0.02
    np.testing.assert_array_equal(y, after.inner.hidden)
    again, _ = cell.step(after, jnp.ones((50, 2)))
    assert not np.array_equal(again.inner.hidden == after.inner.hidden, after.inner.hidden == 0.5)


def test_zoneout_without_a_key_is_the_mean():
    inner = cells.LSTM(2, 3, key=KEY)
    cell = cells.Zoneout(inner, 0.2, rates={"cell": 0.5})
    x = jnp.ones(2)
    start = cells.LSTMState(jnp.full(3, 0.5), jnp.full(3, -1.0))
    after, y = cell.step(cell.initial_state()._replace(inner=start), x)
    made, _ = inner.step(start, x)
    np.testing.assert_allclose(after.inner.hidden, 0.2 * 0.5 + 0.8 * made.hidden, rtol=1e-6)
    np.testing.assert_allclose(after.inner.cell, 0.5 * -1 + 0.5 * made.cell, rtol=1e-6)
    np.testing.assert_array_equal(y, after.inner.hidden)


def test_eigenvalues_of_lru_lie_in_the_ring():
    cell = cells.LRU(2, 3, modes=200, least=0.7, most=0.9, key=KEY)
    sizes = np.abs(cell.eigenvalues)
    assert sizes.min() >= 0.7 - 1e-5
    assert sizes.max() <= 0.9 + 1e-5
    np.testing.assert_allclose(np.exp(cell.gain), np.sqrt(1 - sizes**2), rtol=1e-4)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: cells.LSTM1997(2, 0, key=KEY), "LSTM1997: blocks must be at least 1, got 0"),
        (
            lambda: cells.LSTM1997(2, 3, input_bias=(-1, -2), key=KEY),
            "LSTM1997: input_bias must be one number or one for each of the 3 blocks, got 2",
        ),
        (lambda: cells.LSTM1997(2, 3, spread=0, key=KEY), "LSTM1997: spread must be above 0"),
        (lambda: cells.PeepholeLSTM(0, 3, key=KEY), "PeepholeLSTM: input_size must be at least 1"),
        (lambda: cells.CoupledLSTM(2, 0, key=KEY), "CoupledLSTM: hidden_size must be at least 1"),
        (lambda: cells.LayerNormLSTM(2, 0, key=KEY), "LayerNormLSTM: hidden_size must be"),
        (lambda: cells.ProjectedLSTM(2, 3, 0, key=KEY), "ProjectedLSTM: output_size must be"),
        (lambda: cells.ReducedGRU(2, 3, variant=4, key=KEY), "variant must be 1, 2 or 3, got 4"),
        (lambda: cells.MGU(2, 0, key=KEY), "MGU: hidden_size must be at least 1, got 0"),
        (lambda: cells.IndRNN(2, 3, largest=-1, key=KEY), "IndRNN: largest must be above 0"),
        (lambda: cells.IRNN(2, 3, deviation=-1, key=KEY), "IRNN: deviation must be at least 0"),
        (
            lambda: cells.FullyRecurrent(2, 3, 4, key=KEY),
            "FullyRecurrent: output_size must be at most the 3 units, got 4",
        ),
        (
            lambda: cells.FullyRecurrent(2, 3, connections=np.ones((3, 3)), key=KEY),
            r"connections must have shape \(3, 6\)",
        ),
        (
            lambda: cells.FullyRecurrent(2, 3, activation="logistc", key=KEY),
            "did you mean 'logistic'",
        ),
        (lambda: cells.MinGRU(2, 0, key=KEY), "MinGRU: hidden_size must be at least 1, got 0"),
        (lambda: cells.MinLSTM(2, 0, key=KEY), "MinLSTM: hidden_size must be at least 1, got 0"),
        (lambda: cells.LRU(2, 3, least=0.9, most=0.5, key=KEY), "0 <= least < most < 1"),
        (lambda: cells.LRU(2, 3, phase=0, key=KEY), "LRU: phase must be above 0, got 0"),
        (lambda: cells.S5(2, 3, steps=(0, 1), key=KEY), "S5: expected 0 < low < high"),
        (lambda: cells.SelectiveSSM(0, key=KEY), "SelectiveSSM: features must be at least 1"),
        (
            lambda: cells.SelectiveSSM(2, steps=(1, 0.5), key=KEY),
            "SelectiveSSM: expected 0 < low < high",
        ),
        (lambda: cells.SLSTM(2, 3, heads=2, key=KEY), "hidden_size must be a multiple of heads"),
        (lambda: cells.MLSTM(2, 3, heads=2, key=KEY), "hidden_size must be a multiple of heads"),
        (lambda: cells.GatedGELU(0, key=KEY), "GatedGELU: size must be at least 1, got 0"),
        (
            lambda: cells.Zoneout(cells.LSTM(2, 3, key=KEY), 1.0),
            "the rate of hidden must be at least 0 and below 1, got 1.0",
        ),
        (
            lambda: cells.Zoneout(cells.LSTM(2, 3, key=KEY), rates={"memory": 0.1}),
            "LSTM has no state 'memory'; it has hidden, cell",
        ),
        (
            lambda: cells.Zoneout(Chain(cells.Linear(2, 3, key=KEY))),
            "has no state 'hidden'; it has none by name",
        ),
    ],
)
def test_refuses(make, message):
    with pytest.raises(UserError, match=message):
        make()
