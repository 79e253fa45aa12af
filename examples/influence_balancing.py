"""A parameter whose influence is positive at first and negative in the end.

    python examples/influence_balancing.py [PLOT.svg]

Of 23 units each takes half of itself and half of the next; a single parameter θ drives the first
10 with +θ and the other 13 with −θ. The loss is ½ (s_1 − 1)². What θ does to the first unit within
a few steps is positive; what it does in the end is 2 (10 − 13) = −6, so that the best θ is −1/6.
Rules that look no further back than a window of w steps push θ the wrong way, unless w is far
longer than the way through the units. Source: Tallec and Ollivier, "Unbiased online recurrent
optimization" (2017).
"""

import sys

import jax
import jax.numpy as jnp

from tapehead import RTRL, UORO, Cell, NoBackTrack, Sequences, TruncatedBPTT

UNITS, POSITIVE, STEPS, RATE = 23, 10, 30_000, 3e-5
SIGNS = jnp.where(jnp.arange(UNITS) < POSITIVE, 1.0, -1.0)


class Balance(Cell):
    """s ← A s + θ (+1 ten times, −1 thirteen times), A = ½ I + ½ superdiagonal; y = s_1."""

    theta: jax.Array
    input_size = 1
    output_size = 1

    def initial_state(self, batch=(), *, key=None):
        return jnp.ones((*batch, UNITS))

    def step(self, state, x):
        onward = jnp.concatenate([state[..., 1:], jnp.zeros_like(state[..., :1])], axis=-1)
        state = 0.5 * state + 0.5 * onward + self.theta * SIGNS
        return state, state[..., :1]


def loss(outputs, targets):
    return 0.5 * (outputs[..., 0] - targets[..., 0]) ** 2


def learn(rule, *, seed=0, steps=STEPS):
    """θ after every window, with a step along its gradient at each; from θ = ½."""
    ones = jnp.ones((rule.window, 1, 1))
    window = Sequences(inputs=ones, targets=ones, weights=ones[..., 0])

    def body(before, number):
        model, carry = before
        gradient, carry, _ = rule.gradient(model, carry, window, loss)
        rate = RATE / jnp.sqrt(1 + number * rule.window / 1000)
        model = jax.tree.map(lambda p, g: p - rate * g, model, gradient)
        return (model, carry), model.theta

    model = Balance(jnp.asarray(0.5))
    carry = rule.begin(model, (1,), key=jax.random.key(seed))
    count = steps // rule.window
    return jax.jit(lambda: jax.lax.scan(body, (model, carry), jnp.arange(count, dtype=float))[1])()


RULES = {
    "truncated-bptt, 1": (TruncatedBPTT(window=1), 1),
    "truncated-bptt, 10": (TruncatedBPTT(window=10), 1),
    "truncated-bptt, 100": (TruncatedBPTT(window=100), 1),
    "truncated-bptt, 200": (TruncatedBPTT(window=200), 1),
    "rtrl": (RTRL(window=1), 1),
    "uoro": (UORO(window=1), 5),
    "nobacktrack": (NoBackTrack(window=1), 5),
}
"""The rules, each with how many seeds."""


def main(plot=None):
    curves = {}
    print(
        f"{'rule':22}{'after 10 000':>14}{'after 30 000':>14}{'largest |θ|':>14}   (best: -0.1667)"
    )
    for name, (rule, seeds) in RULES.items():
        runs = [learn(rule, seed=seed) for seed in range(seeds)]
        curves[name] = [(jnp.arange(1, len(run) + 1) * rule.window, run) for run in runs]
        third, last = ([float(run[len(run) // k - 1]) for run in runs] for k in (3, 1))
        largest = max(float(jnp.abs(run).max()) for run in runs)
        middle = (sorted(third)[seeds // 2], sorted(last)[seeds // 2])
        print(f"{name:22}{middle[0]:14.4g}{middle[1]:14.4g}{largest:14.4g}")
    if plot is None:
        return
    from matplotlib import pyplot

    axes = pyplot.figure(figsize=(6, 4)).subplots()
    for number, (name, runs) in enumerate(curves.items()):
        for steps, theta in runs:
            axes.plot(steps, theta, color=f"C{number}", label=name if theta is runs[0][1] else None)
    axes.axhline(-1 / 6, color="black", linewidth=0.5)
    axes.set(xlabel="step", ylabel="θ", ylim=(-1.5, 2.5))
    axes.legend()
    axes.figure.savefig(plot)


if __name__ == "__main__":
    main(*sys.argv[1:])
