"""A residual network that halts in places, straight from the equations.

One image, one position after the other, nothing vectorised but the channels.
"""

import numpy as np


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def convolution(W, x, stride=1):
    """W (outputs, inputs, window, window) over x (height, width, inputs), which zeros surround."""
    outputs, _, window, _ = W.shape
    sides = [-(-side // stride) for side in x.shape[:2]]
    # As many zeros before as after, or one fewer.
    first = [
        -(max((places - 1) * stride + window - side, 0) // 2)
        for places, side in zip(sides, x.shape[:2])  # noqa: B905
    ]
    y = np.zeros((*sides, outputs))
    for i, j, k, m in np.ndindex(*sides, window, window):
        row, column = first[0] + i * stride + k, first[1] + j * stride + m
        if 0 <= row < x.shape[0] and 0 <= column < x.shape[1]:
            y[i, j] += W[:, :, k, m] @ x[row, column]
    return y


def norm(scale, shift, x, epsilon=1e-5):
    y = np.zeros_like(x)
    for i, j in np.ndindex(*x.shape[:2]):
        v = x[i, j]
        y[i, j] = scale * (v - v.mean()) / np.sqrt(v.var() + epsilon) + shift
    return y


def unit(parameters, x, stride):
    """Parameters: of the first norm and convolution, of the second ones, and of the shortcut."""
    (scale, shift, W), (scale2, shift2, W2), P = parameters
    y = convolution(W, np.maximum(norm(scale, shift, x), 0), stride)
    y = convolution(W2, np.maximum(norm(scale2, shift2, y), 0))
    return y + (x if P is None else convolution(P, x, stride))


def block(units, scores, x, *, stride, epsilon=0.01, counts=None):
    """The output, the mean of ρ, and N at every position.

    `scores` are W̃ (or None: one score for all positions), w and b for each unit but the last.
    With `counts` N is given, whatever the scores say.
    """
    x = unit(units[0], x, stride)
    height, width = x.shape[:2]
    halts, xs = [], []
    running = np.ones((height, width), bool)
    found = np.zeros((height, width), int)
    for n, parameters in enumerate(units):
        if n:
            new = unit(parameters, x, 1)
            x = np.array(
                [
                    [new[i, j] if running[i, j] else x[i, j] for j in range(width)]
                    for i in range(height)
                ]
            )
        xs.append(x)
        if n < len(scores):
            around, w, b = scores[n]
            h = np.full((height, width), w @ x.mean(axis=(0, 1)) + b)
            h = sigmoid(h if around is None else h + convolution(around, x)[..., 0])
        else:
            h = np.ones((height, width))
        halts.append(h)
        found[running] = n + 1
        over = np.sum(halts, axis=0) >= 1 - epsilon if counts is None else found >= counts
        running = running & ~over
    y, cost = np.zeros_like(x), np.zeros((height, width))
    for i, j in np.ndindex(height, width):
        N = found[i, j]
        p = [halts[n][i, j] for n in range(N - 1)]
        p.append(1 - sum(p))
        y[i, j] = sum(q * xs[n][i, j] for n, q in enumerate(p))
        cost[i, j] = N + p[-1]
    return y, cost.mean(), found


def resnet(stem, blocks, norm_parameters, readout, image, *, stem_stride, counts=None):
    """Output, Σ ρ over blocks, and N of every block. Blocks are (units, scores)."""
    x = convolution(stem, image[..., None], stem_stride)
    total, every = 0.0, []
    for n, (units, scores) in enumerate(blocks):
        given = None if counts is None else counts[n]
        x, cost, found = block(units, scores, x, stride=2 if n else 1, counts=given)
        total += cost
        every.append(found)
    W, b = readout
    return W @ np.maximum(norm(*norm_parameters, x), 0).max(axis=(0, 1)) + b, total, every
