"""Sequences made by trained networks, one step after another."""

from tapehead.generation.music import generate_music, write_midi

__all__ = ["generate_music", "write_midi"]
