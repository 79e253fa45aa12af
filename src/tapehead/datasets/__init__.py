"""Real data: a registry of files with checksums, and loaders that need no network once cached."""

from tapehead.datasets.fetch import fetch
from tapehead.datasets.mnist import load_mnist
from tapehead.datasets.registry import DATASETS, DataFile, Dataset

__all__ = ["DATASETS", "DataFile", "Dataset", "fetch", "load_mnist"]
