"""Whole networks by name."""

from tapehead.models.memory import DNCModel, NTMModel
from tapehead.models.model import Model
from tapehead.models.recurrent import ElmanModel, GRUModel, LSTMModel
from tapehead.registry import Registry

MODELS: Registry[type[Model]] = Registry(
    "model",
    {
        "elman": ElmanModel,
        "lstm": LSTMModel,
        "gru": GRUModel,
        "ntm": NTMModel,
        "dnc": DNCModel,
    },
)

__all__ = ["MODELS", "DNCModel", "ElmanModel", "GRUModel", "LSTMModel", "Model", "NTMModel"]
