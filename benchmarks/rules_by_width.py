"""Time and memory of every learning rule for a step, against the width of the net.

    python benchmarks/rules_by_width.py [--model gru] [--widths 16 32 64 128 256] [--steps 64]

One layer of the model with as many inputs as units reads random sequences, one at a time. For each
rule and width: milliseconds for a step (the best of up to twenty runs), megabytes of what is
carried from step to step, megabytes that the compiled gradient takes besides its arguments; at the
end the exponents b of width^b, fitted to the three largest widths, beside the expected ones. What a
rule refuses is left out. Below some width the overhead of a step hides the exponent.
"""

import argparse
import time

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from tapehead.errors import UserError
from tapehead.learning import RULES, sequence_gradient
from tapehead.models import MODELS
from tapehead.sequences import Sequences

EXPECTED = {  # of time, and of what is carried
    "bptt": (2, 0),
    "truncated-bptt": (2, 1),
    "synthetic-gradients": (2, 1),
    "rtrl": (4, 3),
    "snap": (2, 2),
    "snap-2": (4, 3),  # in a dense net, it is RTRL
    "rflo": (2, 2),
    "truncated-lstm": (2, 2),
    "uoro": (2, 2),
    "nobacktrack": (2, 2),
    "kf-rtrl": (3, 2),
    "evolution-strategy": (2, 2),
}
SETTINGS = {
    "truncated-bptt": {"window": 1},
    "synthetic-gradients": {"window": 1},
    "snap-2": {"steps": 2},
}
"""Of the rules that are not measured with their defaults."""
LIMIT = 2.0
"""Seconds after which runs are not repeated any more, once there are four."""


def squared(outputs: jax.Array, targets: jax.Array) -> jax.Array:
    return jnp.sum((outputs - targets) ** 2, axis=-1)


def measure(name: str, model_name: str, width: int, steps: int) -> tuple[float, float, float]:
    """Milliseconds a step, and megabytes carried and taken."""
    rule = RULES[name.removesuffix("-2")](**SETTINGS.get(name, {}))
    key = jax.random.key(0)
    model = rule.extend(MODELS[model_name](hidden=width).build(width, 1, key=key), key=key)
    xs = jax.random.normal(key, (steps, 1, width))
    batch = Sequences(inputs=xs, targets=xs[..., :1], weights=jnp.ones((steps, 1)))
    arrays, static = eqx.partition(model, eqx.is_array)

    def gradient(arrays: object, batch: Sequences) -> object:
        return sequence_gradient(rule, eqx.combine(arrays, static), batch, squared, key=key)[0]

    def carried(arrays: object) -> object:
        return rule.begin(eqx.combine(arrays, static), (1,), key=key)

    leaves = jax.tree.leaves(jax.eval_shape(carried, arrays))
    floats = [x for x in leaves if jnp.issubdtype(x.dtype, jnp.inexact)]
    compiled = jax.jit(gradient).lower(arrays, batch).compile()
    seconds = []
    while len(seconds) < 4 or (len(seconds) < 20 and sum(seconds) < LIMIT):
        began = time.perf_counter()
        jax.block_until_ready(compiled(arrays, batch))
        seconds.append(time.perf_counter() - began)
    taken = compiled.memory_analysis().temp_size_in_bytes
    return (
        1e3 * min(seconds[1:]) / steps,
        sum(x.size * x.dtype.itemsize for x in floats) / 1e6,
        taken / 1e6,
    )


def exponent(widths: list[int], values: list[float]) -> float:
    """b of the power law through the last three points."""
    if len(values) < 2 or min(values[-3:]) <= 0:
        return float("nan")
    return float(np.polyfit(np.log(widths[-3:]), np.log(values[-3:]), 1)[0])


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--model", default="gru", choices=list(MODELS))
    parser.add_argument("--widths", type=int, nargs="+", default=[16, 32, 64, 128, 256])
    parser.add_argument("--steps", type=int, default=64)
    parser.add_argument("--rules", nargs="+", default=list(EXPECTED), choices=list(EXPECTED))
    options = parser.parse_args()
    print(f"{options.model}, one sequence of {options.steps} steps")
    print(f"{'rule':16}{'width':>7}{'ms/step':>10}{'MB carried':>12}{'MB taken':>10}")
    fitted = []
    for name in options.rules:
        widths, found = [], []
        for width in options.widths:
            try:
                numbers = measure(name, options.model, width, options.steps)
            except UserError as refusal:
                print(f"{name:16}{width:7}  refused: {refusal}")
                continue
            widths.append(width)
            found.append(numbers)
            print(f"{name:16}{width:7}{numbers[0]:10.3f}{numbers[1]:12.3f}{numbers[2]:10.2f}")
        if found:
            times, carried, _ = map(list, zip(*found, strict=True))
            fitted.append((name, exponent(widths, times), exponent(widths, carried)))
    print(f"\n{'rule':16}{'time ~ width^':>14}{'expected':>10}{'carried ~':>11}{'expected':>10}")
    for name, of_time, of_memory in fitted:
        wanted = EXPECTED[name]
        print(f"{name:16}{of_time:14.2f}{wanted[0]:10}{of_memory:11.2f}{wanted[1]:10}")


if __name__ == "__main__":
    main()
