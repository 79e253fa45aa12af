"""Linear recurrences, step by step, straight from their equations."""

import numpy as np
from reference.lstm import sigmoid


def mingru(W, b, h, xs):
    W_z, W_h = np.split(W, 2)
    b_z, b_h = np.split(b, 2)
    hidden = []
    for x in xs:
        z = sigmoid(W_z @ x + b_z)
        h = (1 - z) * h + z * (W_h @ x + b_h)
        hidden.append(h)
    return np.array(hidden)


def minlstm(W, b, h, xs):
    W_f, W_i, W_h = np.split(W, 3)
    b_f, b_i, b_h = np.split(b, 3)
    hidden = []
    for x in xs:
        f, i = sigmoid(W_f @ x + b_f), sigmoid(W_i @ x + b_i)
        h = f / (f + i) * h + i / (f + i) * (W_h @ x + b_h)
        hidden.append(h)
    return np.array(hidden)


def lru(nu, theta, gamma, B, C, real, imaginary, xs, D=None):
    eigenvalue = np.exp(-np.exp(nu) + 1j * np.exp(theta))
    B, C = B[0] + 1j * B[1], C[0] + 1j * C[1]
    h = real + 1j * imaginary
    outputs = []
    for x in xs:
        h = eigenvalue * h + np.exp(gamma) * (B @ x)
        y = (C @ h).real
        outputs.append(y if D is None else y + D * x)
    return np.array(outputs)


def s5(decay, frequency, log_step, B, C, real, imaginary, xs, D=None):
    continuous = -np.exp(decay) + 1j * frequency
    B, C = B[0] + 1j * B[1], C[0] + 1j * C[1]
    kept = np.exp(continuous * np.exp(log_step))
    h = real + 1j * imaginary
    outputs = []
    for x in xs:
        h = kept * h + ((kept - 1) / continuous)[:, None] * B @ x
        y = 2 * (C @ h).real
        outputs.append(y if D is None else y + D * x)
    return np.array(outputs)


def selective(W_step, b_step, W_fill, W_read, a, D, h, xs):
    outputs = []
    for x in xs:
        step = np.log1p(np.exp(W_step @ x + b_step))
        fill, read = W_fill @ x, W_read @ x
        h = np.exp(-step[:, None] * np.exp(a)) * h + np.outer(step * x, fill)
        outputs.append(h @ read + D * x)
    return np.array(outputs)
