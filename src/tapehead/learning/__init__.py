"""Learning rules: values that say how the gradient of a sequence's loss is obtained."""

from tapehead.learning.bptt import BPTT, TruncatedBPTT
from tapehead.learning.decoupled import Decoupled
from tapehead.learning.evolution import EvolutionStrategy
from tapehead.learning.forward import Forward
from tapehead.learning.kronecker import KFRTRL
from tapehead.learning.rank_one import UORO, NoBackTrack
from tapehead.learning.rtrl import RTRL
from tapehead.learning.rule import (
    Extended,
    LearningRule,
    Loss,
    Metrics,
    Rule,
    network_of,
    sequence_gradient,
    stream_gradient,
)
from tapehead.learning.search import CMAES, GeneticAlgorithm, RandomGuessing, Search
from tapehead.learning.snap import RFLO, SnAp, TruncatedLSTM
from tapehead.learning.synthetic import SyntheticGradients
from tapehead.registry import Registry

RULES: Registry[type[Rule]] = Registry(
    "learning rule",
    {
        "bptt": BPTT,
        "truncated-bptt": TruncatedBPTT,
        "synthetic-gradients": SyntheticGradients,
        "decoupled": Decoupled,
        "rtrl": RTRL,
        "snap": SnAp,
        "rflo": RFLO,
        "truncated-lstm": TruncatedLSTM,
        "uoro": UORO,
        "nobacktrack": NoBackTrack,
        "kf-rtrl": KFRTRL,
        "evolution-strategy": EvolutionStrategy,
        "cma-es": CMAES,
        "genetic-algorithm": GeneticAlgorithm,
        "random-guessing": RandomGuessing,
    },
)

__all__ = [
    "BPTT",
    "CMAES",
    "KFRTRL",
    "RFLO",
    "RTRL",
    "RULES",
    "UORO",
    "Decoupled",
    "EvolutionStrategy",
    "Extended",
    "Forward",
    "GeneticAlgorithm",
    "LearningRule",
    "Loss",
    "Metrics",
    "NoBackTrack",
    "RandomGuessing",
    "Rule",
    "Search",
    "SnAp",
    "SyntheticGradients",
    "TruncatedBPTT",
    "TruncatedLSTM",
    "network_of",
    "sequence_gradient",
    "stream_gradient",
]
