"""Runs of which members and predictors are updated by themselves, at random."""

import dataclasses

import jax
import numpy as np
import pytest
from small_runs import Impatient, small_config

from tapehead.errors import UserError
from tapehead.learning import Decoupled
from tapehead.training import Run, Silent, StopSignal, dry_run, train
from tapehead.training.networks import Networks
from tapehead.training.update import Updater

CONFIG = small_config(rule=Decoupled(layers=0, probability=0.5))


@pytest.mark.slow
def test_a_run_stopped_and_resumed_is_the_same(tmp_path):
    """Two seeds: the optimisers of all units are in the checkpoints."""
    whole = Run.create(tmp_path / "whole", CONFIG)
    train(whole, Silent())
    parts = Run.create(tmp_path / "parts", CONFIG)
    stop = StopSignal()
    assert train(parts, Impatient(stop), stop).outcome == "stopped"
    train(parts, Silent())
    names = ("metrics.jsonl", "model/weights.safetensors")
    one, other = ([(r.folder / name).read_bytes() for name in names] for r in (whole, parts))
    assert one == other
    losses = [line["metrics"]["loss"] for line in whole.metrics() if line["kind"] == "train"]
    assert np.mean(losses[-1]) < np.mean(losses[0])


@pytest.mark.slow
def test_every_unit_counts_its_own_updates():
    networks = Networks(CONFIG)
    updater = Updater(CONFIG, networks.static)
    progress = updater.begin(networks.build, networks.start_keys, ())
    updater.prepare(progress, CONFIG.task, ())
    progress = updater.advance(
        *(progress, CONFIG.task, ()),
        active=np.ones(2, bool),
        keys=networks.training_keys,
        start=0,
        stop=40,
    )
    # A member that reads, what predicts for the readout, and the readout.
    counts = np.array([jax.tree.leaves(state)[0] for state in progress.optimizer])
    assert counts.shape == (3, 2)
    assert len(np.unique(counts)) > 1
    assert ((counts > 8) & (counts < 32)).all()


def test_what_is_for_all_parameters_is_refused():
    message = r"training: l2 is for what updates all parameters together; leave it out with Decoup"
    with pytest.raises(UserError, match=message):
        dataclasses.replace(CONFIG, l2=0.1)
    with pytest.raises(UserError, match="online learns after every window, and this rule has none"):
        dataclasses.replace(CONFIG, online=True)
    plain = dataclasses.replace(CONFIG, rule=Decoupled())
    assert dataclasses.replace(plain, l2=0.1).l2 == 0.1


def test_one_piece_is_refused_before_training():
    from tapehead.models import MODELS

    config = dataclasses.replace(CONFIG, model=MODELS["ntm"](slots=4, width=3, controller_size=3))
    with pytest.raises(UserError, match=r"Decoupled: MemoryCell is one piece.*take bptt"):
        dry_run(config, ())
