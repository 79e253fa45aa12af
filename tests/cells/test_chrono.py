"""What units hold at first, with `chrono`."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tapehead.cells import GRU, LSTM, MinGRU, MinLSTM
from tapehead.errors import UserError

HIDDEN = 400
CELLS = {
    "lstm": LSTM,
    "gru": GRU,
    "gru, reset before": lambda *sizes, **options: GRU(*sizes, reset_after=False, **options),
    "mingru": MinGRU,
    "minlstm": MinLSTM,
}


def held(cell):
    """The share of its state that each unit keeps in a step, where nothing drives its gates."""
    quiet = jax.tree.map(lambda x: jnp.zeros_like(x) if x.ndim > 1 else x, cell)

    def after(amount):
        state = jax.tree.map(lambda x: jnp.full_like(x, amount), cell.initial_state())
        state, _ = quiet.step(state, jnp.zeros(2))
        return getattr(state, "cell", state.hidden)

    return np.asarray(after(1.0) - after(0.0))


@pytest.mark.parametrize("name", CELLS)
def test_units_remember_for_as_long_as_is_asked_for(name):
    shares = held(CELLS[name](2, HIDDEN, chrono=100, key=jax.random.key(0)))
    steps = shares / (1 - shares)
    assert steps.min() >= 0.99
    assert steps.max() <= 99.5
    # Evenly spread over 1 to 99: the mean of 400 is within 4 of its standard errors.
    assert abs(steps.mean() - 50) < 4 * 98 / np.sqrt(12 * HIDDEN)


@pytest.mark.parametrize("name", ["lstm", "minlstm"])
def test_what_remembers_for_long_lets_little_in(name):
    cell = CELLS[name](2, HIDDEN, chrono=100, key=jax.random.key(0))
    first, second = cell.bias[:HIDDEN], cell.bias[HIDDEN : 2 * HIDDEN]
    np.testing.assert_array_equal(first, -second)


@pytest.mark.parametrize("name", CELLS)
@pytest.mark.parametrize("chrono", [2, float("nan")])
def test_too_short_a_memory_is_refused(name, chrono):
    with pytest.raises(UserError, match=rf"chrono must be above 2 steps, got {chrono}"):
        CELLS[name](2, 3, chrono=chrono, key=jax.random.key(0))


@pytest.mark.parametrize("name", CELLS)
def test_all_else_is_drawn_as_without(name):
    plain, lasting = (CELLS[name](2, 3, chrono=c, key=jax.random.key(0)) for c in (None, 50))
    assert eqx.tree_equal(*(eqx.tree_at(lambda c: c.bias, c, None) for c in (plain, lasting)))
