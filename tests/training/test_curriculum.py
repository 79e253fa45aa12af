"""Curricula by lessons and without end."""

import shutil

import pytest
from small_runs import Notes, small_config

from tapehead.errors import UserError
from tapehead.tasks import TASKS
from tapehead.training import Run, train
from tapehead.training.config import completed, from_json, to_json
from tapehead.training.curriculum import Doubling, Lessons, Stepwise

Copy, Sort, Recall = TASKS["copy"], TASKS["priority-sort"], TASKS["associative-recall"]


def spans(curriculum, lessons):
    return [curriculum.task(lesson).span for lesson in range(lessons)]


def test_sizes_double_without_end():
    doubling = Doubling(Recall(), 0.1)
    assert spans(doubling, 4) == [(2, 6), (2, 12), (2, 24), (2, 48)]
    assert doubling.task(0) == Recall()
    assert doubling.level(10) == 6144
    assert not doubling.is_last(100)
    assert list(doubling.tests(1)) == ["items up to 12", "items 12", "items 24", "items 48"]
    assert doubling.tests(1)["items up to 12"] == (None, doubling.task(1))
    assert doubling.tests(1)["items 12"] == (12, Recall().resized(12))


def test_sizes_grow_by_one_with_the_smaller_ones_among_them():
    stepwise = Stepwise(Recall(), 0.1, limit=8)
    assert spans(stepwise, 4) == [(2, 6), (2, 7), (2, 8), (2, 8)]
    assert [stepwise.is_last(lesson) for lesson in range(3)] == [False, False, True]
    assert list(stepwise.tests(1)) == ["items up to 7", "items 7", "items 14", "items 28"]
    assert stepwise.title(1) == "items up to 7"


def test_a_limit_is_the_last_level():
    doubling = Doubling(Copy(3, 5), 0.1, limit=17)
    assert spans(doubling, 4) == [(3, 5), (3, 10), (3, 17), (3, 17)]
    assert [doubling.is_last(lesson) for lesson in range(3)] == [False, False, True]
    with pytest.raises(UserError, match="limit must be at least the first length, 20, got 19"):
        Doubling(Copy(), 0.1, limit=19)


def test_a_task_may_have_no_larger_sizes():
    """Words of 4 bits make only four keys."""
    doubling = Doubling(TASKS["key-value"](1, 4, 4), 0.1)
    assert doubling.is_last(0)
    assert list(doubling.tests(0)) == ["pairs up to 4", "pairs 4"]


def test_what_is_sorted_grows_with_what_is_read():
    levels = [Doubling(Sort(5, 4), 0.1).task(lesson) for lesson in range(3)]
    assert [(t.min_items, t.items, t.sorted_items) for t in levels] == [
        (1, 5, 4),
        (1, 10, 8),
        (1, 20, 16),
    ]


def test_refuses():
    with pytest.raises(UserError, match=r"Adding: its sizes do not vary .* leave it out"):
        small_config(task=TASKS["adding"](), curriculum="exponential")
    with pytest.raises(UserError, match="curriculum_threshold must be above 0, got 0"):
        small_config(curriculum_threshold=0)


@pytest.mark.parametrize("curriculum", [False, True, "exponential", "linear"])
def test_a_config_keeps_its_curriculum(curriculum):
    config = small_config(task=Copy(), curriculum=curriculum)
    assert from_json(to_json(config)) == config
    kinds = {False: Lessons((Copy(),)), True: Lessons(Copy().lessons())}
    kinds |= {"exponential": Doubling(Copy(), 0.1), "linear": Stepwise(Copy(), 0.1)}
    assert config.lessons() == kinds[curriculum]
    # As it was written before there was one without end.
    new = ("curriculum_threshold", "curriculum_limit")
    old = {name: value for name, value in to_json(config).items() if name not in new}
    assert completed(old) == completed(to_json(config))


@pytest.mark.slow
def test_levels_rise_with_a_small_loss(tmp_path, monkeypatch):
    """Each network by itself; only the last level can be solved; a killed run goes on as it was."""
    monkeypatch.setattr(Copy, "sizes", ())
    monkeypatch.setattr(Copy, "evaluations", lambda self: {})
    monkeypatch.setattr(Copy, "solved", lambda self, metrics: True)
    settings = {"curriculum": "exponential", "curriculum_limit": 3, "patience": 1}
    settings |= {"evaluation_size": 4, "test_size": 2, "checkpoint_every": 5}

    def trained(name, threshold, updates):
        config = small_config(**settings, updates=updates, curriculum_threshold=threshold)
        run, notes = Run.create(tmp_path / name, config), Notes()
        return run, train(run, notes), notes

    stuck, result, notes = trained("stuck", 1e-6, 5)
    first = stuck.metrics()[0]["metrics"]
    assert first["level"] == [2, 2]
    assert (result.solved_at, notes.messages) == ((None, None), [])

    (low, early), (high, late) = sorted((first["loss"][n], n) for n in range(2))
    run, result, notes = trained("run", (low + high) / 2, 10)
    assert notes.messages[0] == f"network {early} begins length up to 3 at update 5"
    line = [line for line in run.metrics() if line["kind"] == "train"][1]
    assert [line["metrics"]["level"][n] for n in (early, late)] == [3, 2]
    assert result.solved_at[early] == 10
    assert [line["size"] for line in run.metrics() if line.get("size")] == [3, 6, 12]

    # As if it had been killed after its first checkpoint.
    whole = (run.folder / "metrics.jsonl").read_bytes()
    again = Run.create(tmp_path / "again", run.config)
    shutil.copytree(run.folder / "checkpoints/0000000005", again.folder / "checkpoints/0000000005")
    (again.folder / "metrics.jsonl").write_bytes(whole)
    train(again)
    assert (again.folder / "metrics.jsonl").read_bytes() == whole
