"""Two networks at different speeds: what is sent back for messages and states."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from oracles import Told

from tapehead.cell import Chain
from tapehead.cells import Elman, Linear, TwoClocks
from tapehead.learning import BPTT, Decoupled, Extended, sequence_gradient
from tapehead.learning.interfaces import Interface
from tapehead.learning.view import View
from tapehead.sequences import Sequences
from tapehead.testing.rules import as_float64, assert_same, named, squared_error

PERIOD, TIME = 2, 4
KEYS = jax.random.split(jax.random.key(0), 3)


def pair():
    fast = Chain(Elman(3, 4, key=KEYS[0]), Linear(4, 3, key=KEYS[1]))
    return as_float64(TwoClocks(fast, Elman(2, 2, key=KEYS[2]), PERIOD))


def batch():
    """One sequence; the fast one's answer counts everywhere, the slow one's at the end alone."""
    random = np.random.default_rng(0)
    targets = random.normal(size=(TIME, 1, 3))
    targets[:-1, :, 1:] = 0
    return Sequences(
        inputs=jnp.asarray(random.normal(size=(TIME, 1, 3))),
        targets=jnp.asarray(targets),
        weights=jnp.ones((TIME, 1)),
    )


def loss(outputs, targets):
    """A target of 0 is not asked for."""
    return squared_error(jnp.where(targets == 0, 0, outputs), targets)


def by_hand(model, sequences):
    """What backpropagation brings to messages and to states in the middle, without any rule.

    In NumPy: the slope of the whole loss along each of their numbers, by central differences.
    """
    fast, slow = model.cells[0], model.cells[2].cell
    xs, targets = sequences.inputs, sequences.targets

    @jax.jit
    def whole(push_fast, push_slow, nudge):
        state, kept, slow_state = fast.initial_state((1,)), [], slow.initial_state((1,))
        paid, said = 0.0, []
        for t in range(TIME):
            if t == PERIOD:
                kept = [state[0].hidden, slow_state.hidden]
                state = (state[0]._replace(hidden=state[0].hidden + push_fast), *state[1:])
                slow_state = slow_state._replace(hidden=slow_state.hidden + push_slow)
            state, given = fast.step(state, xs[t])
            paid += jnp.sum((given[:, :1] - targets[t, :, :1]) ** 2)
            if (t + 1) % PERIOD == 0:
                said.append(given[:, 1:])
                slow_state, answer = slow.step(slow_state, given[:, 1:] + nudge[len(said) - 1])
        paid += jnp.sum((answer - targets[-1, :, 1:]) ** 2)
        return paid, (kept, said)

    zeros = (np.zeros((1, 4)), np.zeros((1, 2)), np.zeros((2, 1, 2)))
    _, (kept, said) = whole(*map(jnp.asarray, zeros))
    slopes = []
    for place, zero in enumerate(zeros):
        slope = np.zeros_like(zero)
        for index in np.ndindex(zero.shape):
            ends = []
            for sign in (1e-6, -1e-6):
                moved = [z.copy() for z in zeros]
                moved[place][index] = sign
                ends.append(float(whole(*map(jnp.asarray, moved))[0]))
            slope[index] = (ends[0] - ends[1]) / 2e-6
        slopes.append(slope)
    return kept, said, slopes


@eqx.filter_jit
def gradient(rule, model, sequences):
    return sequence_gradient(rule, model, sequences, loss)[0]


@pytest.mark.slow
def test_interfaces_that_are_right_make_it_backpropagation(x64):
    """The slow one answers at the end alone, and yet the fast one has all of its gradient."""
    model, sequences = pair(), batch()
    (fast, _), said, (of_fast, of_slow, of_messages) = by_hand(model, sequences)
    # Between its ticks, what the slow one is given does not matter.
    told = jnp.concatenate([jnp.zeros((1, 2)), *said])
    back = jnp.concatenate([jnp.zeros((1, 2)), jnp.asarray(of_messages)[:, 0]])
    # The slow one's last output is a part of its state, and is not looked at again.
    view = View(model.cells[2], model.cells[2].initial_state((1,)), (1,))
    state = model.cells[2].initial_state((1,))
    moved = state._replace(inner=state.inner._replace(hidden=jnp.asarray(of_slow)))
    later, _ = view.lanes(view.split)(moved)
    helper = (
        Interface(None, Told(fast, jnp.asarray(of_fast), 4)),
        None,
        Interface(Told(told, back, 2), Told(jnp.zeros_like(later), later, later.shape[-1])),
    )
    found = gradient(Decoupled(window=PERIOD), Extended(model, helper), sequences)
    exact = gradient(BPTT(), model, sequences)
    assert_same("with oracles", found.network, exact, 1e-6)


@pytest.mark.slow
def test_messages_are_taught_what_comes_back(x64):
    """In the last window nothing is predicted: its message's slope is that of the slow answer."""
    model, sequences = pair(), batch()
    rule = Decoupled(window=PERIOD, layers=0)
    begun = rule.extend(model, key=KEYS[0])
    assert [one is None for one in begun.helper] == [False, True, False]
    found = gradient(rule, begun, sequences).helper[2].input.layers[0]
    _, said, (_, _, of_messages) = by_hand(model, sequences)
    # A prediction of 0 is off by the slope, once; in the first window nothing comes back yet.
    error = -of_messages[1] / TIME
    np.testing.assert_allclose(found.weight, error.T @ np.asarray(said[1]), rtol=1e-6)
    np.testing.assert_allclose(found.bias, error[0], rtol=1e-6)


@pytest.mark.slow
def test_the_fast_one_needs_nothing_of_the_slow_one(x64):
    """Whatever the slow network is, the fast one's gradient is the same."""
    model, sequences = pair(), batch()
    rule = Decoupled(window=PERIOD, layers=0)
    begun = rule.extend(model, key=KEYS[0])
    random = np.random.default_rng(2)
    filled = jax.tree.map(
        lambda x: jnp.asarray(random.normal(size=x.shape)) if eqx.is_array(x) else x, begun.helper
    )
    begun = Extended(model, filled)
    other = eqx.tree_at(lambda m: m.network.cells[2], begun, replace_fn=lambda c: scaled(c, -2.0))
    one, same = (gradient(rule, m, sequences).network for m in (begun, other))
    assert_same("the fast one", one.cells[0], same.cells[0], 1e-12)
    assert any(np.abs(x).max() > 0 for x in named(one.cells[0]).values())


def scaled(cell, by):
    return jax.tree.map(lambda x: by * x if eqx.is_inexact_array(x) else x, cell)
