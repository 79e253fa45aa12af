"""Networks that need the whole of what they read at once: a sequence, or an image."""

from tapehead.networks.autoencoder import Autoencoder
from tapehead.networks.bidirectional import Bidirectional, BidirectionalState
from tapehead.networks.resnet import ResNet, ResNetState

__all__ = ["Autoencoder", "Bidirectional", "BidirectionalState", "ResNet", "ResNetState"]
