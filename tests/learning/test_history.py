"""Truncated BPTT whose gradients go back further than a window."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tapehead.cell import Chain
from tapehead.cells import Elman, Linear
from tapehead.errors import UserError
from tapehead.learning import BPTT, TruncatedBPTT, stream_gradient
from tapehead.testing.rules import (
    Costly,
    as_float64,
    assert_same,
    batch_of,
    by_rule,
    check_rule,
    small_models,
    squared_error,
)


def small():
    keys = jax.random.split(jax.random.key(0), 2)
    cell = Costly(Elman(3, 4, learned_initial_state=True, key=keys[0]))
    return as_float64(Chain(cell, Linear(4, 2, key=keys[1])))


@pytest.mark.slow
@pytest.mark.parametrize(("window", "history"), [(2, 5), (3, 4)])
def test_a_history_that_covers_the_sequence_makes_it_backpropagation(x64, window, history):
    """With a penalty, a learned initial state and padding."""
    exact, seen = by_rule(BPTT(), small(), batch_of(6))
    found, cut = by_rule(TruncatedBPTT(window=window, history=history), small(), batch_of(6))
    assert_same("history", found, exact, 1e-12)
    np.testing.assert_allclose(cut.outputs, seen.outputs, atol=1e-12)
    np.testing.assert_allclose(cut.loss, seen.loss, rtol=1e-12)


def slope(window, history):
    """Of the last of five losses, y = h_5 and h_t = w h_{t-1} + x_t, with respect to w."""
    key = jax.random.key(0)
    model = as_float64(Elman(1, 1, activation="relu", key=key))
    values = {"input_weight": 1.0, "hidden_weight": 0.5, "bias": 0.0}
    for name, value in values.items():
        leaf = getattr(model, name)
        model = eqx.tree_at(lambda m, n=name: getattr(m, n), model, jnp.full_like(leaf, value))
    sequences = batch_of()._replace(mask=None)
    sequences = jax.tree.map(lambda x: x[:5, :1, ...], sequences)._replace(
        inputs=jnp.arange(1.0, 6.0)[:, None, None],
        targets=jnp.zeros((5, 1, 1)),
        weights=jnp.zeros((5, 1)).at[-1].set(1.0),
    )
    rule = TruncatedBPTT(window=window, history=history)
    carry = rule.begin(model, (1,), key=None)
    grads, _, _ = stream_gradient(rule, model, carry, sequences, lambda y, t: y[..., 0])
    return float(grads.hidden_weight[0, 0])


@pytest.mark.slow
def test_by_hand(x64):
    w, h = 0.5, [0.0, 1.0, 2.5, 4.25, 6.125]
    terms = [w**k * h[4 - k] for k in range(5)]
    assert slope(1, 0) == pytest.approx(terms[0])
    assert slope(1, 1) == pytest.approx(sum(terms[:2]))
    assert slope(1, 3) == pytest.approx(sum(terms[:4]))
    # Windows 1-2, 3-4, 5: the last begins at step 5, two steps of history before it.
    assert slope(2, 2) == pytest.approx(sum(terms[:3]))
    assert slope(2, 1) == pytest.approx(sum(terms[:2]))


@pytest.mark.slow
@pytest.mark.parametrize("history", [1, 3])
def test_conformance(history):
    models = {kind: small_models()[kind] for kind in ("stateless", "elman")}
    check_rule(TruncatedBPTT(window=2, history=history), models=models)


@pytest.mark.slow
def test_a_sequence_that_begins_anew_has_no_past(x64):
    """In the lane that is renewed, the second part is as if it came first."""
    model, rule = small(), TruncatedBPTT(window=2, history=3)
    begun = rule.begin(model, (2,), key=None)

    @eqx.filter_jit
    def part(carry, sequences):
        return stream_gradient(rule, model, carry, sequences, squared_error)

    _, carry, _ = part(begun, batch_of(7))
    renewed = rule.renew(carry, begun, jnp.array([True, True]))
    assert_same("renewed", part(renewed, batch_of(7))[0], part(begun, batch_of(7))[0], 1e-12)
    one = batch_of(7)._replace(weights=batch_of(7).weights.at[:, 1].set(0.0))
    half = rule.renew(carry, begun, jnp.array([True, False]))
    assert part(half, one)[2].loss == pytest.approx(float(part(begun, one)[2].loss))


def test_a_history_below_nothing_is_refused():
    with pytest.raises(UserError, match="TruncatedBPTT: history must be at least 0, got -1"):
        TruncatedBPTT(history=-1)
