"""A report tells how long a network thought."""

import jax
import jax.numpy as jnp
import numpy as np

from tapehead import Chain, Elman, Embedding, Linear, Ponder
from tapehead.inspection.report.charts import learning_charts
from tapehead.inspection.report.examples import answer_panels
from tapehead.inspection.report.page import _thoughts
from tapehead.inspection.report.sequences import ponder_panels
from tapehead.inspection.report.text import thoughts
from tapehead.inspection.trace import Trace
from tapehead.sequences import Sequences
from tapehead.tasks import Addition
from tapehead.tasks.vocabulary import Vocabulary


def traced(**fields):
    nothing = jnp.zeros((2, 1))
    return Trace(nothing, nothing, {n: jnp.asarray(x) for n, x in fields.items()})


def test_sub_steps_of_every_layer_are_drawn():
    (drawn,) = ponder_panels(traced(**{"0.ponder": [1.0, 4.0], "1.ponder": [2.0, 2.0]}))
    assert drawn["title"] == "Sub-steps"
    assert drawn["names"] == ["layer 1", "layer 2"]
    assert "1 to 4 sub-steps" in drawn["note"]
    assert ponder_panels(traced(**{"0.ponder_cost": [1.0, 4.0]})) == []


def test_a_text_is_drawn_with_the_thought_over_every_symbol():
    keys = jax.random.split(jax.random.key(0), 4)
    inner = Ponder(Elman(3, 2, key=keys[0]), max_steps=3, halting="repeat", key=keys[1])
    model = Chain(Embedding(2, 2, key=keys[2]), inner, Linear(2, 2, key=keys[3]))
    (told,) = thoughts(model, np.array([1, 0, 0], np.uint8), Vocabulary.of("<a"))
    assert told.taken == [("a", 3.0), ("<", 3.0), ("<", 3.0)]
    told.taken[0] = ("\n", 1.5)
    page = _thoughts([told])
    assert '<i style="--share:0.500" title="1.5 sub-steps">↵</i><br>' in page
    assert page.count('<i style="--share:1.000" title="3 sub-steps">&lt;</i>') == 2
    assert "From 1.5 to 3 sub-steps" in page


def test_metrics_are_drawn_with_their_distribution():
    found = {"ponder": [3.0], "ponder_p10": [1.0], "ponder_p50": [2.0], "ponder_p90": [7.0]}
    common = {"kind": "evaluation", "set": "validation", "size": None, "metrics": found}
    (drawn,) = learning_charts([common | {"update": n} for n in (1, 2)])
    assert drawn["label"] == "sub-steps per input"
    ends = {series["name"]: series["middle"] for series in drawn["series"]}
    low, high = [1.0, 1.0], [7.0, 7.0]
    assert ends == {"validation": [3.0, 3.0], "10 % take at most": low, "90 % take at most": high}


def test_every_digit_is_judged():
    task = Addition(1, max_numbers=2)
    targets = np.array([[3, 10], [1, 2]])
    sequence = Sequences(np.zeros((2, 10)), targets, np.array([0.0, 1.0]))
    outputs = np.array(jax.nn.one_hot(targets, 11)).reshape(2, -1)
    _, output = answer_panels(task, sequence, outputs)
    assert output["verdict"] == "all 2 answers right"
    outputs[1] = np.roll(outputs[1], 1)
    target, output = answer_panels(task, sequence, outputs)
    assert (target["title"], output["title"]) == ("Target: class", "Output: class")
    assert output["wrong"] == [[1, 0], [1, 1]]
