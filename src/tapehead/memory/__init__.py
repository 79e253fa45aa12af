"""External memories and the cells that use them."""

from tapehead.memory.cell import MemoryCell, MemoryCellState
from tapehead.memory.memory import Memory

__all__ = ["Memory", "MemoryCell", "MemoryCellState"]
