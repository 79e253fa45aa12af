"""`Layered`: what recipes of several layers have in common."""

from dataclasses import dataclass

from tapehead.errors import UserError, at_least
from tapehead.models.model import Model


@dataclass(frozen=True)
class Layered(Model):
    """Layers of one kind, of one size, with dropout."""

    hidden: int = 128
    """Units in each layer."""
    layers: int = 1
    """Layers, each reading the one below."""
    dropout: float = 0.0
    """Probability with which each layer's outputs are dropped in training, at every step."""

    def __post_init__(self):
        super().__post_init__()
        owner = type(self).__name__
        at_least(owner, 1, hidden=self.hidden, layers=self.layers)
        if not 0 <= self.dropout < 1:
            raise UserError(f"{owner}: dropout must be at least 0 and below 1, got {self.dropout}")
