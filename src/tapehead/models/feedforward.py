"""Feed-forward networks: nothing is remembered from step to step."""

from dataclasses import dataclass

import jax
from jaxtyping import PRNGKeyArray

from tapehead.cell import Cell, Chain
from tapehead.cells import LayerNorm, Linear, ReLU
from tapehead.errors import at_least
from tapehead.models.model import Model


@dataclass(frozen=True)
class MLPModel(Model):
    """Layers of rectified units, each normalised over its units, and a linear readout.

    Every layer is one member of a chain, so that rules may decouple them.
    """

    hidden: int = 256
    """Units in each layer."""
    layers: int = 3
    """Layers, without the readout."""

    def __post_init__(self):
        super().__post_init__()
        at_least(type(self).__name__, 1, hidden=self.hidden, layers=self.layers)

    def network(self, input_size: int, output_size: int, *, key: PRNGKeyArray) -> Cell:
        """The layers and the readout, as one chain."""
        *keys, readout_key = jax.random.split(key, self.layers + 1)
        sizes = [input_size] + [self.hidden] * (self.layers - 1)
        layers = [
            Chain(Linear(size, self.hidden, key=k), LayerNorm(self.hidden), ReLU())
            for size, k in zip(sizes, keys, strict=True)
        ]
        return Chain(*layers, Linear(self.hidden, output_size, key=readout_key))
