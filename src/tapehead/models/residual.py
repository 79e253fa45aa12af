"""Residual networks for images."""

from dataclasses import dataclass
from typing import get_args

from jaxtyping import PRNGKeyArray

from tapehead.cell import Cell
from tapehead.errors import among, at_least, between
from tapehead.models.model import Model
from tapehead.networks import ResNet
from tapehead.networks.spatial_halting import Halting


@dataclass(frozen=True)
class ResNetModel(Model):
    """A residual network for square images, which may halt early or in places; see `ResNet`."""

    channels: int = 16
    """Channels of the first block; every other has twice those of the one before it."""
    blocks: int = 3
    """Blocks of residual units."""
    units: int = 4
    """Residual units in each block: all that are computed, or the most."""
    stride: int = 2
    """Pixels, each way, from one position of the first block to the next."""
    halting: Halting = "none"
    """Which units are left out: none, the last ones of an image (act), or of a position (sact)."""
    ponder_cost: float = 0.01
    """What a unit costs, in nats, with act or sact."""
    ponder_epsilon: float = 0.01
    """It halts when the halting scores add up to 1 less this."""

    def __post_init__(self):
        super().__post_init__()
        owner = type(self).__name__
        sizes = {"channels": self.channels, "blocks": self.blocks, "units": self.units}
        at_least(owner, 1, **sizes, stride=self.stride)
        among(owner, get_args(Halting), halting=self.halting)
        at_least(owner, 0, ponder_cost=self.ponder_cost)
        between(owner, 0, 1, ponder_epsilon=self.ponder_epsilon)
        if self.halting == "none":
            self.expect_unset("ponder_", "halting, such as sact")

    def network(self, input_size: int, output_size: int, *, key: PRNGKeyArray) -> Cell:
        """A `ResNet`."""
        return ResNet(
            input_size,
            output_size,
            channels=self.channels,
            blocks=self.blocks,
            units=self.units,
            stride=self.stride,
            halting=self.halting,
            cost=self.ponder_cost,
            epsilon=self.ponder_epsilon,
            key=key,
        )
