"""The GRU, straight from its equations, in both forms."""

import numpy as np
from reference.lstm import sigmoid


def gru_reset_before(W, U, b, h, xs):
    """Cho et al. (2014): the reset gate acts on h before the product with U_n."""
    W_r, W_z, W_n = np.split(W, 3)
    U_r, U_z, U_n = np.split(U, 3)
    b_r, b_z, b_n = np.split(b, 3)
    hidden = []
    for x in xs:
        r = sigmoid(W_r @ x + U_r @ h + b_r)
        z = sigmoid(W_z @ x + U_z @ h + b_z)
        n = np.tanh(W_n @ x + U_n @ (r * h) + b_n)
        h = z * h + (1 - z) * n
        hidden.append(h)
    return np.array(hidden)


def gru_reset_after(W, U, b, b_u, h, xs):
    """As in PyTorch: the reset gate acts on the product with U_n."""
    W_r, W_z, W_n = np.split(W, 3)
    U_r, U_z, U_n = np.split(U, 3)
    b_r, b_z, b_n = np.split(b, 3)
    hidden = []
    for x in xs:
        r = sigmoid(W_r @ x + U_r @ h + b_r)
        z = sigmoid(W_z @ x + U_z @ h + b_z)
        n = np.tanh(W_n @ x + b_n + r * (U_n @ h + b_u))
        h = z * h + (1 - z) * n
        hidden.append(h)
    return np.array(hidden)
