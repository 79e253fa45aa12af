"""Deep networks of linear recurrences, as recipes."""

import abc
from dataclasses import dataclass

import jax
from jaxtyping import PRNGKeyArray

from tapehead.cell import Cell, Chain
from tapehead.cells import (
    LRU,
    S5,
    GatedGELU,
    LayerNorm,
    Linear,
    MinGRU,
    MinLSTM,
    Residual,
    SelectiveSSM,
)
from tapehead.errors import UserError, at_least
from tapehead.models.layered import Layered


@dataclass(frozen=True)
class LinearRecurrent(Layered):
    """Blocks of one linear recurrence: normalise, recur, squash and gate, add to what came in.

    A linear recurrence by itself is no deeper than one step; the gates between make it so. Around
    the blocks are a linear map of the inputs, a layer normalisation and a linear readout. In both
    directions, a block adds up two recurrences.
    """

    layers: int = 2
    """Blocks, each reading the one below."""

    @abc.abstractmethod
    def recurrence(self, *, key: PRNGKeyArray) -> Cell:
        """One recurrence, from `hidden` features to `hidden`."""

    def network(self, input_size: int, output_size: int, *, key: PRNGKeyArray) -> Cell:
        """The blocks, as one chain."""
        input_key, readout_key, *keys = jax.random.split(key, 2 + 2 * self.layers)
        blocks = []
        for recurrence_key, gate_key in zip(keys[::2], keys[1::2], strict=True):
            inside = [
                LayerNorm(self.hidden),
                self.directed(
                    lambda key: self.recurrence(key=key), merge="sum", key=recurrence_key
                ),
                GatedGELU(self.hidden, key=gate_key),
                *self.dropped(),
            ]
            blocks.append(Residual(Chain(*inside)))
        return Chain(
            Linear(input_size, self.hidden, key=input_key),
            *blocks,
            LayerNorm(self.hidden),
            *self.readout(self.hidden, output_size, key=readout_key),
        )


@dataclass(frozen=True)
class MinGRUModel(LinearRecurrent):
    """Minimal gated recurrent units, trained in parallel over time (Feng et al. 2024)."""

    chrono: float | None = None
    """The longest dependency to expect, in steps, if any: how long units remember at first."""

    def recurrence(self, *, key: PRNGKeyArray) -> Cell:
        """A `MinGRU` cell."""
        return MinGRU(self.hidden, self.hidden, chrono=self.chrono, key=key)


@dataclass(frozen=True)
class MinLSTMModel(LinearRecurrent):
    """Minimal LSTM, trained in parallel over time (Feng et al. 2024)."""

    forget_bias: float = 1.0
    """Added to the forget gate's bias at the start, so that the cell begins by remembering."""
    chrono: float | None = None
    """The longest dependency to expect, in steps, if any: how long units remember at first."""

    def recurrence(self, *, key: PRNGKeyArray) -> Cell:
        """A `MinLSTM` cell."""
        bias, chrono = self.forget_bias, self.chrono
        return MinLSTM(self.hidden, self.hidden, forget_bias=bias, chrono=chrono, key=key)


@dataclass(frozen=True)
class LRUModel(LinearRecurrent):
    """Linear recurrent units: complex, diagonal, stable (Orvieto et al. 2023)."""

    least: float = 0.5
    """Smallest eigenvalue at the start, in absolute value."""
    most: float = 0.99
    """Largest eigenvalue at the start, in absolute value; near 1 remembers for long."""

    def __post_init__(self):
        super().__post_init__()
        if not 0 <= self.least < self.most < 1:
            raise UserError(
                f"LRU: expected 0 <= least < most < 1, got least {self.least} and most {self.most}"
            )

    def recurrence(self, *, key: PRNGKeyArray) -> Cell:
        """An `LRU` cell."""
        return LRU(self.hidden, self.hidden, least=self.least, most=self.most, key=key)


@dataclass(frozen=True)
class S5Model(LinearRecurrent):
    """Diagonal state space layers (Smith et al. 2023)."""

    modes: int = 64
    """Pairs of conjugate states in each block."""

    def __post_init__(self):
        super().__post_init__()
        at_least("S5", 1, modes=self.modes)

    def recurrence(self, *, key: PRNGKeyArray) -> Cell:
        """An `S5` cell."""
        return S5(self.hidden, self.hidden, modes=self.modes, key=key)


@dataclass(frozen=True)
class SelectiveModel(LinearRecurrent):
    """Selective state space layers, the recurrence of Mamba (Gu and Dao 2023)."""

    modes: int = 16
    """States of each feature."""

    def __post_init__(self):
        super().__post_init__()
        at_least("SelectiveSSM", 1, modes=self.modes)

    def recurrence(self, *, key: PRNGKeyArray) -> Cell:
        """A `SelectiveSSM` cell."""
        return SelectiveSSM(self.hidden, modes=self.modes, key=key)
