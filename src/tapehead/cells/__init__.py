"""Cells: one time step of a network that carries state."""

from tapehead.cells.beside import Beside
from tapehead.cells.clocks import Every, EveryState, Slowed, SlowedState, TwoClocks
from tapehead.cells.complex_recurrence import ComplexRecurrence, ComplexState
from tapehead.cells.coupled_lstm import CoupledLSTM
from tapehead.cells.elman import Elman, ElmanState
from tapehead.cells.fully_recurrent import FullyRecurrent, FullyRecurrentState
from tapehead.cells.gru import GRU, GRUState
from tapehead.cells.hidden_recurrence import HiddenRecurrence, HiddenState
from tapehead.cells.indrnn import IndRNN
from tapehead.cells.interop import from_equinox, gru_from_torch, lstm_from_torch
from tapehead.cells.irnn import IRNN
from tapehead.cells.layer_norm_lstm import LayerNormLSTM
from tapehead.cells.layers import (
    Dropout,
    DropoutState,
    Embedding,
    GatedGELU,
    LayerNorm,
    Linear,
    ReLU,
)
from tapehead.cells.linear_recurrence import LinearRecurrence
from tapehead.cells.lru import LRU
from tapehead.cells.lstm import LSTM, LSTMState
from tapehead.cells.lstm1997 import LSTM1997, LSTM1997State
from tapehead.cells.mgu import MGU
from tapehead.cells.mingru import MinGRU
from tapehead.cells.minlstm import MinLSTM
from tapehead.cells.mlstm import MLSTM, MLSTMState
from tapehead.cells.peephole_lstm import PeepholeLSTM
from tapehead.cells.ponder import Ponder, PonderState
from tapehead.cells.pool import MaxState, MeanState, RunningMax, RunningMean
from tapehead.cells.projected_lstm import ProjectedLSTM
from tapehead.cells.reduced_gru import ReducedGRU
from tapehead.cells.s5 import S5
from tapehead.cells.selective import SelectiveSSM, SelectiveState
from tapehead.cells.skip_chain import SkipChain
from tapehead.cells.slstm import SLSTM, SLSTMState
from tapehead.cells.wrappers import Residual
from tapehead.cells.zoneout import Zoneout, ZoneoutState

__all__ = [
    "GRU",
    "IRNN",
    "LRU",
    "LSTM",
    "LSTM1997",
    "MGU",
    "MLSTM",
    "S5",
    "SLSTM",
    "Beside",
    "ComplexRecurrence",
    "ComplexState",
    "CoupledLSTM",
    "Dropout",
    "DropoutState",
    "Elman",
    "ElmanState",
    "Embedding",
    "Every",
    "EveryState",
    "FullyRecurrent",
    "FullyRecurrentState",
    "GRUState",
    "GatedGELU",
    "HiddenRecurrence",
    "HiddenState",
    "IndRNN",
    "LSTM1997State",
    "LSTMState",
    "LayerNorm",
    "LayerNormLSTM",
    "Linear",
    "LinearRecurrence",
    "MLSTMState",
    "MaxState",
    "MeanState",
    "MinGRU",
    "MinLSTM",
    "PeepholeLSTM",
    "Ponder",
    "PonderState",
    "ProjectedLSTM",
    "ReLU",
    "ReducedGRU",
    "Residual",
    "RunningMax",
    "RunningMean",
    "SLSTMState",
    "SelectiveSSM",
    "SelectiveState",
    "SkipChain",
    "Slowed",
    "SlowedState",
    "TwoClocks",
    "Zoneout",
    "ZoneoutState",
    "from_equinox",
    "gru_from_torch",
    "lstm_from_torch",
]
