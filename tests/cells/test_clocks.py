"""Cells that tick at different speeds: against NumPy, the protocol, and decoupled learning."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tapehead.cell import Chain, run
from tapehead.cells import Elman, Every, Linear, Slowed, TwoClocks
from tapehead.errors import UserError
from tapehead.testing import check_cell

KEY = jax.random.key(0)


def pair(key=KEY, period=3):
    """From 4 features to 1 answer of the fast one and 2 of the slow one, by messages of 2."""
    keys = jax.random.split(key, 3)
    fast = Chain(Elman(4, 5, key=keys[0]), Linear(5, 3, key=keys[1]))
    return TwoClocks(fast, Elman(2, 2, key=keys[2]), period)


@pytest.mark.slow
def test_promises():
    check_cell(pair, 4)


@pytest.mark.slow
def test_promises_of_what_is_slowed():
    check_cell(lambda key: Slowed(Elman(4, 3, learned_initial_state=True, key=key), 2), 4)


def elman(cell, xs, state):
    """The states of an Elman net, in NumPy."""
    states = []
    for x in xs:
        state = np.tanh(cell.input_weight @ x + cell.hidden_weight @ state + cell.bias)
        states.append(state)
    return np.array(states)


def test_against_numpy(x64):
    model = jax.tree.map(lambda x: np.asarray(x, np.float64), pair())
    xs = np.random.default_rng(0).normal(size=(7, 4))
    fast, slow = model.cells[0].cells, model.cells[2].cell
    given = elman(fast[0], xs, np.zeros(5)) @ fast[1].weight.T + fast[1].bias
    # Ticks are at the third and sixth step; the seventh holds what was given then.
    said = elman(slow, given[[2, 5], 1:], np.zeros(2))
    held = np.stack([0 * said[0], 0 * said[0], *[said[0]] * 3, *[said[1]] * 2])
    found = run(jax.tree.map(jnp.asarray, model), jnp.asarray(xs))
    np.testing.assert_allclose(found, np.concatenate([given[:, :1], held], axis=1), rtol=1e-12)


def test_every_sequence_has_its_own_clock():
    """Padding holds the clocks, and a new sequence sets them back."""
    xs = jnp.ones((6, 3, 4))
    mask = jnp.ones((6, 3), bool).at[0, 1].set(False)
    starts = jnp.zeros((6, 3), bool).at[2, 2].set(True)
    shown = run(Every(3), xs, mask=mask, starts=starts)[..., 0]
    assert shown.T.tolist() == [[0, 0, 1, 0, 0, 1], [0, 0, 0, 1, 0, 0], [0, 0, 0, 0, 1, 0]]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Every(0), "Every: period must be at least 1, got 0"),
        (lambda: Slowed(Every(2), 2), "Slowed: Every must have an output size of its own"),
        (
            lambda: TwoClocks(Elman(4, 2, key=KEY), Elman(3, 2, key=KEY), 2),
            "TwoClocks: the fast cell must give the message .* got 2 features for a message of 3",
        ),
    ],
)
def test_mistakes_are_named(make, message):
    with pytest.raises(UserError, match=message):
        make()


def test_what_is_slowed_is_not_computed_between():
    """The step of the slow cell is behind a condition, not a selection alone."""
    jaxpr = eqx.filter_make_jaxpr(lambda model, x: model.step(model.initial_state((2,)), x))
    made, *_ = jaxpr(Slowed(Elman(4, 3, key=KEY), 2), jnp.ones((2, 4)))
    names = [equation.primitive.name for equation in made.eqns]
    assert "cond" in names
    assert "dot_general" not in names
