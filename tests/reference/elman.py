"""The Elman network, straight from its equation: h_t = φ(W x_t + U h_{t−1} + b)."""

import numpy as np


def elman(W, U, b, h, xs, phi=np.tanh):
    """Hidden states of one sequence; `xs` is `(time, inputs)`."""
    hidden = []
    for x in xs:
        h = phi(W @ x + U @ h + b)
        hidden.append(h)
    return np.array(hidden)
