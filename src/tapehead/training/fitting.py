"""`fit`: training in memory, with early stopping and the best weights kept.

It is the trainer's loop without its folder: the same networks, updates and evaluations, for those
who hold their data in arrays and want a network back.
"""

import dataclasses
import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from tapehead.tasks import Task
from tapehead.tasks.task import Data
from tapehead.training.config import AnyConfig
from tapehead.training.divergence import Diverged, explain
from tapehead.training.evaluation import evaluate
from tapehead.training.networks import Networks, one_of
from tapehead.training.update import Progress, Updater

CRITERION = "loss"
"""The metric on held-out examples by which the best weights are chosen."""

Moment = Mapping[str, float]
"""A line of the learning curve: `update`, `loss` and `held_out_loss`, means over the networks."""


@dataclass
class Fitted:
    """What `fit` made.

    **Attributes:**

    - `progress`: of the networks after the last update, to go on from.
    - `arrays`: the networks' best arrays, stacked: those of the evaluation with the lowest loss on
        the held-out examples, or the last ones where nothing was held out.
    - `updates`: updates made, those before this call included.
    - `best`: the update each network's best arrays are of.
    - `curve`: the learning curve.
    """

    progress: Progress
    arrays: Any
    updates: int
    best: list[int]
    curve: list[Moment] = field(default_factory=list)


class Machine:
    """What is compiled for a config and data of one shape, for as many calls as may come."""

    def __init__(self, config: AnyConfig):
        self.networks = Networks(config)
        self.updater = Updater(config, self.networks.static)
        self.prepared = False

    def prepare(self, progress: Progress, task: Task, data: Data) -> None:
        """Compile the updates, unless that is done."""
        if not self.prepared:
            self.updater.prepare(progress, task, data)
            self.prepared = True


@functools.lru_cache(maxsize=16)
def _machine(config: AnyConfig, _shapes: tuple[Any, ...]) -> Machine:
    return Machine(config)


def machine(config: AnyConfig, data: Data) -> Machine:
    """The machine for data of these shapes: an old one, if the settings can be compared.

    Those of a recipe that holds arrays cannot.
    """
    config = dataclasses.replace(config, seed=0)
    leaves, structure = jax.tree.flatten(data)
    shapes = (structure, *((np.shape(leaf), str(leaf.dtype)) for leaf in leaves))
    try:
        hash(config)
    except TypeError:
        return Machine(config)
    return _machine(config, shapes)


def fit(
    config: AnyConfig,
    data: Data,
    held_out: Data | None = None,
    *,
    patience: int = 10,
    average: float = 0,
    arrays: Any = None,
    begun: Progress | None = None,
    start: int = 0,
    tell: Callable[[Moment], None] = lambda moment: None,
) -> Fitted:
    """Train the networks of `config` on `data`, and keep each at its best on `held_out`.

    Training ends after `config.updates` updates, or when no network has become better on the
    held-out examples in the last `patience` evaluations, which are `config.evaluate_every` updates
    apart.

    **Arguments:**

    - `config`: of the run; its task draws from `data`.
    - `data`: the arrays to learn from.
    - `held_out`: arrays to stop by; `None`: all updates are made, and the last weights are kept.
    - `patience`: see above.
    - `average`: what is evaluated on the held-out examples, and kept, is a running mean of the
        networks' arrays at the evaluations so far, which forgets all but this share of itself at
        each. Where the learning rate is still high, single weights are noise around it; see
        Polyak and Juditsky, "Acceleration of stochastic approximation by averaging" (1992).
    - `arrays`: the networks' arrays to begin with, if not newly drawn ones.
    - `begun`, `start`: where to go on from, and the number of updates it has seen.
    - `tell`: is told each line of the learning curve.

    **Raises:** `Diverged` if a number became NaN or infinite.
    """
    task, made = config.task, machine(config, data)
    networks, updater = Networks(config), made.updater
    data = jax.tree.map(jnp.asarray, data)
    progress = updater.begin(made.networks.build, networks.start_keys, data)
    if arrays is not None:
        progress = progress._replace(arrays=jax.tree.map(jnp.array, arrays))
    if begun is not None:  # in a copy, because updates use up what they begin with
        progress = jax.tree.map(jnp.array, begun)
    made.prepare(progress, task, data)

    seeds = config.seeds
    lowest, best = np.full(seeds, np.inf), [start] * seeds
    fitted = Fitted(progress, jax.tree.map(np.array, progress.arrays), start, best)
    key, last, waited = jax.random.key(0), start + config.updates, 0
    mean = fitted.arrays
    while fitted.updates < last and waited < patience:
        stop = min(fitted.updates + config.evaluate_every, last)
        progress = updater.advance(
            progress,
            task,
            data,
            active=jnp.ones(seeds, bool),
            keys=networks.training_keys,
            start=fitted.updates,
            stop=stop,
        )
        bad = np.asarray(progress.bad)
        if (bad >= 0).any():
            number = int(np.argmax(bad >= 0))
            lane, training = one_of(progress, number), networks.training_keys[number]
            why = explain(updater, task, data, lane, training, int(bad[number]))
            raise Diverged(f"training diverged at update {int(bad[number])}: {why}")
        loss = float(np.mean(np.asarray(progress.sums["loss"]))) / (stop - fitted.updates)
        moment = {"update": stop, "loss": loss}
        progress = progress._replace(sums=jax.tree.map(jnp.zeros_like, progress.sums))
        fitted.updates, fitted.progress = stop, progress
        if held_out is None:
            fitted.arrays, fitted.best[:] = progress.arrays, [stop] * seeds
        else:
            evaluations = len(fitted.curve) + 1
            mean = _moved(mean, progress.arrays, min(average, 1 - 1 / evaluations))
            losses = np.array(
                [
                    evaluate(networks.model(mean, n), task, key=key, data=held_out)[CRITERION]
                    for n in range(seeds)
                ]
            )
            better = losses < lowest
            lowest = np.where(better, losses, lowest)
            fitted.best[:] = [
                stop if b else old for b, old in zip(better, fitted.best, strict=True)
            ]
            fitted.arrays = _merged(better, mean, fitted.arrays)
            moment["held_out_loss"] = float(losses.mean())
            waited = 0 if better.any() else waited + 1
        fitted.curve.append(moment)
        tell(moment)
    return fitted


def _moved(mean: Any, new: Any, kept: float) -> Any:
    """The mean that keeps this share of itself, and takes the rest from the `new` arrays.

    In copies, because updates use up what they begin with.
    """
    if not kept:
        return jax.tree.map(jnp.array, new)
    return jax.tree.map(lambda m, a: (kept * m + (1 - kept) * a).astype(a.dtype), mean, new)


def _merged(better: np.ndarray, new: Any, old: Any) -> Any:
    """The networks' arrays, from `new` where they are `better`; in copies, which updates keep."""

    def pick(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return np.where(better.reshape(-1, *[1] * (np.ndim(a) - 1)), np.asarray(a), np.asarray(b))

    return jax.tree.map(pick, new, old)
