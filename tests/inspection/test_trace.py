"""A trace is what stepping by hand sees."""

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jaxtyping import Array

from tapehead.cell import Cell, Chain, run
from tapehead.cells.layers import Dropout, Embedding, Linear
from tapehead.errors import UserError
from tapehead.inspection import fields_of, trace


class LeakyState(NamedTuple):
    hidden: Array
    count: Array


class Leaky(Cell):
    """h ← decay · h + x, with a gate to show and a count of the steps taken."""

    decay: float = 0.5
    input_size: int | None = eqx.field(static=True, default=None)
    output_size: int | None = eqx.field(static=True, default=None)

    def initial_state(self, batch=(), *, key=None):
        return LeakyState(jnp.zeros((*batch, 3)), jnp.zeros(batch, jnp.int32))

    def step(self, state, x):
        hidden = self.decay * state.hidden + x
        return LeakyState(hidden, state.count + 1), jnp.tanh(hidden)

    def observe(self, state, x):
        return {"gates": {"leak": jax.nn.sigmoid(state.hidden + x)}}


def by_hand(model, inputs, mask=None, starts=None):
    """Step one sequence at a time, in Python."""
    states, shown, outputs = [], [], []
    state = model.initial_state()
    for t, x in enumerate(inputs):
        if starts is not None and starts[t]:
            state = model.initial_state()
        seen = model.observe(state, x)
        after, y = model.step(state, x)
        if mask is not None and not mask[t]:
            after, y, seen = state, jnp.zeros_like(y), jax.tree.map(jnp.zeros_like, seen)
        state = after
        states.append(state)
        shown.append(seen)
        outputs.append(y)
    stack = lambda trees: jax.tree.map(lambda *leaves: np.stack(leaves), *trees)  # noqa: E731
    return stack(states), stack(shown), np.stack(outputs)


INPUTS = np.random.default_rng(0).normal(size=(6, 2, 3)).astype(np.float32)
MASK = np.array([[1, 1, 0, 1, 1, 0], [1, 0, 1, 1, 0, 1]], bool).T
STARTS = np.array([[0, 0, 0, 1, 0, 0], [0, 0, 1, 0, 0, 1]], bool).T


@pytest.mark.parametrize("guarded", [False, True], ids=["plain", "mask and starts"])
def test_equals_stepping_by_hand(guarded):
    guards = {"mask": jnp.asarray(MASK), "starts": jnp.asarray(STARTS)} if guarded else {}
    seen = trace(Leaky(), jnp.asarray(INPUTS), **guards)
    assert seen.names == ("count", "gates.leak", "hidden")
    for lane in range(2):
        own = {k: v[:, lane] for k, v in guards.items()}
        states, shown, outputs = by_hand(Leaky(), jnp.asarray(INPUTS[:, lane]), **own)
        one = seen.lane(lane)
        np.testing.assert_allclose(one.find("hidden"), states.hidden, rtol=1e-6)
        np.testing.assert_array_equal(one.find("count"), states.count)
        np.testing.assert_allclose(one.find("leak"), shown["gates"]["leak"], rtol=1e-6)
        np.testing.assert_allclose(one.outputs, outputs, rtol=1e-6)


def test_any_batch_axes():
    flat = trace(Leaky(), jnp.asarray(INPUTS))
    spread = trace(Leaky(), jnp.asarray(INPUTS).reshape(6, 2, 1, 3))
    alone = trace(Leaky(), jnp.asarray(INPUTS[:, 1]))
    assert spread.find("hidden").shape == (6, 2, 1, 3)
    np.testing.assert_allclose(spread.lane(1, 0).find("hidden"), flat.lane(1).find("hidden"))
    np.testing.assert_allclose(alone.find("hidden"), flat.lane(1).find("hidden"), rtol=1e-6)


def test_chain_members_go_by_position():
    key = jax.random.key(0)
    model = Chain(Embedding(5, 3, key=key), Leaky(), Dropout(0.5), Linear(3, 2, key=key))
    tokens = jnp.asarray([[0, 1], [4, 2], [3, 3]])
    seen = trace(model, tokens)
    assert seen.names == ("1.count", "1.gates.leak", "1.hidden")
    np.testing.assert_allclose(seen.outputs, run(model, tokens, feature_axes=0), rtol=1e-6)
    inner = trace(Leaky(), model.cells[0](tokens))
    np.testing.assert_allclose(seen.find("1.hidden"), inner.find("hidden"), rtol=1e-6)
    np.testing.assert_allclose(seen.find("leak"), inner.find("leak"), rtol=1e-6)


def test_random_keys_are_left_out_but_used():
    model = Chain(Leaky(), Dropout(0.5))
    xs = jnp.asarray(INPUTS)
    noisy = trace(model, xs, key=jax.random.key(1))
    assert noisy.names == trace(model, xs).names
    np.testing.assert_allclose(noisy.outputs, run(model, xs, key=jax.random.key(1)), rtol=1e-6)
    assert np.mean(np.asarray(noisy.outputs) == 0) > 0.2


def test_fields_selects_and_find_finds_one():
    seen = trace(Leaky(), jnp.asarray(INPUTS), fields=("gates.*", "count"))
    assert seen.names == ("count", "gates.leak")
    whole = trace(Chain(Leaky(), Leaky()), jnp.asarray(INPUTS))
    assert set(whole.find_all("hidden")) == {"0.hidden", "1.hidden"}
    assert set(whole.find_all("1.*")) == {"1.count", "1.gates.leak", "1.hidden"}
    with pytest.raises(UserError, match=r"'hidden' names several fields: 0.hidden, 1.hidden"):
        whole.find("hidden")
    with pytest.raises(UserError, match=r"no field 'hiden'; did you mean 'hidden'\?"):
        whole.find("hiden")
    assert "idden" not in whole.find_all("idden")


def test_shapes_without_computing():
    shapes = fields_of(Leaky(), jnp.asarray(INPUTS))
    assert shapes["hidden"].shape == (6, 2, 3)
    assert set(shapes) == {"count", "gates.leak", "hidden"}


def test_mistakes_are_named():
    with pytest.raises(UserError, match=r"no field 'hiddn'; did you mean 'hidden'\? \(this model"):
        trace(Leaky(), jnp.asarray(INPUTS), fields=("hiddn",))
    with pytest.raises(UserError, match=r"inputs must be \(time, \*batch, features\)"):
        trace(Leaky(), jnp.zeros(3))


class Twice(Leaky):
    input_size: int | None = eqx.field(static=True, default=None)
    output_size: int | None = eqx.field(static=True, default=None)

    def observe(self, state, x):
        return {"hidden": x}


def test_an_observed_name_may_not_hide_a_state_field():
    with pytest.raises(UserError, match=r"Twice.observe shows hidden, which its state already"):
        trace(Twice(), jnp.asarray(INPUTS))
