"""Networks with an external memory."""

import abc
import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import jax
from jaxtyping import PRNGKeyArray

from tapehead.cell import Cell, Chain
from tapehead.cells import Linear
from tapehead.cells.halting import Kept
from tapehead.errors import UserError, at_least
from tapehead.memory.cell import MemoryCell
from tapehead.memory.dam import DAM, DAMMemory
from tapehead.memory.dnc import DNC, DNCMemory, Links
from tapehead.memory.ntm import NTM
from tapehead.memory.paired import paired
from tapehead.memory.sam import SAM, SAMMemory
from tapehead.memory.sdnc import SDNC, SDNCMemory
from tapehead.models.pondering import Pondering

Controller = Literal["lstm", "gru", "elman", "feedforward"]
Similarity = Literal["cosine", "dot", "negative-squared-distance"]
Lookup = Literal["exact", "written", "lsh"]
Usage = Literal["last-access", "discounted"]


@dataclass(frozen=True)
class Controlled(Pondering):
    """A controller joined to an external memory.

    Where the network is to ponder, controller and memory do so together. Then the readout is linear
    in what they give, of which there is as much as the controller has units: whether to halt could
    hardly be told from a few outputs.
    """

    controller: Controller = "lstm"
    """The network that drives the memory."""
    controller_size: int = 100
    """Units in each of the controller's layers."""
    controller_layers: int = 1
    """Layers of the controller."""

    def __post_init__(self):
        super().__post_init__()
        at_least(self.owner, 1, controller_size=self.controller_size)
        at_least(self.owner, 1, controller_layers=self.controller_layers)

    @property
    def owner(self) -> str:
        """The network's name in messages."""
        return type(self).__name__.removesuffix("Model")

    def settings(self) -> dict[str, Any]:
        """The arguments of the memory cell's constructor: all fields but the base classes'."""
        general = {field.name for field in dataclasses.fields(Pondering)}
        own = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        return {name: value for name, value in own.items() if name not in general}

    @abc.abstractmethod
    def memory_cell(self, input_size: int, output_size: int, *, key: PRNGKeyArray) -> Cell:
        """Controller and memory, from `input_size` features to `output_size`."""

    def network(self, input_size: int, output_size: int, *, key: PRNGKeyArray) -> Cell:
        """The memory cell, or one that ponders and a linear readout."""
        if self.ponder == "none":
            return self.memory_cell(input_size, output_size, key=key)
        cell_key, readout_key = jax.random.split(key)
        units = self.controller_size
        cell = self.pondered(
            lambda size, key: self.memory_cell(size, units, key=key), input_size, key=cell_key
        )
        return Chain(cell, Linear(units, output_size, key=readout_key))


@dataclass(frozen=True)
class Limited(Controlled):
    """One whose outputs are held within a range."""

    clip: float | None = 20.0
    """The controller's and the network's outputs are held in [-clip, clip]; None: no limit."""

    def __post_init__(self):
        super().__post_init__()
        if self.clip is not None and not self.clip > 0:
            raise UserError(f"{self.owner}: clip must be above 0 or None, got {self.clip}")


@dataclass(frozen=True)
class MemoryModel(Limited):
    """A controller joined to an external memory, with heads that read and write it."""

    slots: int = 32
    """Rows of the memory."""
    width: int = 16
    """Numbers in a row."""
    read_heads: int = 1
    """Vectors read at each step."""
    write_heads: int = 1
    """Writes at each step."""
    similarity: Similarity = "cosine"
    """How a key is compared with the rows of the memory."""

    def __post_init__(self):
        super().__post_init__()
        at_least(self.owner, 1, slots=self.slots, width=self.width)
        at_least(self.owner, 1, read_heads=self.read_heads, write_heads=self.write_heads)


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
    """Learn where the heads are before the first step; otherwise on the first slot."""
    learned_reads: bool = False
    """Learn the vectors taken as read before the first step; otherwise zero."""

    def __post_init__(self):
        super().__post_init__()
        at_least("NTM", 0, shift_range=self.shift_range)

    def memory_cell(self, input_size: int, output_size: int, *, key: PRNGKeyArray) -> Cell:
        """An `NTM`."""
        return NTM(input_size, output_size, **self.settings(), key=key)


@dataclass(frozen=True)
class DNCModel(MemoryModel):
    """Differentiable Neural Computer (Graves et al. 2016), with its published variants."""

    links: Links = "full"
    """Temporal links: full, sparse (the largest entries alone) or none (look-up by content)."""
    link_entries: int = 8
    """Entries of the write weights and of the precedence that enter sparse links."""
    key_masking: bool = False
    """A learned mask says which part of a row a look-up heeds (Csordás and Schmidhuber 2019)."""
    erase_on_deallocation: bool = False
    """What is freed is also erased (Csordás and Schmidhuber 2019)."""
    sharpen_links: bool = False
    """Reads along the links are sharpened as far as the controller asks (likewise)."""
    interface_norm: bool = False
    """Layer norm of the interface vector (Franke et al. 2018)."""
    bypass_dropout: float = 0.0
    """Dropout of the controller's output on its way to the readout (Franke et al. 2018)."""

    def __post_init__(self):
        super().__post_init__()
        if not 0 <= self.bypass_dropout < 1:
            raise UserError(
                f"DNC: bypass_dropout must be at least 0 and below 1, got {self.bypass_dropout}"
            )
        # The memory itself knows which options contradict each other.
        DNCMemory(
            self.slots,
            sharpen_links=self.sharpen_links,
            links=self.links,
            link_entries=self.link_entries,
        )

    def memory_cell(self, input_size: int, output_size: int, *, key: PRNGKeyArray) -> Cell:
        """A `DNC`."""
        return DNC(input_size, output_size, **self.settings(), key=key)


@dataclass(frozen=True)
class Pairing(Limited):
    """One that may be told, at the end of every input, the right answer to the step before."""

    paired: int = 0
    """Features of what is seen, where inputs end with the answer to the step before: looked up by
    them, and written beside the answer when that is told, without a controller. 0: no."""

    def __post_init__(self):
        super().__post_init__()
        at_least(self.owner, 0, paired=self.paired)
        if self.paired and self.ponder != "none":
            raise UserError(f"{self.owner}: paired has no controller to ponder; leave ponder out")

    def made(
        self, make: Callable[..., MemoryCell], inputs: int, outputs: int, *, key: PRNGKeyArray
    ) -> Cell:
        """The network that `make` makes, or one of pairs around it."""
        settings = self.settings()
        features = settings.pop("paired")
        if not features:
            return make(inputs, outputs, **settings, key=key)
        return paired(make, inputs, outputs, features=features, **settings, key=key)


@dataclass(frozen=True)
class SparseModel(Limited):
    """A memory of which a step reads and writes a few rows."""

    slots: int = 1024
    """Rows of the memory; there may be a million."""
    width: int = 32
    """Numbers in a row."""
    heads: int = 4
    """Heads, each of which reads and writes at each step."""
    reads: int = 4
    """Rows that a head reads at each step."""
    lookup: Lookup = "exact"
    """How rows are found by content: exact compares a key with all of them, written with those
    written so far, which finds the same, and lsh (hashing) with a few, which pays once some ten
    thousand are in use."""
    usage: Usage = "last-access"
    """Which slot is written anew: that of the earliest last access, in constant time, or that of
    the least weights so far, discounted, which takes time in proportion to the slots."""
    # What the memory keeps about its rows, such as when each was used, has no mean.
    ponder_keep: Kept = "last"
    """The state that goes on: the mean over the sub-steps, or the last one's."""


@dataclass(frozen=True)
class SAMModel(Pairing, SparseModel):
    """Sparse access memory (Rae, Hunt et al. 2016): steps that cost the same at any size."""

    def __post_init__(self):
        super().__post_init__()
        # The memory itself knows what fits together, and into the machine.
        SAMMemory(self.slots, self.width, heads=self.heads, reads=self.reads, lookup=self.lookup)

    def memory_cell(self, input_size: int, output_size: int, *, key: PRNGKeyArray) -> Cell:
        """A `SAM`."""
        return self.made(SAM, input_size, output_size, key=key)


@dataclass(frozen=True)
class SDNCModel(SparseModel):
    """Sparse DNC (Rae, Hunt et al. 2016): SAM that can also read on in the order of writing."""

    link_entries: int = 8
    """Links kept of a slot, to those written before it and to those written after."""

    def __post_init__(self):
        super().__post_init__()
        # The memory itself knows what fits together, and into the machine.
        SDNCMemory(
            self.slots,
            self.width,
            heads=self.heads,
            reads=self.reads,
            link_entries=self.link_entries,
            lookup=self.lookup,
        )

    def memory_cell(self, input_size: int, output_size: int, *, key: PRNGKeyArray) -> Cell:
        """An `SDNC`."""
        return SDNC(input_size, output_size, **self.settings(), key=key)


@dataclass(frozen=True)
class DAMModel(Pairing):
    """Dense access memory, the sparse one's control: every head reads and writes all rows."""

    slots: int = 64
    """Rows of the memory."""
    width: int = 32
    """Numbers in a row."""
    heads: int = 4
    """Heads, each of which reads and writes at each step."""
    discount: float = 0.99
    """What is left of a slot's usage after a step; the slot used least is written anew."""

    def __post_init__(self):
        super().__post_init__()
        # The memory itself knows what fits together.
        DAMMemory(self.slots, self.width, heads=self.heads, discount=self.discount)

    def memory_cell(self, input_size: int, output_size: int, *, key: PRNGKeyArray) -> Cell:
        """A `DAM`."""
        return self.made(DAM, input_size, output_size, key=key)
