"""External memories and the cells that use them."""

from tapehead.memory.cell import MemoryCell, MemoryCellState
from tapehead.memory.dnc import DNC, DNCInterface, DNCMemory, DNCState
from tapehead.memory.memory import Memory
from tapehead.memory.ntm import NTM, NTMInterface, NTMMemory, NTMState

__all__ = [
    "DNC",
    "NTM",
    "DNCInterface",
    "DNCMemory",
    "DNCState",
    "Memory",
    "MemoryCell",
    "MemoryCellState",
    "NTMInterface",
    "NTMMemory",
    "NTMState",
]
