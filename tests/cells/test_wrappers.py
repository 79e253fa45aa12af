"""Residual."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tapehead.cell import Chain, run
from tapehead.cells import LSTM, Dropout, LayerNorm, Linear, Residual
from tapehead.errors import UserError

KEY = jax.random.key(0)


def test_residual_adds_what_went_in():
    inner = LSTM(3, 3, key=KEY)
    xs = jax.random.normal(KEY, (4, 2, 3))
    np.testing.assert_allclose(run(Residual(inner), xs), xs + run(inner, xs), rtol=1e-6)
    assert Residual(inner).initial_state((2,)).hidden.shape == (2, 3)


def test_residual_shows_what_the_inner_cell_shows():
    inner = LSTM(3, 3, key=KEY)
    shown = Residual(inner).observe(inner.initial_state(), jnp.ones(3))
    assert set(shown) == {"input_gate", "forget_gate", "candidate", "output_gate"}


def test_residual_takes_cells_of_any_width():
    assert Residual(Dropout(0.5)).output_size is None
    assert Residual(LayerNorm(3)).output_size == 3


def test_sizes_must_match():
    message = r"Residual: the inner cell \(LSTM\) must give as many features .* got 2 in and 3 out"
    with pytest.raises(UserError, match=message):
        Residual(LSTM(2, 3, key=KEY))
    with pytest.raises(UserError, match=r"Residual: the inner cell \(Chain\)"):
        Residual(Chain(Linear(2, 3, key=KEY), LayerNorm(3)))
