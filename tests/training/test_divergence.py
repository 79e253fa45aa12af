import jax.numpy as jnp
import pytest
from small_runs import Notes, small_config

from tapehead.tasks import TASKS
from tapehead.training import SGD, Diverged, Run, train

Copy = TASKS["copy"]
sample, loss = Copy.sample, Copy.loss


@pytest.fixture(autouse=True, scope="module")
def few_sizes():
    """What is evaluated beside the task itself does not matter here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Copy, "sizes", (3,))
        patch.setattr(Copy, "evaluations", lambda self: {"short": self.resized(1)})
        yield


def diverges(folder, config):
    """The message of a run that diverges, and the run."""
    run, notes = Run.create(folder, config), Notes()
    with pytest.raises(Diverged) as caught:
        train(run, notes)
    message = str(caught.value)
    assert "\n" not in message
    assert run.outcome == "diverged"
    assert notes.results == []
    return message, run


@pytest.fixture(scope="module")
def exploded(tmp_path_factory):
    config = small_config(optimizer=SGD(1e20), clip_norm=None)
    return diverges(tmp_path_factory.mktemp("exploded") / "run", config)


def test_a_learning_rate_that_explodes(exploded):
    message, run = exploded
    assert message.startswith("network ")
    assert "diverged at update " in message
    assert "a lower learning rate (it was 1e+20)" in message
    assert "clipping (clip-norm 10)" in message
    update = int(message.split("diverged at update ")[1].split(":")[0])
    assert run.metrics()[-1] == {
        "kind": "end",
        "update": update,
        "outcome": "diverged",
        "solved_at": [None, None],
    }
    assert update < 40


def test_a_diverged_run_does_so_again(exploded):
    message, run = exploded
    before = (run.folder / "metrics.jsonl").read_bytes()
    with pytest.raises(Diverged) as caught:
        train(Run.open(run.folder))
    assert str(caught.value) == message
    assert (run.folder / "metrics.jsonl").read_bytes() == before


def poisoned_inputs(self, key, batch, data=()):
    sequences = sample(self, key, batch, data)
    bad = jnp.where(jnp.any(sequences.inputs[0] > 0), jnp.nan, 0.0)
    return sequences._replace(inputs=sequences.inputs.at[3].add(bad))


def steep_loss(self, outputs, targets):
    """Zero everywhere, but not its slope."""
    return jnp.sqrt(0 * loss(self, outputs, targets))


@pytest.mark.parametrize(
    ("name", "poison", "says"),
    [
        (
            "sample",
            poisoned_inputs,
            ["the task's inputs are not finite from time step 3 on: mend the data"],
        ),
        (
            "loss",
            steep_loss,
            ["the gradient of 'cells.0.input_weight' is nan", "the loss is 0"],
        ),
    ],
)
def test_what_was_bad_first_is_named(tmp_path, monkeypatch, name, poison, says):
    monkeypatch.setattr(Copy, name, poison)
    message, _ = diverges(tmp_path / "run", small_config(seeds=1))
    assert message.startswith("training diverged at update 0: ")
    for text in says:
        assert text in message


def test_the_last_good_checkpoint_is_kept(tmp_path, monkeypatch):
    """An update that makes a parameter infinite, in the middle of a call."""
    monkeypatch.setattr(SGD, "rates", lambda self, total: lambda u: jnp.where(u < 13, 0.1, jnp.inf))
    message, run = diverges(tmp_path / "run", small_config(optimizer=SGD(), seeds=1))
    assert message.startswith("training diverged at update 13: the optimiser's change of 'c")
    assert "the loss is 0." in message
    assert message.endswith("the last checkpoint is kept")
    assert [p.name for p in (run.folder / "checkpoints").iterdir()] == ["0000000010"]
    trains = [line["update"] for line in run.metrics() if line["kind"] == "train"]
    assert trains == [5, 10]
