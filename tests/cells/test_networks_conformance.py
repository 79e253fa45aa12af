"""Bidirectional networks, stacks with skip connections and pooling keep the promises of cells."""

import jax
import pytest

from tapehead.cell import Chain
from tapehead.cells import (
    LSTM,
    Beside,
    Dropout,
    Elman,
    Linear,
    Residual,
    RunningMax,
    RunningMean,
    SkipChain,
)
from tapehead.networks import Bidirectional
from tapehead.testing import check_cell


def both_ways(cell, key, size=4, **options):
    ahead, back = jax.random.split(key)
    return Bidirectional(cell(size, 3, key=ahead), cell(size, 3, key=back), **options)


def skip_chain(key):
    first, second = jax.random.split(key)
    return SkipChain(Elman(4, 3, key=first), Linear(7, 2, key=second))


def beside(key):
    first, second = jax.random.split(key)
    return Beside(Elman(4, 3, key=first), RunningMax(4), Linear(4, 2, key=second))


def deep(key):
    """Whole networks inside of others, beside cells that can be stepped."""
    first, second = jax.random.split(key)
    inner = Chain(both_ways(Elman, second, merge="sum"), Dropout(0.4), Linear(3, 4, key=first))
    return Chain(Residual(inner), both_ways(Linear, first))


CELLS = {
    "mean": lambda key: RunningMean(4),
    "max": lambda key: RunningMax(4),
    "beside": beside,
    "skip-chain": skip_chain,
    "bidirectional": lambda key: both_ways(LSTM, key),
    "deep": deep,
}


@pytest.mark.parametrize("name", CELLS)
def test_promises(name):
    check_cell(CELLS[name], 4)
