"""Tasks by name: what is to be learned."""

from tapehead.registry import Registry
from tapehead.tasks.algorithmic.associative_recall import AssociativeRecall
from tapehead.tasks.algorithmic.copy import Copy
from tapehead.tasks.algorithmic.dynamic_ngrams import DynamicNgrams
from tapehead.tasks.algorithmic.key_value import KeyValue
from tapehead.tasks.algorithmic.priority_sort import PrioritySort
from tapehead.tasks.algorithmic.repeat_copy import RepeatCopy
from tapehead.tasks.algorithmic.reverse import Reverse
from tapehead.tasks.chomsky.binary_addition import BinaryAddition
from tapehead.tasks.chomsky.binary_multiplication import BinaryMultiplication
from tapehead.tasks.chomsky.bucket_sort import BucketSort
from tapehead.tasks.chomsky.compute_sqrt import ComputeSqrt
from tapehead.tasks.chomsky.cycle_navigation import CycleNavigation
from tapehead.tasks.chomsky.duplicate_string import DuplicateString
from tapehead.tasks.chomsky.even_pairs import EvenPairs
from tapehead.tasks.chomsky.missing_duplicate import MissingDuplicate
from tapehead.tasks.chomsky.modular_arithmetic import ModularArithmetic
from tapehead.tasks.chomsky.modular_arithmetic_brackets import ModularArithmeticBrackets
from tapehead.tasks.chomsky.odds_first import OddsFirst
from tapehead.tasks.chomsky.parity_check import ParityCheck
from tapehead.tasks.chomsky.reverse_string import ReverseString
from tapehead.tasks.chomsky.solve_equation import SolveEquation
from tapehead.tasks.chomsky.stack_manipulation import StackManipulation
from tapehead.tasks.grammar.anbn import AnBn
from tapehead.tasks.grammar.anbncn import AnBnCn
from tapehead.tasks.grammar.continual_reber import ContinualReber
from tapehead.tasks.grammar.distant_brackets import DistantBrackets
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
from tapehead.tasks.pondering.addition import Addition
from tapehead.tasks.pondering.logic import Logic
from tapehead.tasks.pondering.sort import Sort
from tapehead.tasks.pondering.vector_parity import VectorParity
from tapehead.tasks.task import Task
from tapehead.tasks.vision.cluttered_mnist import ClutteredMnist
from tapehead.tasks.vision.digit_counts import DigitCounts
from tapehead.tasks.vision.mnist_pixels import MnistPixels
from tapehead.tasks.vision.mnist_rows import MnistRows
from tapehead.tasks.vision.omniglot import Omniglot

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
        "vector-parity": VectorParity,
        "logic": Logic,
        "addition": Addition,
        "sort": Sort,
        "anbn": AnBn,
        "anbncn": AnBnCn,
        "distant-brackets": DistantBrackets,
        "even-pairs": EvenPairs,
        "modular-arithmetic": ModularArithmetic,
        "parity-check": ParityCheck,
        "cycle-navigation": CycleNavigation,
        "stack-manipulation": StackManipulation,
        "reverse-string": ReverseString,
        "modular-arithmetic-brackets": ModularArithmeticBrackets,
        "solve-equation": SolveEquation,
        "duplicate-string": DuplicateString,
        "missing-duplicate": MissingDuplicate,
        "odds-first": OddsFirst,
        "binary-addition": BinaryAddition,
        "binary-multiplication": BinaryMultiplication,
        "compute-sqrt": ComputeSqrt,
        "bucket-sort": BucketSort,
        "mnist-rows": MnistRows,
        "mnist-pixels": MnistPixels,
        "cluttered-mnist": ClutteredMnist,
        "digit-counts": DigitCounts,
        "omniglot": Omniglot,
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
    "Addition",
    "AnBn",
    "AnBnCn",
    "AssociativeRecall",
    "BinaryAddition",
    "BinaryMultiplication",
    "BucketSort",
    "ClutteredMnist",
    "ComputeSqrt",
    "ContinualReber",
    "Copy",
    "CycleNavigation",
    "DelayedXor",
    "DigitCounts",
    "DistantBrackets",
    "DuplicateString",
    "DynamicNgrams",
    "Enwik8",
    "EvenPairs",
    "FirstSymbol",
    "Imdb",
    "JsbChorales",
    "KeyValue",
    "Logic",
    "LongLag",
    "MissingDuplicate",
    "MnistPixels",
    "MnistRows",
    "ModularArithmetic",
    "ModularArithmeticBrackets",
    "Multiplication",
    "Nottingham",
    "OddsFirst",
    "Omniglot",
    "Parity",
    "ParityCheck",
    "PrioritySort",
    "PtbCharacters",
    "PtbWords",
    "Reber",
    "RepeatCopy",
    "Reverse",
    "ReverseString",
    "Shakespeare",
    "SolveEquation",
    "Sort",
    "StackManipulation",
    "Task",
    "TemporalOrder",
    "Text8",
    "TextFile",
    "TwoSequence",
    "VectorParity",
]
