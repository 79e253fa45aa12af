"""Networks of several cells, from cells that are functions `(weights, xs) -> outputs`."""

import itertools

import numpy as np


def bidirectional(forward, backward, xs):
    """The outputs of one that read the sequence, and of one that read it reversed, side by side."""
    return np.concatenate([forward(xs), backward(xs[::-1])[::-1]], axis=-1)


def skip_chain(layers, xs):
    """Every layer sees the input and the layer below; all of them are the output."""
    seen, outputs = xs, []
    for layer in layers:
        outputs.append(layer(seen))
        seen = np.concatenate([xs, outputs[-1]], axis=-1)
    return np.concatenate(outputs, axis=-1)


def in_order(mask, starts):
    """The steps of one lane in the order in which a reader from the end of each sequence goes.

    Padding keeps its place.
    """
    order = np.arange(len(mask))
    borders = [0, *np.flatnonzero(starts), len(mask)]
    for first, last in itertools.pairwise(borders):
        valid = [t for t in range(first, last) if mask[t]]
        order[valid] = valid[::-1]
    return order
