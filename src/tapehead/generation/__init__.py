"""What trained networks make up, one step after another: text and music."""

from tapehead.generation.music import generate_music, write_midi
from tapehead.generation.text import generate

__all__ = ["generate", "generate_music", "write_midi"]
