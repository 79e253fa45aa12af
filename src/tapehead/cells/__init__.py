"""Cells: one time step of a network that carries state."""

from tapehead.cells.elman import Elman, ElmanState
from tapehead.cells.gru import GRU, GRUState
from tapehead.cells.interop import from_equinox, gru_from_torch, lstm_from_torch
from tapehead.cells.layers import Dropout, DropoutState, Embedding, LayerNorm, Linear
from tapehead.cells.lstm import LSTM, LSTMState
from tapehead.cells.wrappers import Residual

__all__ = [
    "GRU",
    "LSTM",
    "Dropout",
    "DropoutState",
    "Elman",
    "ElmanState",
    "Embedding",
    "GRUState",
    "LSTMState",
    "LayerNorm",
    "Linear",
    "Residual",
    "from_equinox",
    "gru_from_torch",
    "lstm_from_torch",
]
