"""Networks with an external memory."""

import dataclasses
from dataclasses import dataclass
from typing import Any, Literal

from jaxtyping import PRNGKeyArray

from tapehead.cell import Cell
from tapehead.errors import UserError, at_least
from tapehead.memory import DNC, NTM
from tapehead.models.model import Model

Controller = Literal["lstm", "gru", "elman", "feedforward"]
Similarity = Literal["cosine", "dot", "negative-squared-distance"]


@dataclass(frozen=True)
class MemoryModel(Model):
    """What the memory networks have in common; every setting is an argument of the constructor."""

    slots: int = 32
    """Rows of the memory."""
    width: int = 16
    """Numbers in a row."""
    read_heads: int = 1
    """Vectors read at each step."""
    write_heads: int = 1
    """Writes at each step."""
    controller: Controller = "lstm"
    """The network that drives the memory."""
    controller_size: int = 100
    """Units in each of the controller's layers."""
    controller_layers: int = 1
    """Layers of the controller."""
    similarity: Similarity = "cosine"
    """How a key is compared with the rows of the memory."""
    clip: float | None = 20.0
    """The controller's and the network's outputs are held in [-clip, clip]; None: no limit."""

    def __post_init__(self):
        super().__post_init__()
        sizes = ("slots", "width", "read_heads", "write_heads")
        owner = type(self).__name__.removesuffix("Model")
        at_least(owner, 1, **{name: getattr(self, name) for name in sizes})
        at_least(owner, 1, controller_size=self.controller_size)
        at_least(owner, 1, controller_layers=self.controller_layers)
        if self.clip is not None and not self.clip > 0:
            raise UserError(f"{owner}: clip must be above 0 or None, got {self.clip}")

    def _arguments(self) -> dict[str, Any]:
        """The settings as arguments of the constructor; the embedding is a cell of its own."""
        return {k: v for k, v in dataclasses.asdict(self).items() if k != "embedding"}


@dataclass(frozen=True)
class NTMModel(MemoryModel):
    """Neural Turing Machine (Graves et al. 2014)."""

    slots: int = 128
    """Rows of the memory."""
    width: int = 20
    """Numbers in a row."""
    shift_range: int = 1
    """How far a head can move along the memory in one step, either way."""
    learned_memory: bool = False
    """Learn the memory's contents before the first step; otherwise all are 1e-6."""
    learned_weights: bool = False
    """Learn where the heads are before the first step; otherwise at the first slot."""
    learned_reads: bool = False
    """Learn the vectors taken as read before the first step; otherwise zero."""

    def __post_init__(self):
        super().__post_init__()
        at_least("NTM", 0, shift_range=self.shift_range)

    def network(self, input_size: int, output_size: int, *, key: PRNGKeyArray) -> Cell:
        """An `NTM`."""
        return NTM(input_size, output_size, **self._arguments(), key=key)


@dataclass(frozen=True)
class DNCModel(MemoryModel):
    """Differentiable Neural Computer (Graves, Wayne et al. 2016)."""

    links: Literal["full", "sparse", "none"] = "full"
    """How the order of writing is kept: in full, by its largest entries, or not at all."""
    link_entries: int = 8
    """Entries of the write weighting that enter sparse links."""
    key_masking: bool = False
    """Let a learned mask say which part of a row a look-up heeds."""
    erase_on_deallocation: bool = False
    """Erase what is freed."""
    sharpen_links: bool = False
    """Sharpen where the links lead."""
    interface_norm: bool = False
    """Normalise the interface vector."""
    bypass_dropout: float = 0.0
    """Dropout of the controller's output on its way past the memory."""

    def __post_init__(self):
        super().__post_init__()
        if not 0 <= self.bypass_dropout < 1:
            raise UserError(
                f"DNC: bypass_dropout must be at least 0 and below 1, got {self.bypass_dropout}"
            )
        if self.links == "sparse" and not 1 <= self.link_entries <= self.slots:
            raise UserError(
                f"DNC: link_entries must be between 1 and the {self.slots} slots, "
                f"got {self.link_entries}"
            )
        if self.links == "none" and self.sharpen_links:
            raise UserError(
                "DNC: sharpen_links needs links, got links 'none'; leave one of them out"
            )

    def network(self, input_size: int, output_size: int, *, key: PRNGKeyArray) -> Cell:
        """A `DNC`."""
        return DNC(input_size, output_size, **self._arguments(), key=key)
