"""Real data: a registry of files with checksums, and loaders that need no network once cached."""

from tapehead.datasets.ecg5000 import load_ecg5000
from tapehead.datasets.fetch import fetch
from tapehead.datasets.fsdd import load_fsdd
from tapehead.datasets.imdb import load_imdb
from tapehead.datasets.indoor_movement import load_indoor_movement
from tapehead.datasets.mnist import load_mnist
from tapehead.datasets.nab import load_nab
from tapehead.datasets.omniglot import load_omniglot
from tapehead.datasets.polymusic import load_polymusic
from tapehead.datasets.ptb import load_ptb
from tapehead.datasets.registry import DATASETS, DataFile, Dataset, Split
from tapehead.datasets.text8 import load_enwik8, load_text8
from tapehead.datasets.timeseries import load_series
from tapehead.datasets.tinyshakespeare import load_tiny_shakespeare

__all__ = [
    "DATASETS",
    "DataFile",
    "Dataset",
    "Split",
    "fetch",
    "load_ecg5000",
    "load_enwik8",
    "load_fsdd",
    "load_imdb",
    "load_indoor_movement",
    "load_mnist",
    "load_nab",
    "load_omniglot",
    "load_polymusic",
    "load_ptb",
    "load_series",
    "load_text8",
    "load_tiny_shakespeare",
]
