"""Recurrent networks that remember.

The networks and what they are made of are here; the rest lies in `tapehead.tasks`,
`tapehead.training`, `tapehead.inspection`, `tapehead.datasets` and `tapehead.testing`.
"""

from tapehead.cell import Cell, Chain, run, scan
from tapehead.cells import GRU, LSTM, Dropout, Elman, Embedding, LayerNorm, Linear, Residual
from tapehead.errors import UserError
from tapehead.learning import BPTT, LearningRule, TruncatedBPTT
from tapehead.memory import DNC, NTM, DNCMemory, Memory, MemoryCell, NTMMemory
from tapehead.sequences import Sequences

__all__ = [
    "BPTT",
    "DNC",
    "GRU",
    "LSTM",
    "NTM",
    "Cell",
    "Chain",
    "DNCMemory",
    "Dropout",
    "Elman",
    "Embedding",
    "LayerNorm",
    "LearningRule",
    "Linear",
    "Memory",
    "MemoryCell",
    "NTMMemory",
    "Residual",
    "Sequences",
    "TruncatedBPTT",
    "UserError",
    "run",
    "scan",
]
