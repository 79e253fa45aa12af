"""The variants of LSTM, GRU and the plain net, as recipes."""

from dataclasses import dataclass
from typing import ClassVar, Literal

from jaxtyping import PRNGKeyArray

from tapehead.cell import Cell
from tapehead.cells import (
    IRNN,
    LSTM1997,
    MGU,
    MLSTM,
    SLSTM,
    CoupledLSTM,
    FullyRecurrent,
    IndRNN,
    LayerNormLSTM,
    PeepholeLSTM,
    ProjectedLSTM,
    ReducedGRU,
)
from tapehead.errors import above, at_least, multiple_of
from tapehead.models.recurrent import Recurrent


@dataclass(frozen=True)
class LSTM1997Model(Recurrent):
    """The first LSTM: blocks of cells, no forget gate, truncated gradient (1997)."""

    hidden: int = 8
    """Cells in each layer."""
    block_size: int = 2
    """Cells that share an input and an output gate."""
    truncated: bool = True
    """Errors go back in time only by way of what the cells hold, as in 1997."""
    forget_gates: bool = False
    """Give every block a forget gate (Gers, Schmidhuber and Cummins 2000)."""
    input_bias: float = 0.0
    """The first block's first bias of its input gate; the second's is twice that, and so on."""
    output_bias: float = 0.0
    """Likewise of its output gate: -1 gives -1, -2, -3, so that blocks open one by one."""
    spread: float = 0.1
    """Weights are drawn uniformly from [-spread, spread]."""

    def __post_init__(self):
        super().__post_init__()
        at_least("LSTM1997", 1, block_size=self.block_size)
        multiple_of("LSTM1997", "block_size", self.block_size, hidden=self.hidden)
        above("LSTM1997", 0, spread=self.spread)

    def layer(self, input_size: int, *, key: PRNGKeyArray) -> Cell:
        """An `LSTM1997` cell."""
        blocks = self.hidden // self.block_size
        return LSTM1997(
            input_size,
            blocks,
            self.block_size,
            truncated=self.truncated,
            forget_gates=self.forget_gates,
            input_bias=[self.input_bias * (n + 1) for n in range(blocks)],
            output_bias=[self.output_bias * (n + 1) for n in range(blocks)],
            spread=self.spread,
            key=key,
        )


@dataclass(frozen=True)
class PeepholeLSTMModel(Recurrent):
    """LSTM whose gates see the cell (Gers and Schmidhuber 2000)."""

    forget_bias: float = 1.0
    """Added to the forget gate's bias at the start, so that the cell begins by remembering."""

    def layer(self, input_size: int, *, key: PRNGKeyArray) -> Cell:
        """A `PeepholeLSTM` cell."""
        return PeepholeLSTM(input_size, self.hidden, forget_bias=self.forget_bias, key=key)


@dataclass(frozen=True)
class CoupledLSTMModel(Recurrent):
    """LSTM with one gate for input and forgetting (Greff et al. 2017)."""

    forget_bias: float = 1.0
    """Added to the forget gate's bias at the start, so that the cell begins by remembering."""

    def layer(self, input_size: int, *, key: PRNGKeyArray) -> Cell:
        """A `CoupledLSTM` cell."""
        return CoupledLSTM(input_size, self.hidden, forget_bias=self.forget_bias, key=key)


@dataclass(frozen=True)
class LayerNormLSTMModel(Recurrent):
    """LSTM with layer normalisation inside (Ba et al. 2016)."""

    forget_bias: float = 1.0
    """Added to the forget gate's bias at the start, so that the cell begins by remembering."""

    def layer(self, input_size: int, *, key: PRNGKeyArray) -> Cell:
        """A `LayerNormLSTM` cell."""
        return LayerNormLSTM(input_size, self.hidden, forget_bias=self.forget_bias, key=key)


@dataclass(frozen=True)
class ProjectedLSTMModel(Recurrent):
    """LSTM with many cells behind a small projection (Sak et al. 2014)."""

    cells: int = 256
    """Cells in each layer, of which `hidden` projections are seen."""
    forget_bias: float = 1.0
    """Added to the forget gate's bias at the start, so that the cell begins by remembering."""

    def __post_init__(self):
        super().__post_init__()
        at_least("ProjectedLSTM", 1, cells=self.cells)

    def layer(self, input_size: int, *, key: PRNGKeyArray) -> Cell:
        """A `ProjectedLSTM` cell."""
        return ProjectedLSTM(
            input_size, self.cells, self.hidden, forget_bias=self.forget_bias, key=key
        )


@dataclass(frozen=True)
class GRU1Model(Recurrent):
    """GRU whose gates see the state and a bias (Dey and Salem 2017)."""

    variant: ClassVar[Literal[1, 2, 3]] = 1

    def layer(self, input_size: int, *, key: PRNGKeyArray) -> Cell:
        """A `ReducedGRU` cell."""
        return ReducedGRU(input_size, self.hidden, variant=self.variant, key=key)


@dataclass(frozen=True)
class GRU2Model(GRU1Model):
    """GRU whose gates see the state alone (Dey and Salem 2017)."""

    variant: ClassVar[Literal[1, 2, 3]] = 2


@dataclass(frozen=True)
class GRU3Model(GRU1Model):
    """GRU whose gates are constants (Dey and Salem 2017)."""

    variant: ClassVar[Literal[1, 2, 3]] = 3


@dataclass(frozen=True)
class MGUModel(Recurrent):
    """Minimal gated unit: a GRU with one gate (Zhou et al. 2016)."""

    def layer(self, input_size: int, *, key: PRNGKeyArray) -> Cell:
        """An `MGU` cell."""
        return MGU(input_size, self.hidden, key=key)


@dataclass(frozen=True)
class IndRNNModel(Recurrent):
    """Units that each see only themselves (Li et al. 2018)."""

    largest: float = 1.0
    """Recurrent weights are drawn from [0, largest]."""

    def __post_init__(self):
        super().__post_init__()
        above("IndRNN", 0, largest=self.largest)

    def layer(self, input_size: int, *, key: PRNGKeyArray) -> Cell:
        """An `IndRNN` cell."""
        return IndRNN(input_size, self.hidden, largest=self.largest, key=key)


@dataclass(frozen=True)
class IRNNModel(Recurrent):
    """A ReLU net that begins by copying its state (Le et al. 2015)."""

    scale: float = 1.0
    """The recurrent matrix begins as this times the identity."""

    def layer(self, input_size: int, *, key: PRNGKeyArray) -> Cell:
        """An `IRNN` cell."""
        return IRNN(input_size, self.hidden, scale=self.scale, key=key)


@dataclass(frozen=True)
class FullyRecurrentModel(Recurrent):
    """Every unit sees every input and every unit (Williams and Zipser 1989)."""

    activation: Literal["logistic", "tanh", "linear"] = "logistic"
    """Squashing of each unit."""

    def layer(self, input_size: int, *, key: PRNGKeyArray) -> Cell:
        """A `FullyRecurrent` cell."""
        return FullyRecurrent(input_size, self.hidden, activation=self.activation, key=key)


@dataclass(frozen=True)
class SLSTMModel(Recurrent):
    """The scalar LSTM of xLSTM (Beck et al. 2024)."""

    heads: int = 4
    """Groups of units that see only each other."""

    def __post_init__(self):
        super().__post_init__()
        at_least("SLSTM", 1, heads=self.heads)
        multiple_of("SLSTM", "heads", self.heads, hidden=self.hidden)

    def layer(self, input_size: int, *, key: PRNGKeyArray) -> Cell:
        """An `SLSTM` cell."""
        return SLSTM(input_size, self.hidden, heads=self.heads, key=key)


@dataclass(frozen=True)
class MLSTMModel(Recurrent):
    """The matrix LSTM of xLSTM (Beck et al. 2024)."""

    heads: int = 4
    """Matrices, each with its share of the units."""

    def __post_init__(self):
        super().__post_init__()
        at_least("MLSTM", 1, heads=self.heads)
        multiple_of("MLSTM", "heads", self.heads, hidden=self.hidden)

    def layer(self, input_size: int, *, key: PRNGKeyArray) -> Cell:
        """An `MLSTM` cell."""
        return MLSTM(input_size, self.hidden, heads=self.heads, key=key)
