"""Polyphonic music: what is asked, and that the score is the papers' mean over all steps."""

import os

import jax
import numpy as np
import pytest
from quick import batch_at

from tapehead.cells import Linear
from tapehead.errors import UserError
from tapehead.inspection.report.examples import answer_panels
from tapehead.tasks import JsbChorales, Nottingham
from tapehead.tasks.music.music import gather
from tapehead.testing.tasks import check_task
from tapehead.training.evaluation import evaluate

LENGTHS = (3, 7, 1, 5)


@pytest.fixture(scope="module")
def rolls():
    rng = np.random.default_rng(0)
    return [(rng.random((length, 88)) < 0.1).astype(np.uint8) for length in LENGTHS]


def test_made_up_music_conforms(rolls):
    check_task(JsbChorales(), data=gather(rolls, 5), batch=4)


def test_every_step_is_asked_after_all_before_it(rolls):
    batch = batch_at(JsbChorales(), range(4), gather(rolls))
    assert batch.inputs.shape == (7, 4, 88)
    for lane, roll in enumerate(rolls):
        steps = len(roll)
        np.testing.assert_array_equal(batch.targets[:steps, lane], roll)
        np.testing.assert_array_equal(batch.inputs[1:steps, lane], roll[:-1])
        assert not batch.inputs[0, lane].any()
        assert not batch.inputs[steps:, lane].any()
        np.testing.assert_array_equal(batch.mask[:, lane], np.arange(7) < steps)


def test_parts_cover_a_piece_and_go_on_from_the_step_before(rolls):
    data = gather(rolls, 3)
    assert data.lengths.tolist() == [3, 3, 3, 1, 1, 3, 2]
    batch = batch_at(Nottingham(), range(7), data)
    parts = [batch.targets[: data.lengths[i], i] for i in range(7)]
    np.testing.assert_array_equal(np.concatenate(parts), np.concatenate(rolls))
    np.testing.assert_array_equal(batch.inputs[0, 2], rolls[1][2])
    np.testing.assert_array_equal(batch.inputs[0, 3], rolls[1][5])


def test_the_score_is_the_mean_over_all_steps(rolls):
    model = Linear(88, 88, key=jax.random.key(0))
    weight, bias = (np.asarray(x, np.float64) for x in (model.weight, model.bias))
    total = 0.0
    for roll in rolls:
        before = np.zeros(88)
        for now in roll:
            logits = weight @ before + bias
            total += np.sum(np.logaddexp(0, logits) - now * logits)
            before = now
    expected = total / sum(LENGTHS)
    for most in (None, 2):  # a model without memory does not mind how pieces are cut
        task, data = JsbChorales(), gather(rolls, most)
        found = evaluate(model, task, key=jax.random.key(0), batch=3, data=data)
        assert found == {"nll": pytest.approx(expected, rel=1e-5)}


def test_held_out_pieces_are_whole():
    task = Nottingham()
    assert task.max_length == 200
    assert task.validation() == Nottingham("validation", None)
    assert task.evaluations() == {"test": Nottingham("test", None)}
    assert not task.solved({"nll": 0.0})


@pytest.mark.parametrize(
    ("mistake", "message"),
    [
        (lambda: JsbChorales("valid"), "JsbChorales: split must be one of train, validation, test"),
        (lambda: JsbChorales(max_length=0), "JsbChorales: max_length must be at least 1, got 0"),
        (lambda: Nottingham().sample(jax.random.key(0), 2), "Nottingham: sample needs the task's"),
        (lambda: Nottingham().resized(3), "Nottingham: comes in one size only, so not in 3"),
    ],
)
def test_mistakes_are_named(mistake, message):
    with pytest.raises(UserError) as raised:
        mistake()
    assert str(raised.value).startswith(message)


@pytest.mark.skipif("TAPEHEAD_DATA" not in os.environ, reason="TAPEHEAD_DATA names no data sets")
def test_the_published_pieces():
    data = JsbChorales("test").data()
    assert JsbChorales().size(data) == 77
    assert int(data.lengths.sum()) == 4725
    parts = Nottingham().data()
    assert int(parts.lengths.sum()) == 176_561
    assert int(parts.lengths.max()) == 200


def test_the_report_shows_target_and_output_where_nobody_knows_the_best(rolls):
    task = JsbChorales()
    batch = batch_at(task, [1], gather(rolls))
    sequence = jax.tree.map(lambda x: x[:, 0], batch)
    panels = answer_panels(task, sequence, np.zeros((7, 88), np.float32))
    assert [panel["title"] for panel in panels] == ["Target", "Output: probability of a 1"]
