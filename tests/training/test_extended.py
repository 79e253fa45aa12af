"""Training what a rule learns beside the network: checkpoints, saved models, online, streams."""

import dataclasses

import equinox as eqx
import jax
import numpy as np
import pytest
from small_runs import Impatient, small_config

from tapehead.cell import Cell
from tapehead.errors import UserError
from tapehead.learning import SyntheticGradients, TruncatedBPTT
from tapehead.models import MODELS
from tapehead.tasks import TextFile
from tapehead.training import Run, Silent, StopSignal, load_model, train
from tapehead.training.networks import Networks
from tapehead.training.strengths import strengths

CONFIG = small_config(
    rule=SyntheticGradients(window=2, hidden=5, auxiliary=0.1, labels=True),
    online=True,
    batch=2,
    updates=20,
)


@pytest.mark.slow
def test_a_run_stopped_and_resumed_is_the_same(tmp_path):
    """Online, along a stream, two seeds: predictors are in the checkpoints."""
    book = tmp_path / "book.txt"
    book.write_text("abcd badc cdab. " * 20, encoding="utf-8")
    model = MODELS["elman"](hidden=3, embedding=2)
    config = dataclasses.replace(CONFIG, task=TextFile(file=str(book), length=5), model=model)
    whole = Run.create(tmp_path / "whole", config)
    train(whole, Silent())
    parts = Run.create(tmp_path / "parts", config)
    stop = StopSignal()
    assert train(parts, Impatient(stop), stop).outcome == "stopped"
    train(parts, Silent())
    names = ("metrics.jsonl", "model/weights.safetensors")
    one, other = ([(r.folder / name).read_bytes() for name in names] for r in (whole, parts))
    assert one == other
    # What is saved is the network alone, and loads without the rule.
    assert isinstance(load_model(whole.folder, 1), Cell)


def test_the_network_begins_as_with_any_other_rule():
    other = dataclasses.replace(CONFIG, rule=TruncatedBPTT(window=2))
    extended, plain = (Networks(c).build(jax.random.key(0)) for c in (CONFIG, other))
    assert eqx.tree_equal(extended.network, plain)


def test_parts_are_called_as_in_the_network():
    model = Networks(CONFIG).build(jax.random.key(0))
    found = strengths("l2_parts", model, 0.0, {"cells.0": 1.0, "helper": 2.0})
    count = sum(x.size for x in jax.tree.leaves(eqx.filter(model.network.cells[0], eqx.is_array)))
    helper = sum(x.size for x in jax.tree.leaves(eqx.filter(model.helper, eqx.is_array)))
    assert [int(np.sum(np.asarray(found) == w)) for w in (1.0, 2.0)] == [count, helper]


def test_what_cannot_be_is_refused_before_training():
    from tapehead.training import dry_run

    config = small_config(rule=CONFIG.rule, model=MODELS["lstm"](hidden=4, bidirectional=True))
    with pytest.raises(UserError, match="SyntheticGradients: cuts time into windows"):
        dry_run(config, ())
