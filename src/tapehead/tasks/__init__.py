"""Tasks by name: what is to be learned."""

from tapehead.registry import Registry
from tapehead.tasks.algorithmic.associative_recall import AssociativeRecall
from tapehead.tasks.algorithmic.copy import Copy
from tapehead.tasks.algorithmic.dynamic_ngrams import DynamicNgrams
from tapehead.tasks.algorithmic.key_value import KeyValue
from tapehead.tasks.algorithmic.priority_sort import PrioritySort
from tapehead.tasks.algorithmic.repeat_copy import RepeatCopy
from tapehead.tasks.algorithmic.reverse import Reverse
from tapehead.tasks.grammar.anbn import AnBn
from tapehead.tasks.grammar.anbncn import AnBnCn
from tapehead.tasks.grammar.continual_reber import ContinualReber
from tapehead.tasks.grammar.reber import Reber
from tapehead.tasks.language.imdb import Imdb
from tapehead.tasks.language.ptb import PtbCharacters, PtbWords
from tapehead.tasks.language.shakespeare import Shakespeare
from tapehead.tasks.language.text import TextFile
from tapehead.tasks.language.wikipedia import Enwik8, Text8
from tapehead.tasks.longlag.adding import Adding
from tapehead.tasks.longlag.delayed_xor import DelayedXor
from tapehead.tasks.longlag.first_symbol import FirstSymbol
from tapehead.tasks.longlag.long_lag import LongLag
from tapehead.tasks.longlag.multiplication import Multiplication
from tapehead.tasks.longlag.parity import Parity
from tapehead.tasks.longlag.temporal_order import TemporalOrder
from tapehead.tasks.longlag.two_sequence import TwoSequence
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
        "reber": Reber,
        "continual-reber": ContinualReber,
        "first-symbol": FirstSymbol,
        "long-lag": LongLag,
        "two-sequence": TwoSequence,
        "adding": Adding,
        "multiplication": Multiplication,
        "temporal-order": TemporalOrder,
        "delayed-xor": DelayedXor,
        "parity": Parity,
        "anbn": AnBn,
        "anbncn": AnBnCn,
        "mnist-rows": MnistRows,
        "mnist-pixels": MnistPixels,
        "imdb": Imdb,
        "shakespeare": Shakespeare,
        "ptb-words": PtbWords,
        "ptb-characters": PtbCharacters,
        "text8": Text8,
        "enwik8": Enwik8,
        "text": TextFile,
        "jsb-chorales": JsbChorales,
        "nottingham": Nottingham,
    },
)

__all__ = [
    "TASKS",
    "Adding",
    "AnBn",
    "AnBnCn",
    "AssociativeRecall",
    "ContinualReber",
    "Copy",
    "DelayedXor",
    "DynamicNgrams",
    "Enwik8",
    "FirstSymbol",
    "Imdb",
    "JsbChorales",
    "KeyValue",
    "LongLag",
    "MnistPixels",
    "MnistRows",
    "Multiplication",
    "Nottingham",
    "Parity",
    "PrioritySort",
    "PtbCharacters",
    "PtbWords",
    "Reber",
    "RepeatCopy",
    "Reverse",
    "Shakespeare",
    "Task",
    "TemporalOrder",
    "Text8",
    "TextFile",
    "TwoSequence",
]
