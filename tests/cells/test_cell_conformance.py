"""Every cell keeps the promises of the protocol."""

import jax
import pytest

from tapehead.cell import Chain
from tapehead.cells import GRU, LSTM, Dropout, Elman, Embedding, LayerNorm, Linear, Residual
from tapehead.testing import check_cell

CELLS = {
    "linear": lambda key: Linear(4, 3, key=key),
    "linear-no-bias": lambda key: Linear(4, 3, use_bias=False, key=key),
    "layer-norm": lambda key: LayerNorm(4),
    "dropout": lambda key: Dropout(0.5),
    "dropout-per-sequence": lambda key: Dropout(0.5, per_sequence=True),
    "elman-tanh": lambda key: Elman(4, 3, key=key),
    "elman-relu": lambda key: Elman(4, 3, activation="relu", learned_initial_state=True, key=key),
    "lstm": lambda key: LSTM(4, 3, key=key),
    "lstm-learned": lambda key: LSTM(4, 3, learned_initial_state=True, key=key),
    "gru": lambda key: GRU(4, 3, key=key),
    "gru-reset-before-learned": lambda key: GRU(
        4, 3, reset_after=False, learned_initial_state=True, key=key
    ),
    "residual": lambda key: Residual(GRU(4, 4, key=key)),
    "residual-layer": lambda key: Residual(LayerNorm(4)),
}


@pytest.mark.parametrize("name", CELLS)
def test_promises(name):
    check_cell(CELLS[name], 4)


def test_promises_of_embedding():
    check_cell(lambda key: Embedding(5, 3, key=key), 5, tokens=True)


def test_promises_of_a_chain():
    def make(key):
        first, second, third = jax.random.split(key, 3)
        return Chain(
            Linear(4, 3, key=first),
            Dropout(0.3),
            LSTM(3, 3, key=second),
            LayerNorm(3),
            Elman(3, 2, key=third),
        )

    check_cell(make, 4)
