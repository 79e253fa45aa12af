"""Networks that need the whole sequence at once."""

from tapehead.networks.bidirectional import Bidirectional, BidirectionalState

__all__ = ["Bidirectional", "BidirectionalState"]
