"""The Neural Turing Machine in NumPy, loop by loop, from the equations of Graves et al. (2014)."""

import numpy as np


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def softplus(x):
    return np.log(1 + np.exp(x))


def softmax(x):
    exponentials = np.exp(x - np.max(x))
    return exponentials / np.sum(exponentials)


def cosine(u, v, epsilon=1e-6):
    """Eq. 6, with ε inside the roots."""
    return np.dot(u, v) / (np.sqrt(np.dot(u, u) + epsilon) * np.sqrt(np.dot(v, v) + epsilon))


def dot(u, v):
    return np.dot(u, v)


def negative_squared_distance(u, v):
    return -np.sum((u - v) ** 2)


def content(memory, key, strength, similarity):
    """Eq. 5."""
    return softmax(np.array([strength * similarity(key, row) for row in memory]))


def interpolate(content_weights, previous, gate):
    """Eq. 7."""
    return gate * content_weights + (1 - gate) * previous


def circular_shift(weights, shift):
    """Eq. 8; `shift[k + reach]` is the probability of moving by k."""
    slots, reach = len(weights), len(shift) // 2
    shifted = np.zeros(slots)
    for i in range(slots):
        for k in range(-reach, reach + 1):
            shifted[i] += weights[(i - k) % slots] * shift[k + reach]
    return shifted


def sharpen(weights, exponent):
    """Eq. 9."""
    powers = weights**exponent
    return powers / np.sum(powers)


def address(memory, previous, head, similarity):
    """The four steps of figure 2, for one head."""
    weights = content(memory, head["key"], head["strength"], similarity)
    weights = interpolate(weights, previous, head["gate"])
    weights = circular_shift(weights, head["shift"])
    return sharpen(weights, head["sharpness"])


def heads_of(flat, read_heads, write_heads, width, shift_range):
    """The fields of every head; read heads first, and fields of one kind side by side."""
    flat = list(flat)

    def take(count, size):
        pieces = [np.array(flat[i * size : (i + 1) * size]) for i in range(count)]
        del flat[: count * size]
        return pieces

    heads = [{} for _ in range(read_heads + write_heads)]
    count = len(heads)
    for head, key in zip(heads, take(count, width), strict=True):
        head["key"] = key
    for head, (strength,) in zip(heads, take(count, 1), strict=True):
        head["strength"] = softplus(strength)
    for head, (gate,) in zip(heads, take(count, 1), strict=True):
        head["gate"] = sigmoid(gate)
    for head, shift in zip(heads, take(count, 2 * shift_range + 1), strict=True):
        head["shift"] = softmax(shift)
    for head, (sharpness,) in zip(heads, take(count, 1), strict=True):
        head["sharpness"] = 1 + softplus(sharpness)
    for head, erase in zip(heads[read_heads:], take(write_heads, width), strict=True):
        head["erase"] = sigmoid(erase)
    for head, add in zip(heads[read_heads:], take(write_heads, width), strict=True):
        head["add"] = add
    assert not flat
    return heads[:read_heads], heads[read_heads:]


def step(state, flat, shift_range, similarity=cosine):
    """One step of one sequence: `(memory, read weightings, write weightings)` and the reads."""
    memory, read_weights, write_weights = state
    slots, width = memory.shape
    readers, writers = heads_of(flat, len(read_weights), len(write_weights), width, shift_range)
    read_weights = [
        address(memory, w, h, similarity) for w, h in zip(read_weights, readers, strict=True)
    ]
    write_weights = [
        address(memory, w, h, similarity) for w, h in zip(write_weights, writers, strict=True)
    ]
    memory = memory.copy()
    for w, head in zip(write_weights, writers, strict=True):  # eq. 3
        for i in range(slots):
            memory[i] *= 1 - w[i] * head["erase"]
    for w, head in zip(write_weights, writers, strict=True):  # eq. 4
        for i in range(slots):
            memory[i] += w[i] * head["add"]
    reads = [sum(w[i] * memory[i] for i in range(slots)) for w in read_weights]  # eq. 2
    return (memory, np.array(read_weights), np.array(write_weights)), np.array(reads)


def initial_state(slots, width, read_heads, write_heads):
    """Every number 1e-6 and every head on slot 0."""
    first = np.zeros(slots)
    first[0] = 1
    memory = np.full((slots, width), 1e-6)
    return memory, np.array([first] * read_heads), np.array([first] * write_heads)


def network(parameters, inputs, state, shift_range, similarity=cosine, clip=20.0):
    """The outputs for one sequence, with a feed-forward controller of one tanh layer."""
    reads = np.zeros((len(state[1]), state[0].shape[1]))
    outputs = []
    for x in inputs:
        joined = np.concatenate([x, reads.ravel()])
        hidden = np.tanh(parameters["controller"] @ joined + parameters["controller_bias"])
        flat = parameters["interface"] @ hidden + parameters["interface_bias"]
        state, reads = step(state, flat, shift_range, similarity)
        y = parameters["readout"] @ np.concatenate([hidden, reads.ravel()])
        outputs.append(np.clip(y + parameters["readout_bias"], -clip, clip))
    return np.array(outputs)
