"""A curriculum whose sizes grow by one."""

import pytest
from small_runs import Notes, small_config

from tapehead.errors import UserError
from tapehead.learning import RTRL
from tapehead.tasks import TASKS
from tapehead.training import Run, train
from tapehead.training.curriculum import OneMore

Copy = TASKS["copy"]


def test_sizes_grow_by_one():
    growing = OneMore(Copy(1, 20), 0.1)
    assert [growing.task(n).span for n in range(3)] == [(1, 1), (2, 2), (3, 3)]
    assert growing.level(40) == 41
    assert growing.title(2) == "length 3"
    assert not growing.is_last(1000)
    limited = OneMore(Copy(2, 20), 0.1, limit=3)
    assert [limited.task(n).span for n in range(4)] == [(2, 2), (3, 3), (2, 3), (2, 3)]
    assert [limited.is_last(n) for n in range(3)] == [False, False, True]
    assert [limited.title(n) for n in (1, 2)] == ["length 3", "length up to 3"]
    with pytest.raises(UserError, match="limit must be at least the first length, 2, got 1"):
        OneMore(Copy(2, 20), 0.1, limit=1)
    with pytest.raises(UserError, match=r"MnistRows: .* one size only"):
        OneMore(TASKS["mnist-rows"](), 0.1)
    graded = OneMore(TASKS["logic"](gates=3), 0.1)
    spans = [graded.task(lesson).span for lesson in range(5)]
    assert spans == [(1, 1), (2, 2), (3, 3), (1, 3), (1, 3)]
    assert [graded.is_last(lesson) for lesson in (2, 3)] == [False, True]


@pytest.mark.slow
def test_a_rule_that_goes_forwards_comes_to_longer_sequences(tmp_path):
    config = small_config(
        task=Copy(1, 20, bits=1),
        rule=RTRL(),
        curriculum="one-more",
        updates=600,
        seeds=1,
        batch=16,
        log_every=20,
        evaluate_every=600,
        checkpoint_every=600,
    )
    run, notes = Run.create(tmp_path / "run", config), Notes()
    train(run, notes)
    levels = [line["metrics"]["level"][0] for line in run.metrics() if line["kind"] == "train"]
    assert levels[0] == 1
    assert levels[-1] > 1
    assert notes.messages[0].startswith("network 0 begins length 2 at update ")
