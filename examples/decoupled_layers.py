"""Layers that wait for no other: test errors on MNIST by how each of them learns.

    python examples/decoupled_layers.py [LAYERS ...] [--updates N] [--seeds N] [--rules NAME ...]
        [--probability P]

Layers of 256 units below a readout, all of them trained by backpropagation; the readout alone;
every layer from what a linear predictor says of its outputs, without and with labels; and the last
with random updates, by which a layer or predictor is updated with probability P for a batch, as
many batches being read as make up for it. Source: Jaderberg et al., "Decoupled neural interfaces
using synthetic gradients" (2017), section 3.3.
"""

import argparse
from dataclasses import replace

import jax

from tapehead.learning import BPTT, Decoupled
from tapehead.models import MLPModel
from tapehead.tasks import ClutteredMnist
from tapehead.training import Adam, RunConfig, evaluate
from tapehead.training.fitting import fit
from tapehead.training.networks import Networks

MNIST = ClutteredMnist(side=28, clutter=0)
RULES = {
    "readout": (Decoupled(layers=0, scale=0.0), 1e-3),
    "backprop": (BPTT(), 1e-3),
    "predicted": (Decoupled(layers=0), 3e-4),
    "labels": (Decoupled(layers=0, labels=True), 3e-4),
    "random": (Decoupled(layers=0, labels=True), 3e-4),
}
"""By name, the rule and its learning rate."""


def errors(name, layers, *, updates, seeds, probability):
    """Of every seed's network, the share of wrong answers on the 10,000 images of the test."""
    rule, rate = RULES[name]
    if name == "random":
        rule, updates = replace(rule, probability=probability), round(updates / probability)
    config = RunConfig(
        task=MNIST,
        model=MLPModel(layers=layers),
        rule=rule,
        optimizer=Adam(rate, schedule="cosine"),
        batch=128,
        updates=updates,
        evaluate_every=updates,
        seeds=seeds,
    )
    fitted = fit(config, MNIST.data())
    test, networks = MNIST.evaluations()["test"], Networks(config)
    found = [
        evaluate(networks.model(fitted.arrays, n), test, key=jax.random.key(0), data=test.data())
        for n in range(seeds)
    ]
    return sorted(1 - one["accuracy"] for one in found)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("layers", nargs="*", type=int, default=[3, 4, 5, 6])
    parser.add_argument("--updates", type=int, default=500)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--rules", nargs="+", choices=RULES, default=list(RULES))
    parser.add_argument("--probability", type=float, default=0.2, help="of random updates")
    asked = parser.parse_args()
    settings = {name: getattr(asked, name) for name in ("updates", "seeds", "probability")}
    for layers in asked.layers:
        for name in asked.rules:
            found = errors(name, layers, **settings)
            middle = found[len(found) // 2]
            print(
                f"{layers} layers, {name:10} median {middle:7.2%}   "
                f"{found[0]:.2%} to {found[-1]:.2%}",
                flush=True,
            )


if __name__ == "__main__":
    main()
