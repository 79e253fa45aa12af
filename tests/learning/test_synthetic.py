"""Synthetic gradients: against backpropagation, with predictors that are right, 0 and learning."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from tapehead.cell import Cell, Chain
from tapehead.cells import Elman, Linear
from tapehead.errors import UserError
from tapehead.learning import (
    BPTT,
    Extended,
    SyntheticGradients,
    TruncatedBPTT,
    network_of,
    sequence_gradient,
    stream_gradient,
)
from tapehead.learning.predictor import Predicted
from tapehead.learning.view import View
from tapehead.models import MODELS
from tapehead.sequences import Sequences
from tapehead.testing.rules import (
    INPUTS,
    OUTPUTS,
    TIME,
    as_float64,
    assert_same,
    batch_of,
    named,
    squared_error,
)


class Clocked(Cell):
    """A cell whose state also counts the steps, in a number that a predictor sees."""

    cell: Cell
    input_size: int | None = eqx.field(static=True)
    output_size: int | None = eqx.field(static=True)

    def __init__(self, cell):
        self.cell, self.input_size, self.output_size = cell, cell.input_size, cell.output_size

    def initial_state(self, batch=(), *, key=None):
        inner = self.cell.initial_state(batch, key=key)
        return inner, jnp.zeros((*batch, 1), inner.hidden.dtype)

    def step(self, state, x):
        inner, y = self.cell.step(state[0], x)
        # Nothing is added to the clock and to the output, but now the clock is learned and matters.
        clock = state[1] + 1 + 0 * jnp.sum(inner.hidden, axis=-1, keepdims=True)
        return (inner, clock), y + 0 * clock


class Oracle(eqx.Module):
    """The gradient of all that is still to come, found by running on from the state."""

    network: Cell
    sequences: Sequences

    def __call__(self, told):
        view = View(self.network, self.network.initial_state(()), ())

        def coming(vector):
            state = view.join(vector, view.split(self.network.initial_state(()))[1])
            later = jnp.arange(TIME, dtype=float) >= state[0][1][0]
            _, outputs = self.network.unroll(state, self.sequences.inputs[:, 0], mask=later)
            losses = squared_error(outputs, self.sequences.targets[:, 0])
            return jnp.sum(jnp.where(later, self.sequences.weights[:, 0] * losses, 0))

        return Predicted(jax.grad(coming)(told), told[:0])


def small(wrapped=lambda cell: cell):
    keys = jax.random.split(jax.random.key(0), 2)
    cell = wrapped(Elman(INPUTS, 4, learned_initial_state=True, key=keys[0]))
    return as_float64(Chain(cell, Linear(4, OUTPUTS, key=keys[1])))


@eqx.filter_jit
def gradient(rule, model, sequences):
    return sequence_gradient(rule, model, sequences, squared_error)[0]


def test_a_predictor_that_is_right_makes_it_backpropagation(x64):
    model = small(Clocked)
    one = jax.tree.map(lambda x: x[:, :1], batch_of())
    exact = gradient(BPTT(), model, one)
    rule = SyntheticGradients(window=2)
    found = gradient(rule, Extended(model, Oracle(model, one)), one)
    assert_same("with an oracle", found.network, exact)


@pytest.mark.slow
def test_a_predictor_of_nothing_makes_it_truncated(x64):
    model = small()
    rule = SyntheticGradients(window=3, auxiliary=1.0, labels=True)
    begun = rule.extend(model, key=jax.random.key(1))
    cut = gradient(TruncatedBPTT(window=3), model, batch_of())
    found = gradient(rule, begun, batch_of())
    assert_same("as it begins", found.network, cut, 1e-12)
    # It has something to learn, in the one layer that is 0.
    norms = {path: np.abs(x).max() for path, x in named(found.helper).items()}
    assert {path for path, norm in norms.items() if norm > 0} == {
        ".layers[1].weight",
        ".layers[1].bias",
    }


@pytest.mark.slow
def test_the_target_is_what_comes_back_through_the_next_window(x64):
    """By hand, for a linear predictor: half the squared error's slope at each boundary."""
    model, sequences = small(), batch_of()
    rule = SyntheticGradients(window=3, layers=0, scale=0.5)
    begun = rule.extend(model, key=jax.random.key(1))
    random = np.random.default_rng(0)
    weight = jnp.asarray(random.normal(size=begun.helper.layers[0].weight.shape))
    begun = eqx.tree_at(lambda m: m.helper.layers[0].weight, begun, weight)
    found = gradient(rule, begun, sequences).helper.layers[0].weight

    total = jnp.sum(sequences.weights)
    states = [model.initial_state((2,))]
    for start in (0, 3):
        states.append(model.unroll(states[-1], sequences.inputs[start : start + 3])[0])

    def costs(state, start, stop, coming):
        state, outputs = model.unroll(state, sequences.inputs[start:stop])
        losses = squared_error(outputs, sequences.targets[start:stop])
        return jnp.sum(sequences.weights[start:stop] * losses) + jnp.sum(coming * state[0].hidden)

    expected = jnp.zeros_like(weight)
    for state, start, stop, coming in (
        (states[1], 3, 6, 0.5 * states[2][0].hidden @ weight.T),
        (states[2], 6, 7, jnp.zeros((2, 4))),
    ):
        back = jax.grad(costs)(state, start, stop, coming)[0].hidden
        expected += (state[0].hidden @ weight.T - back).T @ state[0].hidden / total
    np.testing.assert_allclose(found, expected, rtol=1e-9)


@pytest.mark.slow
def test_what_is_predicted_becomes_right():
    """The same sequences again and again: the bias of cutting time goes, as it is learned."""
    rule = SyntheticGradients(window=2, hidden=64, labels=True, auxiliary=0.1)
    model, sequences = small(), batch_of()
    model, sequences = jax.tree.map(
        lambda x: x.astype(jnp.float32) if eqx.is_inexact_array(x) else x, (model, sequences)
    )
    exact, cut = (gradient(r, model, sequences) for r in (BPTT(), TruncatedBPTT(window=2)))
    begun = rule.extend(model, key=jax.random.key(1))
    optimizer = optax.adam(3e-3)

    @eqx.filter_jit
    def learned(begun):
        arrays, static = eqx.partition(begun.helper, eqx.is_array)

        def body(before, _):
            arrays, state = before
            helper = eqx.combine(arrays, static)
            grads = sequence_gradient(rule, Extended(model, helper), sequences, squared_error)[0]
            change, state = optimizer.update(grads.helper, state)
            return (eqx.apply_updates(arrays, change), state), None

        with jax.numpy_dtype_promotion("standard"):
            (arrays, _), _ = jax.lax.scan(body, (arrays, optimizer.init(arrays)), None, length=600)
        return Extended(model, eqx.combine(arrays, static))

    found = gradient(rule, learned(begun), sequences).network

    def apart(grads):
        ours, theirs = (
            np.concatenate([leaf.ravel() for leaf in named(g).values()]) for g in (grads, exact)
        )
        return np.linalg.norm(ours - theirs) / np.linalg.norm(theirs)

    assert apart(found) < 0.1 * apart(cut)


@pytest.mark.slow
def test_along_a_stream_the_last_window_is_not_the_end(x64):
    model, rule = small(), SyntheticGradients(window=3)
    begun = rule.extend(model, key=jax.random.key(1))
    begun = eqx.tree_at(lambda m: m.helper.layers[1].bias, begun, jnp.ones(4, jnp.float64))
    alone = batch_of()._replace(mask=None)
    stream = alone._replace(more=jnp.array([True, False]))

    @eqx.filter_jit
    def first_part(sequences):
        carry = rule.begin(begun, (2,), key=None)
        return stream_gradient(rule, begun, carry, sequences, squared_error)[0].network

    # The readout sees no state of its own; the cell does, in the sequence that goes on.
    differences = jax.tree.map(jnp.subtract, first_part(stream), first_part(alone))
    assert np.abs(differences.cells[0].hidden_weight).max() > 1e-6
    assert np.abs(differences.cells[1].weight).max() == 0
    nowhere = alone._replace(more=jnp.zeros(2, bool))
    assert eqx.tree_equal(first_part(nowhere), first_part(alone))


def test_windows_know_whether_more_comes():
    mask = jnp.array([[True, True], [True, True], [True, False], [True, False], [True, False]])
    sequences = batch_of()._replace(mask=None)
    cut = jax.tree.map(lambda x: x[:5], sequences)
    assert cut.windows(2).more.tolist() == [[True, True], [True, True], [False, False]]
    masked = cut._replace(mask=mask)
    assert masked.windows(2).more.tolist() == [[True, False], [True, False], [False, False]]
    stream = cut._replace(more=jnp.array([True, False])).windows(5)
    assert stream.more.tolist() == [[True, False]]


def test_a_network_without_state_needs_no_predictor():
    model = Chain(Linear(INPUTS, OUTPUTS, key=jax.random.key(0)))
    begun = SyntheticGradients(window=3).extend(model, key=jax.random.key(1))
    assert begun.helper is None
    assert network_of(begun) is model
    assert network_of(model) is model


def test_refusals():
    rule = SyntheticGradients()
    key = jax.random.key(0)
    both = MODELS["lstm"](hidden=4, bidirectional=True).build(2, 1, key=key)
    with pytest.raises(UserError, match=r"SyntheticGradients: .*take bptt, or a network of one"):
        rule.extend(both, key=key)
    message = r"a predictor for 50 numbers of state would take 0\.0 gigabytes, more than the 1e-05"
    large = Chain(Elman(1, 50, key=key), Linear(50, 1, key=key))
    with pytest.raises(UserError, match=message):
        SyntheticGradients(gigabytes=1e-5).extend(large, key=key)
    with pytest.raises(
        UserError, match=r"give what `rule\.extend\(network, key=key\)` returns, got"
    ):
        rule.begin(small(), (1,), key=None)
    with pytest.raises(UserError, match="SyntheticGradients: scale must be between 0 and 1, got 2"):
        SyntheticGradients(scale=2.0)
    with pytest.raises(UserError, match="SyntheticGradients: window must be at least 1, got 0"):
        SyntheticGradients(window=0)
