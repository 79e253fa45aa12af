"""Whole networks by name."""

from tapehead.models.clocks import TwoClocksModel
from tapehead.models.feedforward import MLPModel
from tapehead.models.linear import (
    LRUModel,
    MinGRUModel,
    MinLSTMModel,
    S5Model,
    SelectiveModel,
)
from tapehead.models.memory import DAMModel, DNCModel, NTMModel, SAMModel, SDNCModel
from tapehead.models.model import Model
from tapehead.models.moving import StackRNNModel, TapeRNNModel
from tapehead.models.recurrent import ElmanModel, GRUModel, LSTMModel
from tapehead.models.residual import ResNetModel
from tapehead.models.variants import (
    CoupledLSTMModel,
    FullyRecurrentModel,
    GRU1Model,
    GRU2Model,
    GRU3Model,
    IndRNNModel,
    IRNNModel,
    LayerNormLSTMModel,
    LSTM1997Model,
    MGUModel,
    MLSTMModel,
    PeepholeLSTMModel,
    ProjectedLSTMModel,
    SLSTMModel,
)
from tapehead.registry import Registry

MODELS: Registry[type[Model]] = Registry(
    "model",
    {
        "elman": ElmanModel,
        "fully-recurrent": FullyRecurrentModel,
        "irnn": IRNNModel,
        "indrnn": IndRNNModel,
        "lstm": LSTMModel,
        "lstm-1997": LSTM1997Model,
        "peephole-lstm": PeepholeLSTMModel,
        "coupled-lstm": CoupledLSTMModel,
        "layer-norm-lstm": LayerNormLSTMModel,
        "projected-lstm": ProjectedLSTMModel,
        "slstm": SLSTMModel,
        "mlstm": MLSTMModel,
        "gru": GRUModel,
        "gru1": GRU1Model,
        "gru2": GRU2Model,
        "gru3": GRU3Model,
        "mgu": MGUModel,
        "mingru": MinGRUModel,
        "minlstm": MinLSTMModel,
        "lru": LRUModel,
        "s5": S5Model,
        "selective": SelectiveModel,
        "ntm": NTMModel,
        "dnc": DNCModel,
        "dam": DAMModel,
        "sam": SAMModel,
        "sdnc": SDNCModel,
        "stack-rnn": StackRNNModel,
        "tape-rnn": TapeRNNModel,
        "resnet": ResNetModel,
        "mlp": MLPModel,
        "two-clocks": TwoClocksModel,
    },
)

__all__ = [
    "MODELS",
    "CoupledLSTMModel",
    "DAMModel",
    "DNCModel",
    "ElmanModel",
    "FullyRecurrentModel",
    "GRU1Model",
    "GRU2Model",
    "GRU3Model",
    "GRUModel",
    "IRNNModel",
    "IndRNNModel",
    "LRUModel",
    "LSTM1997Model",
    "LSTMModel",
    "LayerNormLSTMModel",
    "MGUModel",
    "MLPModel",
    "MLSTMModel",
    "MinGRUModel",
    "MinLSTMModel",
    "Model",
    "NTMModel",
    "PeepholeLSTMModel",
    "ProjectedLSTMModel",
    "ResNetModel",
    "S5Model",
    "SAMModel",
    "SDNCModel",
    "SLSTMModel",
    "SelectiveModel",
    "StackRNNModel",
    "TapeRNNModel",
    "TwoClocksModel",
]
