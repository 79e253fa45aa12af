"""Variants of the LSTM, straight from their equations; `xs` is `(time, inputs)`."""

import numpy as np
from reference.lstm import sigmoid


def peephole_lstm(W, U, b, p, h, c, xs):
    W_i, W_f, W_g, W_o = np.split(W, 4)
    U_i, U_f, U_g, U_o = np.split(U, 4)
    b_i, b_f, b_g, b_o = np.split(b, 4)
    p_i, p_f, p_o = p
    hidden = []
    for x in xs:
        i = sigmoid(W_i @ x + U_i @ h + p_i * c + b_i)
        f = sigmoid(W_f @ x + U_f @ h + p_f * c + b_f)
        g = np.tanh(W_g @ x + U_g @ h + b_g)
        c = f * c + i * g
        o = sigmoid(W_o @ x + U_o @ h + p_o * c + b_o)
        h = o * np.tanh(c)
        hidden.append(h)
    return np.array(hidden)


def coupled_lstm(W, U, b, h, c, xs):
    W_f, W_g, W_o = np.split(W, 3)
    U_f, U_g, U_o = np.split(U, 3)
    b_f, b_g, b_o = np.split(b, 3)
    hidden = []
    for x in xs:
        f = sigmoid(W_f @ x + U_f @ h + b_f)
        g = np.tanh(W_g @ x + U_g @ h + b_g)
        o = sigmoid(W_o @ x + U_o @ h + b_o)
        c = f * c + (1 - f) * g
        h = o * np.tanh(c)
        hidden.append(h)
    return np.array(hidden)


def normalised(x, gain, offset, epsilon=1e-5):
    return gain * (x - x.mean()) / np.sqrt(x.var() + epsilon) + offset


def layer_norm_lstm(W, U, b, gain_x, off_x, gain_h, off_h, gain_c, off_c, h, c, xs):
    hidden = []
    for x in xs:
        net = normalised(W @ x, gain_x, off_x) + normalised(U @ h, gain_h, off_h) + b
        i, f, g, o = np.split(net, 4)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(normalised(c, gain_c, off_c))
        hidden.append(h)
    return np.array(hidden)


def projected_lstm(W, U, b, P, r, c, xs):
    W_i, W_f, W_g, W_o = np.split(W, 4)
    U_i, U_f, U_g, U_o = np.split(U, 4)
    b_i, b_f, b_g, b_o = np.split(b, 4)
    outputs = []
    for x in xs:
        i = sigmoid(W_i @ x + U_i @ r + b_i)
        f = sigmoid(W_f @ x + U_f @ r + b_f)
        g = np.tanh(W_g @ x + U_g @ r + b_g)
        o = sigmoid(W_o @ x + U_o @ r + b_o)
        c = f * c + i * g
        r = P @ (o * np.tanh(c))
        outputs.append(r)
    return np.array(outputs)


def lstm1997(W, b, s, u, xs, blocks=2, size=2, forget=False):
    """Two blocks of two cells; the rows are cells block by block, then gates by kind."""
    cells = blocks * size
    outputs = []
    for x in xs:
        net = W @ np.concatenate([x, u]) + b
        g = 4 * sigmoid(net[:cells]) - 2
        gates = sigmoid(net[cells:])
        given = np.zeros(cells)
        s = np.array(s)
        for cell in range(cells):
            block = cell // size
            y_in, y_out = gates[block], gates[blocks + block]
            kept = gates[2 * blocks + block] if forget else 1
            s[cell] = kept * s[cell] + y_in * g[cell]
            given[cell] = y_out * (2 * sigmoid(s[cell]) - 1)
        u = np.concatenate([given, gates])
        outputs.append(given)
    return np.array(outputs)


def lstm1997_gradient(W, b, xs, errors, blocks, size):
    """The gradient by W and b as in appendix A.1 of the paper: forwards, error by error.

    `errors` are the derivatives of the loss by each output. Partial derivatives of each internal
    state by the weights into its cell and its input gate are carried along; no others matter once
    the gradient is truncated.
    """
    cells = blocks * size
    units = len(b)
    columns = W.shape[1]
    s, u = np.zeros(cells), np.zeros(units)
    of_cell = np.zeros((cells, columns + 1))  # by the weights into the cell itself
    of_gate = np.zeros((cells, columns + 1))  # by the weights into its block's input gate
    total = np.zeros((units, columns + 1))
    for x, error in zip(xs, errors, strict=True):
        seen = np.concatenate([x, u])
        row = np.append(seen, 1)
        net = W @ seen + b
        squashed = sigmoid(net[:cells])
        g, g_slope = 4 * squashed - 2, 4 * squashed * (1 - squashed)
        gates = sigmoid(net[cells:])
        given = np.zeros(cells)
        for cell in range(cells):
            block = cell // size
            y_in, y_out = gates[block], gates[blocks + block]
            of_cell[cell] += y_in * g_slope[cell] * row
            of_gate[cell] += g[cell] * y_in * (1 - y_in) * row
            s[cell] += y_in * g[cell]
            h = 2 * sigmoid(s[cell]) - 1
            h_slope = 2 * sigmoid(s[cell]) * (1 - sigmoid(s[cell]))
            given[cell] = y_out * h
            # The output gate's error, and the error of the internal state.
            total[cells + blocks + block] += error[cell] * h * y_out * (1 - y_out) * row
            of_state = error[cell] * y_out * h_slope
            total[cell] += of_state * of_cell[cell]
            total[cells + block] += of_state * of_gate[cell]
        u = np.concatenate([given, gates])
    return total[:, :-1], total[:, -1]
