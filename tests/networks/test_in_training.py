"""Networks that must read a sequence whole, where others are cut into pieces or stepped."""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tapehead.cell import run
from tapehead.errors import UserError
from tapehead.inspection import fields_of, trace
from tapehead.models import MODELS
from tapehead.tasks import TASKS
from tapehead.training import evaluate
from tapehead.training.evaluation import WINDOW

KEY = jax.random.key(0)
TASK = TASKS["temporal-order"](length=20)


@pytest.fixture(scope="module")
def model():
    made = MODELS["elman"](hidden=3, layers=2, skip=True, bidirectional=True, pool="max")
    return made.build(TASK.input_size, TASK.output_size, key=KEY)


@pytest.fixture(scope="module")
def seen(model):
    """Ragged sequences of more than one window, and what comes of them in one piece."""

    @eqx.filter_jit
    def outputs(model, key):
        batch = TASK.sample(key, 6)
        layer = model.cells[0].cells[0]
        ys, inner = (run(cell, batch.inputs, mask=batch.mask) for cell in (model, layer))
        return batch, ys, inner, TASK.metrics(ys, batch)

    return outputs(model, jax.random.fold_in(KEY, 0))


def test_evaluation_hands_it_the_whole_sequence(model, seen):
    batch, _, _, metrics = seen
    assert len(batch.weights) > WINDOW
    found = evaluate(model, TASK, key=KEY, size=6, batch=6)
    for name, values in metrics.items():
        assert found[name] == pytest.approx(float(np.mean(values)), rel=1e-5)


def test_a_trace_shows_what_can_be_seen(model, seen):
    """Outputs where there is no step, states where there is."""
    batch, outputs, layer, _ = seen
    shown = trace(model, batch.inputs, mask=batch.mask)
    np.testing.assert_allclose(shown.outputs, outputs, atol=1e-6)
    assert shown.names == ("0.0.0.output", "0.1.0.output", "1.begun", "1.largest")
    np.testing.assert_allclose(shown.find("0.0.0.output"), layer, atol=1e-6)
    names = fields_of(model, batch.inputs)
    assert tuple(names) == shown.names
    with pytest.raises(UserError, match=r"no field 'hidden' .*has: 0.0.0.output, 0.1.0.output, 1."):
        trace(model, batch.inputs, mask=batch.mask, fields=["hidden"])


def test_a_trace_records_only_what_is_asked_for(model, seen):
    batch = seen[0]
    shown = jax.eval_shape(lambda: trace(model, batch.inputs, fields=["largest", "0.1.*"]))
    assert shown.names == ("0.1.0.output", "1.largest")


def build(name, **settings):
    model = MODELS[name](hidden=4, **settings)
    return model, model.build(3, 2, key=KEY)


def kinds(cell):
    return [type(member).__name__ for member in cell.cells]


@pytest.mark.parametrize("name", ["lstm", "gru2", "projected-lstm"])
def test_recurrent_models(name):
    model, network = build(
        name, layers=3, skip=True, bidirectional=True, dropout=0.5, dropout_per_sequence=True
    )
    assert kinds(network) == ["SkipChain", "Linear"]
    stack = network.cells[0]
    for layer, size in zip(stack.cells, (3, 11, 11), strict=True):
        assert kinds(layer) == ["Bidirectional", "Dropout"]
        assert layer.input_size == size
        assert layer.cells[1].per_sequence
    assert network.cells[1].weight.shape == (2, 24)
    flat = dataclasses.replace(model, skip=False, pool="max").build(3, 2, key=KEY)
    assert kinds(flat) == ["Bidirectional", "Dropout"] * 3 + ["RunningMax", "Linear"]
    one, other = flat.cells[0].forward, flat.cells[0].backward
    assert not np.array_equal(jax.tree.leaves(one)[0], jax.tree.leaves(other)[0])


def test_linear_recurrences():
    model, network = build("mingru", bidirectional=True, pool="mean", dropout=0.5)
    names = ["Linear", "Residual", "Residual", "LayerNorm", "RunningMean", "Linear"]
    assert kinds(network) == names
    both = dataclasses.replace(model, pool="both").build(3, 2, key=KEY)
    assert kinds(both) == [*names[:-2], "Beside", "Linear"]
    assert both.cells[-1].weight.shape == (2, 2 * network.cells[-1].weight.shape[1])
    inner = network.cells[1].cell
    assert kinds(inner) == ["LayerNorm", "Bidirectional", "GatedGELU", "Dropout"]
    assert inner.cells[1].merge == "sum"
    assert jax.eval_shape(lambda xs: run(network, xs), jnp.zeros((5, 2, 3))).shape == (5, 2, 2)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"skip": True}, "LSTMModel with skip: layers must be at least 2, got 1"),
        ({"dropout_per_sequence": True}, "dropout_per_sequence needs dropout above 0"),
        (
            {"pool": "men"},
            "pool must be one of none, mean, max, both, got 'men'; did you mean 'mean'",
        ),
    ],
)
def test_refuses(settings, message):
    with pytest.raises(UserError, match=message):
        MODELS["lstm"](**settings)
