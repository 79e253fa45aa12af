"""What trained networks make up: text and music."""

from tapehead.generation.text import generate

__all__ = ["generate"]
