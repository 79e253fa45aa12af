"""Networks with an external memory."""

from dataclasses import dataclass
from typing import Literal

from jaxtyping import PRNGKeyArray

from tapehead.cell import Cell
from tapehead.errors import at_least
from tapehead.memory.ntm import NTM
from tapehead.models.model import Model

Controller = Literal["lstm", "gru", "elman", "feedforward"]
Similarity = Literal["cosine", "dot", "negative-squared-distance"]


@dataclass(frozen=True)
class NTMModel(Model):
    """Neural Turing Machine (Graves et al. 2014)."""

    slots: int = 128
    """Rows of the memory."""
    width: int = 20
    """Numbers in a row."""
    read_heads: int = 1
    """Vectors read at each step."""
    write_heads: int = 1
    """Writes at each step."""
    shift_range: int = 1
    """How far a head can move along the memory in one step, either way."""
    controller: Controller = "lstm"
    """The network that drives the memory."""
    controller_size: int = 100
    """Units in each of the controller's layers."""
    controller_layers: int = 1
    """Layers of the controller."""
    similarity: Similarity = "cosine"
    """How a key is compared with the rows of the memory."""
    learned_memory: bool = False
    """Learn the memory's contents before the first step; otherwise all are 1e-6."""
    learned_weights: bool = False
    """Learn where the heads are before the first step; otherwise at the first slot."""
    learned_reads: bool = False
    """Learn the vectors taken as read before the first step; otherwise zero."""
    clip: float | None = 20.0
    """The controller's and the network's outputs are held in [-clip, clip]; None: no limit."""

    def __post_init__(self):
        super().__post_init__()
        at_least(
            "NTM",
            1,
            slots=self.slots,
            width=self.width,
            read_heads=self.read_heads,
            write_heads=self.write_heads,
            controller_size=self.controller_size,
            controller_layers=self.controller_layers,
        )

    def network(self, input_size: int, output_size: int, *, key: PRNGKeyArray) -> Cell:
        """An `NTM`."""
        return NTM(
            input_size,
            output_size,
            slots=self.slots,
            width=self.width,
            read_heads=self.read_heads,
            write_heads=self.write_heads,
            shift_range=self.shift_range,
            controller=self.controller,
            controller_size=self.controller_size,
            controller_layers=self.controller_layers,
            similarity=self.similarity,
            learned_memory=self.learned_memory,
            learned_weights=self.learned_weights,
            learned_reads=self.learned_reads,
            clip=self.clip,
            key=key,
        )
