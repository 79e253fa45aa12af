"""Ponder: its equations, forward and gradient; its promises; and that it ends early."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from reference.finite_differences import gradient
from reference.lstm import lstm
from reference.ponder import ponder

from tapehead import (
    DNC,
    GRU,
    LSTM,
    Bidirectional,
    Chain,
    Elman,
    Embedding,
    Linear,
    Ponder,
    UserError,
)
from tapehead.cell import Cell, scan
from tapehead.inspection import trace
from tapehead.testing import check_cell

KEY = jax.random.key(0)
TIME, INPUTS, HIDDEN = 3, 2, 3


def restless(cell, bias=-1.5, factor=6.0):
    """The cell with a halting unit that has much to say, and says so after some sub-steps."""
    where = lambda c: (c.halt.weight, c.halt.bias)  # noqa: E731
    return eqx.tree_at(where, cell, (factor * cell.halt.weight, jnp.full(1, bias)))


def pondering(key=KEY, **settings):
    inner, own = jax.random.split(key)
    return restless(Ponder(LSTM(INPUTS + 1, HIDDEN, key=inner), cost=0.1, key=own, **settings))


def doubled(tree):
    return jax.tree.map(lambda x: x.astype(jnp.float64) if eqx.is_inexact_array(x) else x, tree)


def lstm_step(W, U, b):
    """One step of the reference, its state hidden and cell side by side."""

    def step(state, x):
        hidden, cell = lstm(W, U, b, *np.split(state, 2), [x])
        return np.concatenate([hidden[0], cell[0]]), hidden[0]

    return step


def wanted(outputs, states, costs):
    """Something that depends on all that comes of it."""
    return np.sum(np.sin(3 * outputs)) + np.sum(np.cos(states[-1])) + 0.1 * np.sum(costs)


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize(
    ("scheme", "keep", "most", "unroll"),
    [
        ("act", "mean", 15, Ponder.unroll),
        ("pondernet", "last", 9, Ponder.unroll),
        ("act", "mean", 15, scan),
        ("pondernet", "last", 9, scan),
    ],
)
def test_equations(scheme, keep, most, unroll):
    """Value and gradient, N being a constant.

    By the unroll of a gated cell, and step by step: with sub-steps in several segments and in one.
    """
    cell = doubled(pondering(halting=scheme, keep=keep, max_steps=most))
    names = ("input_weight", "hidden_weight", "bias")
    arrays = [np.asarray(getattr(cell.cell, name)) for name in names]
    arrays += [np.asarray(cell.halt.weight)[0], np.asarray(cell.halt.bias)]
    xs = np.random.default_rng(0).normal(size=(TIME, INPUTS))
    begin = np.random.default_rng(1).normal(size=2 * HIDDEN)
    settings = {"scheme": scheme, "keep": keep, "most": most}

    def reference(W, U, b, w, halt_bias, start, xs, **given):
        return ponder(lstm_step(W, U, b), w, halt_bias[0], start, xs, **settings, **given)

    @eqx.filter_jit
    @eqx.filter_value_and_grad(has_aux=True)
    def loss(given):
        cell, begin, xs = given
        state = cell.initial_state()
        first = type(state.inner)(*jnp.split(begin, 2))
        last, ys = unroll(cell, state._replace(inner=first), xs)
        ends = jnp.sum(jnp.cos(jnp.concatenate(last.inner)))
        return jnp.sum(jnp.sin(3 * ys)) + ends + cell.penalty(last), (last, ys)

    (value, (last, ys)), found = loss((cell, jnp.asarray(begin), jnp.asarray(xs)))
    outputs, states, costs, counts = reference(*arrays, begin, xs)
    np.testing.assert_allclose(ys, outputs, rtol=1e-9)
    np.testing.assert_allclose(jnp.concatenate(last.inner), states[-1], rtol=1e-9)
    np.testing.assert_allclose(last.pondered, np.sum(costs), rtol=1e-9)
    assert float(last.thoughts) == sum(counts)
    shares = np.bincount(counts, minlength=most + 1) / TIME
    np.testing.assert_allclose(cell.metrics(last)["ponder"], shares, rtol=1e-9)
    assert len(set(counts)) > 1
    assert max(counts) > 4, "one segment only"
    np.testing.assert_allclose(value, wanted(outputs, states, costs), rtol=1e-9)

    expected = gradient(lambda *a: wanted(*reference(*a, counts=counts)[:3]), [*arrays, begin, xs])
    of_cell, of_begin, of_xs = found
    got = [getattr(of_cell.cell, name) for name in names]
    got += [of_cell.halt.weight[0], of_cell.halt.bias, of_begin, of_xs]
    for ours, theirs in zip(got, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("inner", [Elman, GRU])  # by the general gradient, and by that of gates
def test_promises(inner):
    def make(key):
        return restless(Ponder(inner(INPUTS + 1, HIDDEN, key=key), max_steps=4, key=key))

    check_cell(make, INPUTS)


SMALL_DNC = {"slots": 3, "width": 2, "controller_size": 3}


def around_dnc(key, keep="last"):
    inner = DNC(INPUTS + 1, 2, **SMALL_DNC, controller="elman", key=key)
    return restless(Ponder(inner, max_steps=3, keep=keep, halting="pondernet", key=key))


@pytest.mark.slow  # pytest -m slow tests/cells/test_ponder.py
@pytest.mark.parametrize("make", [pondering, around_dnc])
def test_promises_around(make):
    check_cell(make, INPUTS)


def test_a_dnc_ponders():
    """The mean of its states is still a memory; check_cell, above, has its gradient."""
    cell = around_dnc(KEY, "mean")
    step = eqx.filter_jit(lambda cell, x: cell.step(cell.initial_state((2,)), x))
    after, y = step(cell, jnp.ones((2, INPUTS)))
    assert (np.asarray(after.thoughts) > 1).all()
    assert np.isfinite(y).all()
    for weights in (after.inner.memory.write_weights, after.inner.memory.read_weights):
        sums = np.sum(weights, axis=-1)
        assert ((sums > 0) & (sums <= 1 + 1e-5)).all()


class Counting(Cell):
    """Counts its steps, the same for all, and halts where the input says so."""

    input_size: int | None = eqx.field(static=True, default=2)
    output_size: int | None = eqx.field(static=True, default=2)

    def initial_state(self, batch=(), *, key=None):
        return jnp.zeros(batch, jnp.int32)

    def step(self, state, x):
        now = state + 1
        gone = (now.astype(x.dtype) >= x[..., 0]).astype(x.dtype)
        return now, jnp.stack([gone, x[..., 1]], axis=-1)


def counting(**settings):
    cell = Ponder(Counting(), max_steps=9, key=KEY, **settings)
    where = lambda c: (c.halt.weight, c.halt.bias)  # noqa: E731
    return eqx.tree_at(where, cell, (jnp.array([[60.0, 0.0]]), jnp.full(1, -30.0)))


def test_every_sequence_halts_by_itself():
    cell = counting()
    wanted = jnp.array([[1.0], [4.0], [20.0]])
    state, ys = cell.step(cell.initial_state((3,)), wanted)
    np.testing.assert_array_equal(state.thoughts, [1, 4, 9])
    np.testing.assert_array_equal(state.inner, [1, 4, 9])
    np.testing.assert_allclose(state.pondered, [2, 5, 10], atol=1e-6)
    # The flag was up at the first sub-step alone, and the last one's output is what counts.
    np.testing.assert_allclose(ys[:, 1], [1, 0, 0], atol=1e-6)


def test_the_control_always_takes_as_many():
    cell = counting(halting="repeat")
    state, ys = cell.step(cell.initial_state((2,)), jnp.array([[1.0], [4.0]]))
    np.testing.assert_array_equal(state.inner, [9, 9])
    np.testing.assert_array_equal(ys, [[1, 0], [1, 0]])
    np.testing.assert_array_equal(cell.penalty(state), [0, 0])


def test_what_has_halted_is_not_computed_any_more():
    """As many sub-steps are run as the slowest sequence takes, in the gradient as well."""
    run = []

    class Watched(Counting):
        def step(self, state, x):
            jax.debug.callback(lambda: run.append(1))
            return super().step(state, x)

    cell = eqx.tree_at(lambda c: c.cell, counting(), Watched())

    @jax.jit
    def loss(x):
        state, ys = cell.step(cell.initial_state((2,)), x)
        return jnp.sum(ys[:, 1]) + jnp.sum(cell.penalty(state))

    for slowest, steps in ((1.0, 1), (4.0, 4), (20.0, 9)):
        x = jnp.array([[1.0], [slowest]])
        jax.block_until_ready(loss(x))
        jax.effects_barrier()
        assert len(run) == steps
        run.clear()


def test_nothing_is_pondered_over_padding():
    cell = counting()
    xs = jnp.full((3, 2, 1), 3.0)
    mask = jnp.array([[True, True], [True, False], [True, False]])
    state, ys = cell.unroll(cell.initial_state((2,)), xs, mask=mask)
    plain, zs = scan(cell, cell.initial_state((2,)), xs, mask=mask)
    np.testing.assert_array_equal(state.thoughts, [5, 3])  # it had counted to 3 at the first input
    # Its state counts on, so that it halts at once from the second input on.
    np.testing.assert_allclose(state.taken[:, :4], [[0, 2, 0, 1], [0, 0, 0, 1]])
    assert not np.any(state.taken[:, 4:])
    np.testing.assert_array_equal(state.pondered, plain.pondered)
    np.testing.assert_array_equal(ys, zs)


def test_a_trace_shows_every_step():
    cell = Chain(pondering(max_steps=4), Linear(HIDDEN, 1, key=KEY))
    seen = trace(cell, jax.random.normal(KEY, (4, INPUTS)))
    np.testing.assert_array_equal(np.cumsum(seen.find("ponder")), seen.find("thoughts"))
    assert seen.find("ponder_cost").shape == (4,)
    assert seen.find("inner.forget_gate").shape == (4, HIDDEN)


class Paired(Counting):
    """Gives two arrays."""

    def step(self, state, x):
        state, y = super().step(state, x)
        return state, (y, y)


@pytest.mark.parametrize(
    ("cell", "settings", "message"),
    [
        (GRU, {"max_steps": 0}, "Ponder: max_steps must be at least 1, got 0"),
        (GRU, {"epsilon": 0.0}, "Ponder: epsilon must be above 0 and below 1, got 0.0"),
        (GRU, {"epsilon": 1.0}, "Ponder: epsilon must be above 0 and below 1, got 1.0"),
        (GRU, {"prior": 1.5}, "Ponder: prior must be above 0 and below 1, got 1.5"),
        (GRU, {"cost": -0.1}, "Ponder: cost must be at least 0, got -0.1"),
        (
            GRU,
            {"halting": "atc"},
            "Ponder: halting must be one of act, pondernet, repeat, got 'atc'; did you mean 'act'?",
        ),
        (GRU, {"keep": "first"}, "Ponder: keep must be one of mean, last, got 'first'"),
        (
            lambda *_, key: Paired(),
            {},
            "Ponder: the inner cell (Paired) must give one array of features a step, got 2 arrays",
        ),
        (
            lambda *_, key: Embedding(4, 3, key=key),
            {},
            "Ponder: the inner cell (Embedding) must take a fixed number of features, at least 2 "
            "with the flag, got None",
        ),
        (
            lambda *_, key: Bidirectional(GRU(3, 2, key=key), GRU(3, 2, key=key)),
            {},
            "Ponder: cuts time into windows, but Bidirectional must read a sequence whole; take a "
            "network of one direction",
        ),
    ],
)
def test_mistakes_are_named(cell, settings, message):
    with pytest.raises(UserError) as raised:
        Ponder(cell(INPUTS + 1, HIDDEN, key=KEY), key=KEY, **settings)
    assert str(raised.value) == message
