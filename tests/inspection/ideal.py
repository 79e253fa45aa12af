"""A perfect copying machine: the trace of a DNC that has learned to copy, written by hand."""

import numpy as np

from tapehead.inspection import Trace


def copying(length: int, *, bits: int = 8, slots: int = 16, width: int = 12, seed: int = 0):
    """Inputs, targets, weights and the trace of one sequence; one output bit is wrong."""
    rng = np.random.default_rng(seed)
    steps = 2 * length + 1
    vectors = rng.integers(0, 2, (length, bits)).astype(np.float32)
    inputs = np.zeros((steps, bits + 1), np.float32)
    inputs[:length, :bits] = vectors
    inputs[length, bits] = 1
    targets = np.zeros((steps, bits), np.float32)
    targets[length + 1 :] = vectors
    weights = (np.arange(steps) > length).astype(np.float32)
    outputs = np.where(targets > 0.5, 4.0, -4.0).astype(np.float32)
    outputs[length + 2, 1] *= -0.2

    places = rng.permutation(slots)
    write = np.full((steps, 1, slots), 0.01, np.float32)
    reading = np.full((steps, 1, slots), 0.01, np.float32)
    usage = np.zeros((steps, slots), np.float32)
    link = np.zeros((steps, slots, slots), np.float32)
    contents = np.zeros((steps, slots, width), np.float32)
    for t in range(steps):
        if t:
            usage[t], link[t], contents[t] = usage[t - 1], link[t - 1], contents[t - 1]
        if t < length:
            place = places[t % slots]
            write[t, 0, place] = 0.95
            usage[t, place] = 0.95
            contents[t, place] = rng.normal(size=width)
            if t:
                link[t, place, places[(t - 1) % slots]] = 0.9
        elif t > length:
            reading[t, 0, places[(t - length - 1) % slots]] = 0.95
    allocation = np.roll(write, -1, axis=0)
    on = (np.arange(steps) < length).astype(np.float32)[:, None]
    modes = np.stack([0 * on, 0.2 + 0 * on, 0.8 + 0 * on], axis=-1)
    trace = Trace(
        inputs,
        outputs,
        {
            "controller.hidden": rng.normal(size=(steps, 20)).astype(np.float32),
            "interface.allocation_gates": on,
            "interface.free_gates": 1 - on,
            "interface.read_modes": modes,
            "interface.write_gates": on,
            "memory.allocation": allocation,
            "memory.link": link[:, None],
            "memory.memory": contents,
            "memory.read_weights": reading,
            "memory.usage": usage,
            "memory.write_weights": write,
        },
    )
    return targets, weights, trace
