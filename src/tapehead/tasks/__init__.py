"""Tasks by name: what is to be learned."""

from tapehead.registry import Registry
from tapehead.tasks.algorithmic.associative_recall import AssociativeRecall
from tapehead.tasks.algorithmic.copy import Copy
from tapehead.tasks.algorithmic.dynamic_ngrams import DynamicNgrams
from tapehead.tasks.algorithmic.key_value import KeyValue
from tapehead.tasks.algorithmic.priority_sort import PrioritySort
from tapehead.tasks.algorithmic.repeat_copy import RepeatCopy
from tapehead.tasks.algorithmic.reverse import Reverse
from tapehead.tasks.longlag.adding import Adding
from tapehead.tasks.longlag.temporal_order import TemporalOrder
from tapehead.tasks.music.jsb_chorales import JsbChorales
from tapehead.tasks.music.nottingham import Nottingham
from tapehead.tasks.task import Task
from tapehead.tasks.vision.mnist_pixels import MnistPixels
from tapehead.tasks.vision.mnist_rows import MnistRows

TASKS: Registry[type[Task]] = Registry(
    "task",
    {
        "copy": Copy,
        "repeat-copy": RepeatCopy,
        "reverse": Reverse,
        "associative-recall": AssociativeRecall,
        "key-value": KeyValue,
        "dynamic-ngrams": DynamicNgrams,
        "priority-sort": PrioritySort,
        "adding": Adding,
        "temporal-order": TemporalOrder,
        "mnist-rows": MnistRows,
        "mnist-pixels": MnistPixels,
        "jsb-chorales": JsbChorales,
        "nottingham": Nottingham,
    },
)

__all__ = [
    "TASKS",
    "Adding",
    "AssociativeRecall",
    "Copy",
    "DynamicNgrams",
    "JsbChorales",
    "KeyValue",
    "MnistPixels",
    "MnistRows",
    "Nottingham",
    "PrioritySort",
    "RepeatCopy",
    "Reverse",
    "Task",
    "TemporalOrder",
]
