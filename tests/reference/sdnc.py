"""The sparse DNC in NumPy, all of it dense, from the equations of Rae et al. (2016)."""

from dataclasses import dataclass, field

import numpy as np
from reference.ntm import cosine, softmax
from reference.sam import heads_of


def dense_links(before, after, precedence, weights):
    """N, P and p after a write, none of them cut: the paper's recursion, without self-links."""
    w, p = weights, precedence
    before = (1 - w[:, None]) * before + w[:, None] * p[None, :]
    after = (1 - w[None, :]) * after + w[None, :] * p[:, None]
    np.fill_diagonal(before, 0)
    np.fill_diagonal(after, 0)
    total = np.sum(w)
    return before, after, (1 - min(1, total)) * p + w / max(1, total)


def cut(weights, count):
    """The `count` largest; of equal ones those with the smaller number."""
    kept = np.zeros_like(weights)
    largest = np.argsort(-weights, kind="stable")[:count]
    kept[largest] = weights[largest]
    return kept


def links(before, after, precedence, weights, written, count):
    """The same with at most `count` entries in every row and in p.

    An entry of P that was cut off comes back only where its row is that of a slot in p.
    """
    old, last = before, np.flatnonzero(precedence)
    before, _, latest = dense_links(before, after, precedence, weights)
    before = np.array([cut(row, count) for row in before])
    after = after.copy()
    for j in written:
        for i in range(len(weights)):
            if i in last or (old[j, i] > 0 and after[i, j] > 0):
                after[i, j] = before[j, i]
    for i in last:
        after[i] = cut(after[i], count)
    return before, after, cut(latest, count)


@dataclass
class State:
    """One sequence's memory; `order` lists the slots by last access, the earliest first."""

    memory: np.ndarray
    read_weights: np.ndarray
    read_slots: list
    before: np.ndarray
    after: np.ndarray
    precedence: np.ndarray
    order: list = field(default_factory=list)


def initial_state(slots, width, heads, reads):
    return State(
        memory=np.zeros((slots, width)),
        read_weights=np.zeros((heads, slots)),
        read_slots=[[0] * reads for _ in range(heads)],
        before=np.zeros((slots, slots)),
        after=np.zeros((slots, slots)),
        precedence=np.zeros(slots),
        order=list(range(slots)),
    )


def step(state, flat, link_entries, constant=None, threshold=0.005):
    """One step: the state after it, and what each head read.

    `constant` is a state whose links, those after this step, are taken instead of its own.
    """
    (slots, width), heads = state.memory.shape, len(state.read_weights)
    reads = len(state.read_slots[0])
    flat, modes = flat[: -3 * heads], flat[-3 * heads :].reshape(heads, 3)
    keys, strengths, vectors, gates, interpolations = heads_of(flat, heads, width)
    modes = np.array([softmax(mode) for mode in modes])

    fresh = list(state.order[:heads])
    new = np.eye(slots)[fresh]
    mixed = interpolations[:, None] * state.read_weights + (1 - interpolations)[:, None] * new
    write_weights = gates[:, None] * mixed
    memory = state.memory.copy()
    memory[fresh] = 0
    memory = memory + write_weights.T @ vectors

    written = fresh + [slot for slots_of_head in state.read_slots for slot in slots_of_head]
    amounts = 1 - np.prod(1 - write_weights, axis=0)
    old = (state.before, state.after, state.precedence)
    before, after, precedence = links(*old, amounts, written, link_entries)
    if constant is not None:
        before, after, precedence = constant.before, constant.after, constant.precedence

    read_weights, read_slots = np.zeros((heads, slots)), []
    onwards = after / np.maximum(np.sum(after, axis=1, keepdims=True), 1)
    for h in range(heads):
        cosines = np.array([cosine(keys[h], row) for row in memory])
        cosines[~np.any(memory, axis=1)] = -np.inf
        alike = np.argsort(-cosines, kind="stable")[:reads]
        content = np.zeros(slots)
        if np.any(memory):
            content[alike] = softmax(strengths[h] * cosines[alike])
        back = cut(state.read_weights[h] @ before, reads)
        forward = cut(state.read_weights[h] @ onwards, reads)
        read_weights[h] = cut(modes[h] @ [back, content, forward], reads)
        largest = np.argsort(-read_weights[h], kind="stable")[:reads]
        read_slots.append([slot if read_weights[h, slot] > 0 else 0 for slot in largest])

    accessed = [(slot, gates[h] * (1 - interpolations[h])) for h, slot in enumerate(fresh)]
    for h in range(heads):
        share = gates[h] * interpolations[h]
        accessed += [(s, share * state.read_weights[h, s]) for s in state.read_slots[h]]
    for h in range(heads):
        accessed += [(slot, read_weights[h, slot]) for slot in read_slots[h]]
    order = list(state.order)
    for slot, weight in accessed:
        if weight > threshold:
            order.remove(slot)
            order.append(slot)
    after_step = State(memory, read_weights, read_slots, before, after, precedence, order)
    return after_step, read_weights @ memory


def network(parameters, inputs, state, link_entries, constants=None):
    """The outputs for one sequence and the states, with a feed-forward controller of one layer."""
    seen = np.zeros((len(state.read_weights), state.memory.shape[1]))
    outputs, states = [], []
    for t, x in enumerate(inputs):
        joined = np.concatenate([x, seen.ravel()])
        hidden = np.tanh(parameters["controller"] @ joined + parameters["controller_bias"])
        flat = parameters["interface"] @ hidden + parameters["interface_bias"]
        constant = None if constants is None else constants[t]
        state, seen = step(state, flat, link_entries, constant)
        y = parameters["readout"] @ np.concatenate([hidden, seen.ravel()])
        outputs.append(np.clip(y + parameters["readout_bias"], -20, 20))
        states.append(state)
    return np.array(outputs), states
