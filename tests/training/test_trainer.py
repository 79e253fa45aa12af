import dataclasses
import json

import jax
import numpy as np
import pytest
from small_runs import Notes, small_config

from tapehead.errors import UserError
from tapehead.tasks import TASKS
from tapehead.training import Result, Run, StopSignal, train
from tapehead.training.storage import named_leaves

Copy = TASKS["copy"]


@pytest.fixture(autouse=True)
def few_test_sets(monkeypatch):
    """Each test set is compiled for its length; two are enough."""
    monkeypatch.setattr(Copy, "sizes", (3,))
    monkeypatch.setattr(Copy, "evaluations", lambda self: {"short": self.resized(1)})


def trained(folder, config, **hooks):
    run = Run.create(folder, config, "tapehead train copy elman")
    return run, train(run, **hooks)


def content(folder):
    return (folder / "metrics.jsonl").read_bytes()


def lines(run, kind, **match):
    return [
        line
        for line in run.metrics()
        if line["kind"] == kind and all(line[k] == v for k, v in match.items())
    ]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A run that was never interrupted."""
    with pytest.MonkeyPatch.context() as patch:
        few_test_sets.__wrapped__(patch)
        notes = Notes()
        run, result = trained(
            tmp_path_factory.mktemp("whole") / "run", small_config(), listener=notes
        )
    return run, result, notes


def test_a_run_ends_with_its_budget(whole):
    run, result, notes = whole
    assert result == Result("budget", 40, (None, None), result.seconds)
    assert run.outcome == "budget"
    assert notes.starts == [0]
    assert notes.results == [result]
    assert notes.messages == []


def test_the_lines_of_a_run(whole):
    run, _, _ = whole
    assert [line["update"] for line in lines(run, "train")] == [5, 10, 15, 20, 25, 30, 35, 40]
    validations = lines(run, "evaluation", set="validation")
    assert [line["update"] for line in validations] == [10, 20, 30, 40]
    rest = [line for line in lines(run, "evaluation") if line["set"] != "validation"]
    assert [(line["set"], line["axis"], line["size"]) for line in rest] == [
        ("test", None, None),
        ("short", None, None),
        ("length 3", "length", 3),
    ]
    names = {"bits", "bit_accuracy", "wrong_bits", "sequence_accuracy"}
    for line in lines(run, "train"):
        assert line["metrics"].keys() == names | {"loss", "gradient_norm"}
        assert line["lesson"] == [0, 0]
    for line in lines(run, "evaluation"):
        assert line["metrics"].keys() == names
        assert line["sequences"] == (20 if line["set"] in ("validation", "test") else 10)
        assert len(line["solved"]) == 2
    for line in lines(run, "train") + lines(run, "evaluation"):
        for row in line["metrics"].values():
            assert len(row) == 2
            assert all(isinstance(value, float) for value in row)
    assert run.metrics()[-1] == {
        "kind": "end",
        "update": 40,
        "outcome": "budget",
        "solved_at": [None, None],
    }


def test_no_clock_in_the_metrics(whole):
    run, _, _ = whole
    text = content(run.folder).decode()
    assert "second" not in text
    assert "time" not in text


def test_the_clock_is_in_the_timing(whole):
    run, result, _ = whole
    timing = run.timing()
    kinds = [line["kind"] for line in timing]
    assert kinds[0] == "start"
    assert kinds[-1] == "end"
    assert kinds.count("compile") == 1
    assert kinds.count("evaluation") == 4 + 3
    blocks = [line for line in timing if line["kind"] == "block"]
    assert blocks[-1]["update"] == 40
    assert all(line["updates_per_second"] > 0 for line in blocks)
    # 5 time steps (2 + 1 + 2) of 4 sequences of 2 networks in every update.
    ratio = blocks[-1]["steps_per_second"] / blocks[-1]["updates_per_second"]
    assert ratio == pytest.approx(5 * 4 * 2)
    assert timing[-1]["seconds"] == pytest.approx(result.seconds, abs=1)


def test_the_listener_is_told(whole):
    _, _, notes = whole
    updates = [update for update, _, _ in notes.blocks]
    assert updates == sorted(updates)
    assert updates[-1] == 40
    assert [(u, name) for u, name, _, _ in notes.evaluations] == [
        *((u, "validation") for u in (10, 20, 30, 40)),
        *((40, name) for name in ("test", "short", "length 3")),
    ]
    timing = notes.blocks[-1][2]
    assert timing.remaining == 0
    assert timing.updates_per_second > 0


def test_it_learns(whole):
    run, _, _ = whole
    first, *_, last = lines(run, "train")
    assert max(last["metrics"]["loss"]) < min(first["metrics"]["loss"])


def test_a_finished_run_is_left_alone(whole):
    run, _, _ = whole
    before = {p: p.read_bytes() for p in run.folder.rglob("*") if p.is_file()}
    again = train(Run.open(run.folder))
    assert (again.outcome, again.update, again.solved_at) == ("budget", 40, (None, None))
    assert {p: p.read_bytes() for p in run.folder.rglob("*") if p.is_file()} == before


def test_the_models_are_those_of_the_last_checkpoint(whole):
    run, _, _ = whole
    from safetensors.numpy import load_file

    last = load_file(run.folder / "checkpoints" / "0000000040" / "state.safetensors")
    model = load_file(run.folder / "model" / "weights.safetensors")
    assert model
    for name, array in model.items():
        np.testing.assert_array_equal(last[f"arrays.{name}"], array)
    for number in (0, 1):
        for name, leaf in named_leaves(run.model(number)).items():
            if isinstance(leaf, jax.Array):
                np.testing.assert_array_equal(leaf, model[name][number])


def test_the_newest_checkpoints_are_kept(whole):
    run, _, _ = whole
    names = sorted(p.name for p in (run.folder / "checkpoints").iterdir())
    assert names == ["0000000020", "0000000030", "0000000040"]


def test_a_line_is_the_mean_of_its_updates(whole, tmp_path):
    run, _, _ = whole
    fine, _ = trained(tmp_path / "run", small_config(log_every=1, updates=10))
    for coarse in lines(run, "train")[:2]:
        part = lines(fine, "train")[coarse["update"] - 5 : coarse["update"]]
        assert part[-1]["update"] == coarse["update"]
        for name, values in coarse["metrics"].items():
            mean = np.mean([line["metrics"][name] for line in part], axis=0)
            np.testing.assert_allclose(values, mean, rtol=1e-5)


def test_a_network_alone_and_among_others(whole, tmp_path):
    run, _, _ = whole
    alone, _ = trained(tmp_path / "run", small_config(seeds=1))
    for one, both in zip(alone.metrics()[:-1], run.metrics()[:-1], strict=True):
        for name, values in both["metrics"].items():
            np.testing.assert_allclose(one["metrics"][name], values[:1], rtol=1e-4, err_msg=name)


def test_the_same_seed_gives_the_same_bits(whole, tmp_path):
    run, _, _ = whole
    again, _ = trained(tmp_path / "run", small_config())
    assert content(again.folder) == content(run.folder)


def test_another_seed_gives_others(whole, tmp_path):
    run, _, _ = whole
    other, _ = trained(tmp_path / "run", small_config(seed=1, updates=5))
    assert lines(other, "train")[0] != lines(run, "train")[0]


class StopAfter(Notes):
    """Asks for a stop once an update, or an evaluation, has come."""

    def __init__(self, update=None, evaluation=None):
        super().__init__()
        self.signal = StopSignal()
        self.update = update
        self.evaluation = evaluation

    def on_block(self, update, metrics, timing):
        super().on_block(update, metrics, timing)
        if self.update is not None and update >= self.update:
            self.signal.set()

    def on_evaluation(self, update, name, metrics, solved):
        super().on_evaluation(update, name, metrics, solved)
        if name == self.evaluation:
            self.signal.set()


@pytest.mark.parametrize(
    "stops",
    [
        [StopAfter(1)],  # in the middle of a line
        [StopAfter(10), StopAfter(11), StopAfter(24)],
        [StopAfter(evaluation="validation"), StopAfter(evaluation="test")],
    ],
)
def test_stopped_and_continued_is_never_stopped(whole, tmp_path, stops):
    run, result, _ = whole
    stopped = Run.create(tmp_path / "run", small_config(), "tapehead train copy elman")
    for listener in stops:
        outcome = train(stopped, listener, listener.signal)
        assert outcome.outcome == stopped.outcome == "stopped"
        assert outcome.update < 40 or listener.evaluation == "test"
        assert stopped.model(1) is not None
        stopped = Run.open(tmp_path / "run")
    notes = Notes()
    ended = train(stopped, notes)
    assert notes.starts[0] > 0
    assert dataclasses.replace(ended, seconds=result.seconds) == result
    assert content(stopped.folder) == content(run.folder)


def test_stopped_before_it_began(tmp_path):
    signal = StopSignal()
    signal.set()
    _, result = trained(tmp_path / "run", small_config(), stop=signal)
    assert (result.outcome, result.update) == ("stopped", 0)


def unfinished(folder, whole):
    """A copy of the whole run as a kill after its last checkpoint would have left it."""
    import shutil

    run, _, _ = whole
    shutil.copytree(run.folder, folder)
    shutil.rmtree(folder / "checkpoints" / "0000000040")
    written = content(folder).splitlines(keepends=True)
    (folder / "metrics.jsonl").write_bytes(b"".join(written[:-2]) + b'{"kind": "tr')
    return Run.open(folder)


def test_continued_after_a_kill(whole, tmp_path):
    run = unfinished(tmp_path / "run", whole)
    notes = Notes()
    train(run, notes)
    assert notes.starts == [30]
    assert content(run.folder) == content(whole[0].folder)


def test_a_damaged_checkpoint_is_named_and_the_one_before_used(whole, tmp_path):
    run = unfinished(tmp_path / "run", whole)
    newest = run.folder / "checkpoints" / "0000000030" / "state.safetensors"
    newest.write_bytes(newest.read_bytes()[:-100])
    notes = Notes()
    train(run, notes)
    assert notes.starts == [20]
    (message,) = notes.messages
    assert message.startswith("checkpoint 30 is passed over: ")
    assert str(newest) in message
    assert content(run.folder) == content(whole[0].folder)


def test_without_any_checkpoint_it_begins_anew(whole, tmp_path):
    run = unfinished(tmp_path / "run", whole)
    for path in run.folder.glob("checkpoints/*/manifest.json"):
        path.write_text("rubbish")
    notes = Notes()
    train(run, notes)
    assert notes.starts == [0]
    assert len(notes.messages) == 2
    assert content(run.folder) == content(whole[0].folder)


def test_damaged_metrics_are_refused_and_left_alone(whole, tmp_path):
    run = unfinished(tmp_path / "run", whole)
    damaged = content(run.folder).replace(b'"train"', b'"trian"', 1)
    (run.folder / "metrics.jsonl").write_bytes(damaged)
    with pytest.raises(UserError, match=r"metrics.jsonl is damaged: its first \d+ bytes"):
        train(run)
    assert content(run.folder) == damaged


def first_to(value, whole):
    """The network whose validation `bits` fall below some value first, and that value."""
    run, _, _ = whole
    (one, other), *_ = [
        line["metrics"]["bits"] for line in lines(run, "evaluation", set="validation")
    ]
    return (0, 1) if one < other else (1, 0), (one + other) / 2


def test_networks_that_have_solved_it_are_held(whole, tmp_path, monkeypatch):
    (early, late), between = first_to(10, whole)
    monkeypatch.setattr(Copy, "solved", lambda self, metrics: metrics["bits"] < between)
    config = small_config(stop_when_solved=True, patience=1, updates=20)
    run, result = trained(tmp_path / "run", config)
    assert result.solved_at[early] == 10
    held, learning = lines(run, "train")[2]["metrics"], lines(whole[0], "train")[2]["metrics"]
    for name, values in learning.items():
        assert held[name][early] is None
        assert held[name][late] == values[late]
    second = lines(run, "evaluation", set="validation")[1]
    assert second["metrics"]["bits"][early] is None
    assert second["solved"][early] is False

    from safetensors.numpy import load_file

    before = load_file(run.folder / "checkpoints" / "0000000010" / "state.safetensors")
    after = load_file(run.folder / "checkpoints" / "0000000020" / "state.safetensors")
    for name, array in before.items():
        if not name.startswith("sums"):
            np.testing.assert_array_equal(after[name][early], array[early], err_msg=name)
    assert any(not np.array_equal(after[n][late], a[late]) for n, a in before.items())
    # The tests at the end are of all networks.
    assert None not in lines(run, "evaluation", set="test")[0]["metrics"]["bits"]


def test_a_run_stops_when_all_have_solved_it(tmp_path, monkeypatch):
    monkeypatch.setattr(Copy, "solved", lambda self, metrics: True)
    run, result = trained(tmp_path / "run", small_config(stop_when_solved=True, patience=3))
    assert (result.outcome, result.update, result.solved_at) == ("solved", 30, (30, 30))
    assert run.outcome == "solved"
    assert run.metrics()[-1]["solved_at"] == [30, 30]


def test_solved_evaluations_must_be_in_a_row(tmp_path, monkeypatch):
    asked = []

    def every_other(self, metrics):
        asked.append(0)
        return len(asked) % 2 == 1

    monkeypatch.setattr(Copy, "solved", every_other)
    config = small_config(stop_when_solved=True, patience=2, seeds=1)
    _, result = trained(tmp_path / "run", config)
    assert (result.outcome, result.solved_at) == ("budget", (None,))


def test_a_curriculum(whole, tmp_path, monkeypatch):
    """Each network moves on by itself; the last lesson alone can be solved."""
    monkeypatch.setattr(
        Copy, "lessons", lambda self: (dataclasses.replace(self, max_length=1), self)
    )
    config = small_config(curriculum=True, stop_when_solved=True, patience=1)
    monkeypatch.setattr(Copy, "solved", lambda self, metrics: False)
    stuck, _ = trained(tmp_path / "stuck", config)
    assert lines(stuck, "train")[-1]["lesson"] == [0, 0]
    bits = lines(stuck, "evaluation", set="validation")[0]["metrics"]["bits"]
    early = int(bits[1] < bits[0])
    between = sum(bits) / 2

    def solved(self, metrics):
        return self.max_length == 1 and metrics["bits"] < between

    monkeypatch.setattr(Copy, "solved", solved)
    notes = Notes()
    run, result = trained(tmp_path / "run", config, listener=notes)
    assert lines(run, "train")[2]["lesson"][early] == 1
    assert lines(run, "train")[2]["lesson"][1 - early] == 0
    assert f"network {early} begins lesson 2 of 2 at update 10" in notes.messages
    assert result.solved_at == (None, None)
    # The network that stayed behind goes on as if it were alone.
    for name, values in lines(run, "train")[2]["metrics"].items():
        assert values[1 - early] == lines(stuck, "train")[2]["metrics"][name][1 - early]

    # Stopped while the networks are on different lessons, it goes on to the same numbers.
    again = Run.create(tmp_path / "again", config)
    listener = StopAfter(13)
    assert train(again, listener, listener.signal).outcome == "stopped"
    train(again)
    assert content(again.folder) == content(run.folder)


def test_metrics_are_json_that_others_can_read(whole):
    """No NaN, no infinity."""
    for line in content(whole[0].folder).splitlines():
        json.loads(line, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
