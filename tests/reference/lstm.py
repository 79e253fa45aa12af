"""The LSTM with a forget gate, straight from its equations."""

import numpy as np


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def lstm(W, U, b, h, c, xs):
    """Hidden and cell states of one sequence; `xs` is `(time, inputs)`.

    W, U and b hold the rows of the gates i, f, g, o in turn.
    """
    W_i, W_f, W_g, W_o = np.split(W, 4)
    U_i, U_f, U_g, U_o = np.split(U, 4)
    b_i, b_f, b_g, b_o = np.split(b, 4)
    hidden, cell = [], []
    for x in xs:
        i = sigmoid(W_i @ x + U_i @ h + b_i)
        f = sigmoid(W_f @ x + U_f @ h + b_f)
        g = np.tanh(W_g @ x + U_g @ h + b_g)
        o = sigmoid(W_o @ x + U_o @ h + b_o)
        c = f * c + i * g
        h = o * np.tanh(c)
        hidden.append(h)
        cell.append(c)
    return np.array(hidden), np.array(cell)
