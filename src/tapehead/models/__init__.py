"""Whole networks by name."""

from tapehead.models.model import Model
from tapehead.registry import Registry

MODELS: Registry[type[Model]] = Registry("model", {})

__all__ = ["MODELS", "Model"]
