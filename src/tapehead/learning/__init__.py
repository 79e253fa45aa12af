"""Learning rules: values that say how the gradient of a sequence's loss is obtained."""

from tapehead.learning.bptt import BPTT, TruncatedBPTT
from tapehead.learning.rtrl import RTRL
from tapehead.learning.rule import LearningRule, Loss, Metrics, sequence_gradient, stream_gradient
from tapehead.registry import Registry

RULES: Registry[type[LearningRule]] = Registry(
    "learning rule",
    {
        "bptt": BPTT,
        "truncated-bptt": TruncatedBPTT,
        "rtrl": RTRL,
    },
)

__all__ = [
    "BPTT",
    "RULES",
    "RTRL",
    "LearningRule",
    "Loss",
    "Metrics",
    "TruncatedBPTT",
    "sequence_gradient",
    "stream_gradient",
]
