"""Variants of the GRU and of the plain net, straight from their equations."""

import numpy as np
from reference.lstm import sigmoid


def reduced_gru(gate_net, W, V, c, h, xs):
    hidden = []
    for x in xs:
        r, z = np.split(sigmoid(gate_net(h)), 2)
        candidate = np.tanh(W @ x + V @ (r * h) + c)
        h = (1 - z) * h + z * candidate
        hidden.append(h)
    return np.array(hidden)


def gru1(U, b, W, V, c, h, xs):
    return reduced_gru(lambda h: U @ h + b, W, V, c, h, xs)


def gru2(U, W, V, c, h, xs):
    return reduced_gru(lambda h: U @ h, W, V, c, h, xs)


def gru3(b, W, V, c, h, xs):
    return reduced_gru(lambda h: b, W, V, c, h, xs)


def mgu(W, U, b, h, xs):
    W_f, W_h = np.split(W, 2)
    U_f, U_h = np.split(U, 2)
    b_f, b_h = np.split(b, 2)
    hidden = []
    for x in xs:
        f = sigmoid(W_f @ x + U_f @ h + b_f)
        candidate = np.tanh(W_h @ x + U_h @ (f * h) + b_h)
        h = (1 - f) * h + f * candidate
        hidden.append(h)
    return np.array(hidden)


def indrnn(W, u, b, h, xs):
    hidden = []
    for x in xs:
        h = np.maximum(W @ x + u * h + b, 0)
        hidden.append(h)
    return np.array(hidden)


def fully_recurrent(W, y, xs, shown=3, allowed=None):
    W = W if allowed is None else W * allowed
    outputs = []
    for x in xs:
        y = sigmoid(W @ np.concatenate([x, y, [1]]))
        outputs.append(y[len(y) - shown :])
    return np.array(outputs)
