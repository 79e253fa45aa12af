"""Recurrent networks without external memory: layers of one cell and a linear readout."""

import abc
from dataclasses import dataclass
from typing import Literal

import jax
from jaxtyping import PRNGKeyArray

from tapehead.cell import Cell, Chain
from tapehead.cells import GRU, LSTM, Elman, SkipChain
from tapehead.errors import at_least
from tapehead.models.layered import Layered
from tapehead.models.pondering import Pondering


@dataclass(frozen=True)
class Recurrent(Pondering, Layered):
    """Layers of one kind of cell, dropout after each, and a linear readout.

    Where the network is to ponder, every layer does so by itself.
    """

    skip: bool = False
    """Let every layer see the input as well, and the readout every layer (Graves 2013)."""

    def __post_init__(self):
        super().__post_init__()
        if self.skip:
            at_least(f"{type(self).__name__} with skip", 2, layers=self.layers)

    @abc.abstractmethod
    def layer(self, input_size: int, *, key: PRNGKeyArray) -> Cell:
        """One layer, from `input_size` features to `hidden`."""

    def network(self, input_size: int, output_size: int, *, key: PRNGKeyArray) -> Cell:
        """The layers and the readout, as one chain."""
        *layer_keys, readout_key = jax.random.split(key, self.layers + 1)
        width = 2 * self.hidden if self.bidirectional else self.hidden
        sizes = [input_size] + [input_size + width if self.skip else width] * (self.layers - 1)
        layers = [
            [
                self.directed(
                    lambda key, size=size: self.pondered(
                        lambda size, key: self.layer(size, key=key), size, key=key
                    ),
                    merge="concatenate",
                    key=layer_key,
                ),
                *self.dropped(),
            ]
            for size, layer_key in zip(sizes, layer_keys, strict=True)
        ]
        if self.skip:
            width *= self.layers
            cells = [SkipChain(*(Chain(*layer) for layer in layers))]
        else:
            cells = [cell for layer in layers for cell in layer]
        return Chain(*cells, *self.readout(width, output_size, key=readout_key))


@dataclass(frozen=True)
class ElmanModel(Recurrent):
    """A simple recurrent network (Elman 1990)."""

    learned_initial_state: bool = False
    """Learn the state before the first step; otherwise it is zero."""
    activation: Literal["tanh", "relu"] = "tanh"
    """Squashing of each unit."""

    def layer(self, input_size: int, *, key: PRNGKeyArray) -> Cell:
        """An `Elman` cell."""
        return Elman(
            input_size,
            self.hidden,
            activation=self.activation,
            learned_initial_state=self.learned_initial_state,
            key=key,
        )


@dataclass(frozen=True)
class LSTMModel(Recurrent):
    """Long short-term memory (Hochreiter and Schmidhuber 1997)."""

    learned_initial_state: bool = False
    """Learn the state before the first step; otherwise it is zero."""
    forget_bias: float = 1.0
    """Added to the forget gate's bias at the start, so that the cell begins by remembering."""
    chrono: float | None = None
    """The longest dependency to expect, in steps, if any: how long units remember at first."""

    def layer(self, input_size: int, *, key: PRNGKeyArray) -> Cell:
        """An `LSTM` cell."""
        return LSTM(
            input_size,
            self.hidden,
            forget_bias=self.forget_bias,
            chrono=self.chrono,
            learned_initial_state=self.learned_initial_state,
            key=key,
        )


@dataclass(frozen=True)
class GRUModel(Recurrent):
    """Gated recurrent units (Cho et al. 2014)."""

    learned_initial_state: bool = False
    """Learn the state before the first step; otherwise it is zero."""
    reset_after: bool = True
    """Apply the reset gate after the matrix product, as most software does; before: the paper's."""
    chrono: float | None = None
    """The longest dependency to expect, in steps, if any: how long units remember at first."""

    def layer(self, input_size: int, *, key: PRNGKeyArray) -> Cell:
        """A `GRU` cell."""
        return GRU(
            input_size,
            self.hidden,
            reset_after=self.reset_after,
            chrono=self.chrono,
            learned_initial_state=self.learned_initial_state,
            key=key,
        )
