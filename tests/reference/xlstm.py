"""sLSTM and mLSTM, straight from their equations and without a stabilizer."""

import numpy as np
from reference.lstm import sigmoid


def slstm(W, R, b, h, c, n, m, xs):
    c, n = np.exp(m) * c, np.exp(m) * n
    heads, units = R.shape[1:3]
    hidden = []
    for x in xs:
        mixed = np.concatenate(
            [
                R[gate, head] @ h[head * units : (head + 1) * units]
                for gate in range(4)
                for head in range(heads)
            ]
        )
        z, i, f, o = np.split(W @ x + mixed + b, 4)
        c = sigmoid(f) * c + np.exp(i) * np.tanh(z)
        n = sigmoid(f) * n + np.exp(i)
        h = sigmoid(o) * c / n
        hidden.append(h)
    return np.array(hidden)


def mlstm(W, b_o, W_gates, b_gates, memory, n, m, xs):
    C, n = np.exp(m)[:, None, None] * memory, np.exp(m)[:, None] * n
    heads, units = n.shape
    outputs = []
    for x in xs:
        q, k, v, o = np.split(W @ x, 4)
        enter, forget = np.split(W_gates @ x + b_gates, 2)
        h = np.zeros(heads * units)
        C, n = np.array(C), np.array(n)
        for head in range(heads):
            here = slice(head * units, (head + 1) * units)
            key = k[here] / np.sqrt(units)
            f, i = sigmoid(forget[head]), np.exp(enter[head])
            C[head] = f * C[head] + i * np.outer(v[here], key)
            n[head] = f * n[head] + i * key
            h[here] = C[head] @ q[here] / max(abs(n[head] @ q[here]), 1)
        outputs.append(sigmoid(o + b_o) * h)
    return np.array(outputs)
