"""Runs that search instead of following gradients."""

import dataclasses

import jax
import numpy as np
import pytest
from small_runs import Impatient, small_config

from tapehead.errors import UserError
from tapehead.learning import CMAES, EvolutionStrategy, GeneticAlgorithm, RandomGuessing
from tapehead.training import Run, Silent, StopSignal, train
from tapehead.training.divergence import explain
from tapehead.training.networks import Networks
from tapehead.training.update import Updater

CONFIG = small_config(rule=RandomGuessing(population=8, scale=2.0))


@pytest.mark.slow
@pytest.mark.parametrize(
    "rule",
    [
        RandomGuessing(population=8, scale=2.0),
        GeneticAlgorithm(population=8),
        CMAES(population=8),
        EvolutionStrategy(window=2, noise="persistent"),
    ],
    ids=["random-guessing", "genetic-algorithm", "cma-es", "persistent"],
)
def test_a_run_stopped_and_resumed_is_the_same(tmp_path, rule):
    """Two seeds: where a search stands is in the checkpoints."""
    if isinstance(rule, CMAES | GeneticAlgorithm):
        pytest.importorskip("evosax", reason="evosax is not installed")
    config = dataclasses.replace(CONFIG, rule=rule, online=rule.window is not None)
    whole = Run.create(tmp_path / "whole", config)
    train(whole, Silent())
    parts = Run.create(tmp_path / "parts", config)
    stop = StopSignal()
    assert train(parts, Impatient(stop), stop).outcome == "stopped"
    train(parts, Silent())
    names = ("metrics.jsonl", "model/weights.safetensors")
    one, other = ([(r.folder / name).read_bytes() for name in names] for r in (whole, parts))
    assert one == other
    losses = [line["metrics"]["loss"] for line in whole.metrics() if line["kind"] == "train"]
    assert np.isfinite(losses).all()


def test_what_follows_gradients_is_refused():
    with pytest.raises(UserError, match="training: l2 is for what follows gradients; leave it out"):
        dataclasses.replace(CONFIG, l2=0.1)
    with pytest.raises(UserError, match="online learns after every window, and this rule has none"):
        dataclasses.replace(CONFIG, online=True)


def test_a_search_that_diverges_is_explained():
    networks = Networks(CONFIG)
    updater = Updater(CONFIG, networks.static)
    why = explain(updater, CONFIG.task, (), None, jax.random.key(0), 0)
    assert why.startswith("what RandomGuessing holds to be best is not finite. Try a smaller")
