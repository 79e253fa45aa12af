import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import pytest

from tapehead.cell import run
from tapehead.cells import Ponder
from tapehead.errors import UserError
from tapehead.models import MODELS
from tapehead.models.pondering import Pondering

SMALL = {
    **{
        name: {"hidden": 4}
        for name in (
            *("elman", "fully-recurrent", "irnn", "indrnn", "lstm", "lstm-1997", "peephole-lstm"),
            *("coupled-lstm", "layer-norm-lstm", "slstm", "mlstm", "gru", "gru1", "gru2", "gru3"),
            *("mgu", "mingru", "minlstm", "lru"),
        )
    },
    "projected-lstm": {"hidden": 4, "cells": 5},
    "s5": {"hidden": 4, "modes": 3},
    "selective": {"hidden": 4, "modes": 3},
    "ntm": {"slots": 4, "width": 3, "controller_size": 5},
    "stack-rnn": {"slots": 4, "training_slots": 4, "controller_size": 5},
    "tape-rnn": {"slots": 4, "training_slots": 4, "controller_size": 5},
    "dam": {"slots": 6, "width": 3, "heads": 1, "controller_size": 5},
    "sam": {"slots": 6, "width": 3, "heads": 1, "reads": 2, "controller_size": 5},
    "sdnc": {"slots": 6, "heads": 1, "reads": 1, "link_entries": 1, "controller_size": 5},
    "dnc": {"slots": 4, "width": 3, "controller_size": 5, "link_entries": 2},
    "mlp": {"hidden": 4, "layers": 2},
    "two-clocks": {"hidden": 4, "slow_hidden": 3, "message": 2, "period": 2},
    "resnet": {"channels": 2, "blocks": 1, "units": 2},
}


def shape_of(model, *, tokens=False, input_size=4):
    """The shape of the outputs, without running anything."""

    def outputs(key):
        network = model.build(input_size, 2, tokens=tokens, key=key)
        xs = jnp.zeros((5, 6), jnp.int32) if tokens else jnp.zeros((5, 6, input_size))
        return run(network, xs, key=key, feature_axes=0 if tokens else 1)

    return jax.eval_shape(outputs, jax.random.key(0)).shape


def test_every_model_is_tested():
    assert SMALL.keys() == MODELS.keys()


@pytest.mark.parametrize("name", MODELS)
def test_features_in_outputs_out(name):
    assert shape_of(MODELS[name](**SMALL[name])) == (5, 6, 2)


@pytest.mark.parametrize("name", MODELS)
def test_symbols_in_outputs_out(name):
    assert shape_of(MODELS[name](**SMALL[name], embedding=9), tokens=True) == (5, 6, 2)


@pytest.mark.parametrize("name", MODELS)
def test_every_setting_reaches_the_network(name):
    """Each changes what is computed."""
    model = MODELS[name](**SMALL[name])
    # Four features may be an image of two by two.
    key, xs = jax.random.key(0), jnp.ones((3, 2, 4))

    def jaxpr(model):
        def outputs(key):
            network = model.build(4, 2, key=key)
            # Some memories have another size outside training.
            tested = run(network, xs) if hasattr(model, "training_slots") else None
            return run(network, xs, key=key), tested

        made = jax.make_jaxpr(outputs)(key)
        return f"{made} {made.consts}"

    changed = {
        "hidden": 8,
        "layers": 3,
        "dropout": 0.5,
        "bidirectional": True,
        "pool": "mean",
        "learned_initial_state": True,
        "activation": "relu" if name == "elman" else "tanh",
        "block_size": 4,
        "truncated": False,
        "forget_gates": True,
        "input_bias": -1.0,
        "output_bias": -1.0,
        "spread": 0.2,
        "cells": 6,
        "largest": 2.0,
        "scale": 0.5,
        "heads": 2,
        "least": 0.6,
        "most": 0.999,
        "modes": 4,
        "forget_bias": 0.0,
        "chrono": 50.0,
        "reset_after": False,
        "slots": 5,
        "width": 4,
        "read_heads": 2,
        "write_heads": 2,
        "reads": 3,
        "lookup": "lsh",
        "usage": "discounted",
        "link_entries": 2,
        "shift_range": 0,
        "controller": "gru",
        "controller_size": 6,
        "controller_layers": 2,
        "similarity": "dot",
        "learned_memory": True,
        "learned_weights": True,
        "learned_reads": True,
        "clip": None,
        "training_slots": 5,
        "stacks": 2,
        "tapes": 2,
        "jumps": False,
        "links": "sparse",
        "key_masking": True,
        "erase_on_deallocation": True,
        "sharpen_links": True,
        "interface_norm": True,
        "bypass_dropout": 0.5,
        "discount": 0.5,
        "paired": 3,
        "channels": 3,
        "blocks": 2,
        "units": 3,
        "stride": 1,
        "halting": "sact",
        "slow_hidden": 5,
        "message": 3,
        "period": 3,
        "answers": 0,
    }
    before = jaxpr(model)
    for field in dataclasses.fields(model):
        # Only for symbols, for sparse links, with dropout and with several layers.
        unseen = ("embedding", "dropout_per_sequence", "skip")
        if field.name in unseen or (name == "dnc" and field.name == "link_entries"):
            continue
        if field.name.startswith("ponder"):
            continue  # see below
        other = dataclasses.replace(model, **{field.name: changed[field.name]})
        assert jaxpr(other) != before, f"{field.name} changes nothing"
    if name == "dnc":
        sparse = dataclasses.replace(model, links="sparse")
        assert jaxpr(sparse) != jaxpr(dataclasses.replace(sparse, link_entries=3))


PONDERING = {n: m for n, m in MODELS.items() if issubclass(m, Pondering)}


@pytest.mark.parametrize("name", PONDERING)
def test_a_model_that_ponders(name):
    """Its settings reach the cell that ponders, which takes the same and gives the same."""
    settings = {"ponder_cost": 0.5, "ponder_steps": 3, "ponder_epsilon": 0.1, "ponder_keep": "last"}
    if name in ("lstm", "dnc", "sam"):
        settings["ponder_keep"] = "mean"
    model = PONDERING[name](**SMALL[name], ponder="pondernet", **settings)
    network = eqx.filter_eval_shape(lambda key: model.build(3, 2, key=key), jax.random.key(0))
    cell = network.cells[0]
    assert isinstance(cell, Ponder)
    assert (cell.halting, cell.cost, cell.max_steps) == ("pondernet", 0.5, 3)
    assert (cell.epsilon, cell.keep) == (0.1, settings["ponder_keep"])
    assert (network.input_size, network.output_size) == (3, 2)


def test_every_layer_ponders_in_both_directions():
    model = MODELS["gru"](hidden=4, layers=2, bidirectional=True, ponder="act", ponder_steps=2)
    network = eqx.filter_eval_shape(lambda key: model.build(3, 2, key=key), jax.random.key(0))
    halves = [c for cell in network.cells[:2] for c in (cell.forward, cell.backward)]
    assert all(isinstance(half, Ponder) for half in halves)
    assert shape_of(model) == (5, 6, 2)


def test_layers_and_dropout():
    model = MODELS["lstm"](hidden=4, layers=3, dropout=0.5)
    network = model.build(3, 2, key=jax.random.key(0))
    names = [type(cell).__name__ for cell in network.cells]
    assert names == ["LSTM", "Dropout"] * 3 + ["Linear"]


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("elman", {"hidden": 0}, "ElmanModel: hidden must be at least 1, got 0"),
        ("lstm", {"layers": 0}, "LSTMModel: layers must be at least 1, got 0"),
        ("gru", {"dropout": 1.0}, "dropout must be at least 0 and below 1, got 1.0"),
        ("lstm", {"embedding": 0}, "embedding must be at least 1, got 0"),
        ("ntm", {"slots": 0}, "NTM: slots must be at least 1, got 0"),
        ("ntm", {"shift_range": -1}, "NTM: shift_range must be at least 0, got -1"),
        ("ntm", {"controller_layers": 0}, "controller_layers must be at least 1, got 0"),
        ("dnc", {"read_heads": 0}, "DNC: read_heads must be at least 1, got 0"),
        ("dnc", {"clip": 0.0}, "DNC: clip must be above 0 or None, got 0.0"),
        ("dnc", {"links": "none", "sharpen_links": True}, "sharpen_links needs links"),
        ("dnc", {"links": "sparse", "link_entries": 99}, "link_entries must be between 1 and"),
        ("lstm-1997", {"hidden": 5}, "hidden must be a multiple of block_size, got 5 and 2"),
        ("lstm-1997", {"spread": 0.0}, "LSTM1997: spread must be above 0, got 0.0"),
        ("projected-lstm", {"cells": 0}, "ProjectedLSTM: cells must be at least 1, got 0"),
        ("slstm", {"hidden": 6}, "SLSTM: hidden must be a multiple of heads, got 6 and 4"),
        ("mlstm", {"heads": 0}, "MLSTM: heads must be at least 1, got 0"),
        ("indrnn", {"largest": 0.0}, "IndRNN: largest must be above 0, got 0.0"),
        ("lru", {"most": 1.0}, "LRU: expected 0 <= least < most < 1"),
        ("lru", {"dropout": 1.0}, "dropout must be at least 0 and below 1, got 1.0"),
        ("s5", {"modes": 0}, "S5: modes must be at least 1, got 0"),
        ("selective", {"modes": 0}, "SelectiveSSM: modes must be at least 1, got 0"),
        (
            "lstm",
            {"ponder": "atc"},
            "LSTMModel: ponder must be one of none, act",
        ),
        ("lstm", {"ponder": "act", "ponder_steps": 0}, "ponder_steps must be at least 1, got 0"),
        ("dnc", {"ponder": "act", "ponder_cost": -1.0}, "ponder_cost must be at least 0, got -1.0"),
        ("dnc", {"ponder": "act", "ponder_epsilon": 1.0}, "ponder_epsilon must be above 0 and"),
        ("gru", {"ponder": "act", "ponder_keep": "frist"}, "ponder_keep must be one of mean, last"),
        ("gru", {"ponder_cost": 0.1}, "GRUModel: ponder_cost needs ponder, such as act"),
        ("dnc", {"bypass_dropout": -0.1}, "bypass_dropout must be at least 0 and below 1"),
    ],
)
def test_refuses(name, settings, message):
    with pytest.raises(UserError, match=message):
        MODELS[name](**settings)
