"""Every cell keeps the promises of the protocol."""

import jax
import pytest

from tapehead.cell import Chain
from tapehead.cells import (
    GRU,
    IRNN,
    LRU,
    LSTM,
    LSTM1997,
    MGU,
    MLSTM,
    S5,
    SLSTM,
    CoupledLSTM,
    Dropout,
    Elman,
    Embedding,
    FullyRecurrent,
    IndRNN,
    LayerNorm,
    LayerNormLSTM,
    Linear,
    MinGRU,
    MinLSTM,
    PeepholeLSTM,
    ProjectedLSTM,
    ReducedGRU,
    Residual,
    SelectiveSSM,
    Zoneout,
)
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
    "peephole-lstm": lambda key: PeepholeLSTM(4, 3, key=key),
    "coupled-lstm": lambda key: CoupledLSTM(4, 3, key=key),
    "layer-norm-lstm": lambda key: LayerNormLSTM(4, 3, key=key),
    "projected-lstm": lambda key: ProjectedLSTM(4, 5, 3, key=key),
    "lstm-1997": lambda key: LSTM1997(4, 2, 2, spread=1.0, key=key),
    "lstm-2000": lambda key: LSTM1997(4, 2, 2, forget_gates=True, spread=1.0, key=key),
    "gru-1": lambda key: ReducedGRU(4, 3, variant=1, key=key),
    "gru-3": lambda key: ReducedGRU(4, 3, variant=3, key=key),
    "mgu": lambda key: MGU(4, 3, key=key),
    "indrnn": lambda key: IndRNN(4, 3, key=key),
    "irnn": lambda key: IRNN(4, 3, deviation=1.0, key=key),
    "fully-recurrent": lambda key: FullyRecurrent(
        4, 5, 3, connections=[[(i + j) % 3 > 0 for j in range(10)] for i in range(5)], key=key
    ),
    "mingru": lambda key: MinGRU(4, 3, key=key),
    "minlstm": lambda key: MinLSTM(4, 3, key=key),
    "lru": lambda key: LRU(4, 4, modes=3, key=key),
    "s5": lambda key: S5(4, 3, modes=3, steps=(0.1, 1.0), key=key),
    "selective": lambda key: SelectiveSSM(4, modes=3, steps=(0.1, 1.0), key=key),
    "slstm": lambda key: SLSTM(4, 4, heads=2, key=key),
    "mlstm": lambda key: MLSTM(4, 4, heads=2, key=key),
    "zoneout": lambda key: Zoneout(LSTM(4, 3, key=key), 0.3, rates={"cell": 0.5}),
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
