"""The Differentiable Neural Computer in NumPy, slot by slot, for one sequence.

From the equations of Graves, Wayne et al. (2016), with the switches of Csordás and Schmidhuber
(2019) and several write heads as in DeepMind's open implementation (2017). The allocation sorts.
"""

from typing import NamedTuple

import numpy as np
from reference.lstm import lstm
from reference.ntm import content, cosine, sigmoid, softmax, softplus

EPSILON = 1e-6
"""Usage is kept this far above 0."""


class Options(NamedTuple):
    read_heads: int
    write_heads: int
    width: int
    key_masking: bool
    erase_on_deallocation: bool
    sharpen_links: bool
    links: str
    link_entries: int


def oneplus(x):
    return 1 + softplus(x)


def split_interface(flat, options):
    """ξ_t in the order of the paper; masks and sharpness come last."""
    flat = list(flat)
    R, H, W = options.read_heads, options.write_heads, options.width

    def take(count, size):
        pieces = [np.array(flat[i * size : (i + 1) * size]) for i in range(count)]
        del flat[: count * size]
        return pieces

    xi = {}
    xi["k_r"] = take(R, W)
    xi["beta_r"] = [oneplus(x) for (x,) in take(R, 1)]
    xi["k_w"] = take(H, W)
    xi["beta_w"] = [oneplus(x) for (x,) in take(H, 1)]
    xi["e"] = [sigmoid(x) for x in take(H, W)]
    xi["v"] = take(H, W)
    xi["f"] = [sigmoid(x) for (x,) in take(R, 1)]
    xi["g_a"] = [sigmoid(x) for (x,) in take(H, 1)]
    xi["g_w"] = [sigmoid(x) for (x,) in take(H, 1)]
    if options.links != "none":
        xi["pi"] = [softmax(x) for x in take(R, 2 * H + 1)]
    xi["m_r"], xi["m_w"] = [np.ones(W)] * R, [np.ones(W)] * H
    if options.key_masking:
        xi["m_r"] = [0.1 + 0.9 * sigmoid(x) for x in take(R, W)]
        xi["m_w"] = [0.1 + 0.9 * sigmoid(x) for x in take(H, W)]
    if options.sharpen_links:
        xi["s"] = [oneplus(x) for x in take(R, 2)]  # of f and of b
    assert not flat
    return xi


def free_list(u):
    """φ_t: the slots by ascending usage, of those used alike the first."""
    return np.argsort(u, kind="stable")


def allocation(u, phi, epsilon=EPSILON):
    """a_t[φ[j]] = (1 − u[φ[j]]) Π_{i<j} u[φ[i]], with u raised to ε + (1 − ε) u."""
    u = epsilon + (1 - epsilon) * u
    a = np.zeros(len(u))
    product = 1.0
    for slot in phi:
        a[slot] = (1 - u[slot]) * product
        product *= u[slot]
    return a


def look_up(M, k, beta, mask):
    """C(M, k, β), through the mask."""
    return content(M * mask, k * mask, beta, cosine)


def keep_largest(w, K):
    """The K largest, the first of those alike, scaled to the sum that all had if it is not 0."""
    kept = np.zeros(len(w))
    for slot in np.argsort(-w, kind="stable")[:K]:
        kept[slot] = w[slot]
    total = np.sum(kept)
    return kept * np.sum(w) / total if total > 1e-12 else kept


def sharpened(d, s):
    """(d / max d)^s, renormalised; nothing stays nothing."""
    if np.max(d) == 0:
        return d
    powers = (d / np.max(d)) ** s
    return powers / np.sum(powers)


def next_link(L, p, w, options):
    """L_t of one write head."""
    N = len(w)
    if options.links == "sparse":
        w, p = keep_largest(w, options.link_entries), keep_largest(p, options.link_entries)
    new = np.zeros((N, N))
    for i in range(N):
        for j in range(N):
            if i != j:
                new[i, j] = (1 - w[i] - w[j]) * L[i, j] + w[i] * p[j]
                if options.links == "sparse" and new[i, j] < 1 / options.link_entries:
                    new[i, j] = 0
    return new


def step(state, flat, options):
    """`(M, u, L, p, w^r, w^w)` after a step, and the reads."""
    M, u, L, p, w_r, w_w = state
    N, R, H = len(u), options.read_heads, options.write_heads
    xi = split_interface(flat, options)

    psi = np.ones(N)  # retention
    for i in range(R):
        psi = psi * (1 - xi["f"][i] * w_r[i])
    unwritten = np.ones(N)
    for h in range(H):
        unwritten = unwritten * (1 - w_w[h])
    written = 1 - unwritten
    u = (u + written - u * written) * psi

    simulated = u.copy()
    new_w_w = []
    for h in range(H):
        a = allocation(simulated, free_list(simulated))
        simulated = simulated + (1 - simulated) * xi["g_a"][h] * xi["g_w"][h] * a
        c = look_up(M, xi["k_w"][h], xi["beta_w"][h], xi["m_w"][h])
        new_w_w.append(xi["g_w"][h] * (xi["g_a"][h] * a + (1 - xi["g_a"][h]) * c))
    w_w = np.array(new_w_w)

    M = M.copy()
    if options.erase_on_deallocation:
        for i in range(N):
            M[i] *= psi[i]
    for h in range(H):
        for i in range(N):
            M[i] *= 1 - w_w[h, i] * xi["e"][h]
    for h in range(H):
        for i in range(N):
            M[i] += w_w[h, i] * xi["v"][h]

    c_r = [look_up(M, xi["k_r"][i], xi["beta_r"][i], xi["m_r"][i]) for i in range(R)]
    if options.links == "none":
        w_r = np.array(c_r)
    else:
        L = np.array([next_link(L[h], p[h], w_w[h], options) for h in range(H)])
        p = np.array([(1 - np.sum(w_w[h])) * p[h] + w_w[h] for h in range(H)])
        new_w_r = []
        for i in range(R):
            forward = [L[h] @ w_r[i] for h in range(H)]
            backward = [L[h].T @ w_r[i] for h in range(H)]
            if options.sharpen_links:
                forward = [sharpened(f, xi["s"][i][0]) for f in forward]
                backward = [sharpened(b, xi["s"][i][1]) for b in backward]
            ways = [*backward, c_r[i], *forward]
            new_w_r.append(sum(xi["pi"][i][way] * ways[way] for way in range(2 * H + 1)))
        w_r = np.array(new_w_r)
    reads = np.array([M.T @ w_r[i] for i in range(R)])
    return (M, u, L, p, w_r, w_w), reads


def network(parameters, inputs, state, options, clip=20.0):
    """The outputs for one sequence, with a controller of one LSTM layer."""
    W, U, b = (parameters[name] for name in ("controller_input", "controller_recurrent", "bias"))
    h = c = np.zeros(U.shape[1])
    reads = np.zeros((options.read_heads, options.width))
    outputs = []
    for x in inputs:
        chi = np.concatenate([x, reads.ravel()])
        (h,), (c,) = lstm(W, U, b, h, c, chi[None])
        flat = parameters["interface"] @ h + parameters["interface_bias"]
        state, reads = step(state, flat, options)
        y = parameters["readout"] @ np.concatenate([h, reads.ravel()]) + parameters["readout_bias"]
        outputs.append(np.clip(y, -clip, clip))
    return np.array(outputs)
