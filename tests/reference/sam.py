"""Sparse access memory in NumPy, with dense weightings, from the equations of Rae et al. (2016)."""

from dataclasses import dataclass, field, replace

import numpy as np
from reference.ntm import cosine, sigmoid, softmax, softplus


@dataclass
class State:
    """One sequence's memory.

    `order` lists the slots by last access, the earliest first; `discounted` sums the weights that
    each slot had; `read_slots` are those that `read_weights` are not zero at, by head.
    """

    memory: np.ndarray
    read_weights: np.ndarray
    read_slots: list = field(default_factory=list)
    order: list = field(default_factory=list)
    discounted: np.ndarray = field(default_factory=lambda: np.zeros(0))


def initial_state(slots, width, heads):
    return State(
        memory=np.zeros((slots, width)),
        read_weights=np.zeros((heads, slots)),
        read_slots=[[] for _ in range(heads)],
        order=list(range(slots)),
        discounted=np.zeros(slots),
    )


def heads_of(flat, heads, width):
    """The fields of every head; fields of one kind lie side by side."""
    content = heads * width
    keys, flat = flat[:content].reshape(heads, width), flat[content:]
    strengths, flat = 1 + softplus(flat[:heads]), flat[heads:]
    vectors, flat = flat[:content].reshape(heads, width), flat[content:]
    gates, interpolations = sigmoid(flat[:heads]), sigmoid(flat[heads:])
    assert len(interpolations) == heads
    return keys, strengths, vectors, gates, interpolations


def step(state, flat, reads, usage="last-access", threshold=0.005, discount=0.99, dense=False):
    """One step: the state after it, and what each head read; if `dense`, of empty rows as well."""
    (slots, width), heads = state.memory.shape, len(state.read_weights)
    keys, strengths, vectors, gates, interpolations = heads_of(flat, heads, width)
    by_usage = np.argsort(state.discounted, kind="stable")
    fresh = list(state.order[:heads] if usage == "last-access" else by_usage[:heads])

    write_weights = np.zeros((heads, slots))
    for h in range(heads):
        new = np.zeros(slots)
        new[fresh[h]] = 1
        mixed = interpolations[h] * state.read_weights[h] + (1 - interpolations[h]) * new
        write_weights[h] = gates[h] * mixed
    memory = state.memory.copy()
    memory[fresh] = 0
    for h in range(heads):
        memory = memory + np.outer(write_weights[h], vectors[h])

    read_weights, read_slots = np.zeros((heads, slots)), []
    for h in range(heads):
        cosines = np.array([cosine(keys[h], row) for row in memory])
        if not dense:
            cosines[~np.any(memory, axis=1)] = -np.inf
        chosen = list(np.argsort(-cosines, kind="stable")[:reads])
        if dense or np.any(memory):
            read_weights[h, chosen] = softmax(strengths[h] * cosines[chosen])
        read_slots.append(chosen)

    accessed = [(slot, gates[h] * (1 - interpolations[h])) for h, slot in enumerate(fresh)]
    for weights, where in ((write_weights, state.read_slots), (read_weights, read_slots)):
        accessed += [(slot, weights[h, slot]) for h in range(heads) for slot in where[h]]
    order = list(state.order)
    for slot, weight in accessed:
        if weight > threshold:
            order.remove(slot)
            order.append(slot)
    discounted = discount * state.discounted + np.sum(write_weights + read_weights, axis=0)
    return State(memory, read_weights, read_slots, order, discounted), read_weights @ memory


def network(parameters, inputs, heads, reads, memory, clip=20.0):
    """The outputs for one sequence, with a feed-forward controller of one tanh layer."""
    state = replace(initial_state(*memory.shape, heads), memory=memory)
    seen = np.zeros((heads, memory.shape[1]))
    outputs = []
    for x in inputs:
        joined = np.concatenate([x, seen.ravel()])
        hidden = np.tanh(parameters["controller"] @ joined + parameters["controller_bias"])
        flat = parameters["interface"] @ hidden + parameters["interface_bias"]
        state, seen = step(state, flat, reads)
        y = parameters["readout"] @ np.concatenate([hidden, seen.ravel()])
        outputs.append(np.clip(y + parameters["readout_bias"], -clip, clip))
    return np.array(outputs)
