"""Cells: one time step of a network that carries state."""

from tapehead.cells.layers import Dropout, Embedding, LayerNorm, Linear

__all__ = ["Dropout", "Embedding", "LayerNorm", "Linear"]
