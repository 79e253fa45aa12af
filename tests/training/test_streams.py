"""Training along streams: what the network carries is kept from update to update."""

import dataclasses
from dataclasses import dataclass

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from small_runs import small_config

from tapehead.cell import run
from tapehead.learning import BPTT, TruncatedBPTT
from tapehead.models import MODELS
from tapehead.tasks import TextFile
from tapehead.tasks.stream import StreamTask
from tapehead.training import Run, Silent, StopSignal, train
from tapehead.training.networks import Networks
from tapehead.training.update import Updater


@dataclass(frozen=True)
class Letters(StreamTask):
    """A stream of four symbols."""

    length: int = 5
    forgotten: float = 0.0
    input_size = 4

    def data(self):
        return np.random.default_rng(0).integers(0, 4, 64)


CONFIG = small_config(
    task=Letters(),
    model=MODELS["elman"](hidden=3, embedding=2),
    rule=TruncatedBPTT(window=5),
    batch=2,
    seeds=1,
)


def trained(config, updates):
    """The progress after so many updates, and the model that made them."""
    networks = Networks(config)
    updater = Updater(config, networks.static)
    data = jnp.asarray(config.task.data())
    progress = updater.begin(networks.build, networks.start_keys, data)
    updater.prepare(progress, config.task, data)
    active = jnp.ones(1, bool)
    progress = updater.advance(
        progress,
        config.task,
        data,
        active=active,
        keys=networks.training_keys,
        start=0,
        stop=updates,
    )
    updater.close()
    return progress, networks


def test_the_state_is_carried_over_updates():
    """With a learning rate of 0, what is carried is the state after all that was read."""
    config = dataclasses.replace(
        CONFIG, optimizer=dataclasses.replace(CONFIG.optimizer, learning_rate=1e-30)
    )
    for updates, start in ((3, 0), (6, 0), (7, 6)):
        progress, networks = trained(config, updates)
        model = networks.model(progress.arrays, 0)
        data = config.task.data()
        read = np.stack([data[32 * n :][: 5 * (updates - start)] for n in range(2)], 1)
        state, _ = model.unroll(model.initial_state((2,)), jnp.asarray(read))
        carried = jax.tree.leaves(progress.carry.state)
        expected = jax.tree.leaves(eqx.filter(state, eqx.is_array))
        for one, other in zip(carried, expected, strict=True):
            np.testing.assert_allclose(one[0], other, rtol=1e-5, atol=1e-6)


def test_what_is_forgotten_is_not_carried():
    config = dataclasses.replace(
        CONFIG,
        task=Letters(forgotten=1.0),
        optimizer=dataclasses.replace(CONFIG.optimizer, learning_rate=1e-30),
    )
    progress, networks = trained(config, 3)
    model, data = networks.model(progress.arrays, 0), config.task.data()
    read = np.stack([data[32 * n + 10 :][:5] for n in range(2)], 1)
    state, _ = model.unroll(model.initial_state((2,)), jnp.asarray(read))
    carried = jax.tree.leaves(progress.carry.state)
    for one, other in zip(carried, jax.tree.leaves(state), strict=True):
        np.testing.assert_allclose(one[0], other, rtol=1e-5, atol=1e-6)


def test_a_rule_without_windows_sees_every_piece_by_itself():
    progress, _ = trained(dataclasses.replace(CONFIG, rule=BPTT()), 2)
    assert progress.carry == ()


def test_a_stream_too_short_is_refused():
    message = r"^Letters: a stream of 64 symbols cannot be cut into 12 parts of 6: lower batch or"
    with pytest.raises(ValueError, match=message):
        trained(dataclasses.replace(CONFIG, batch=12), 1)


@pytest.mark.slow
def test_carrying_helps_where_the_past_matters():
    """The next symbol is the one of 6 steps ago: pieces of 5 steps hide it from a fresh state."""

    @dataclass(frozen=True)
    class Echo(Letters):
        def data(self):
            bits = np.random.default_rng(1).integers(0, 2, 8)
            return np.tile(bits, 600)

    model = MODELS["gru"](hidden=12, embedding=4)
    losses = []
    for rule in (TruncatedBPTT(window=5), BPTT()):
        config = dataclasses.replace(CONFIG, task=Echo(), rule=rule, model=model, batch=4)
        progress, networks = trained(config, 400)
        data = jnp.asarray(Echo().data()[:400])
        outputs = run(networks.model(progress.arrays, 0), data[:-1], feature_axes=0)
        losses.append(float(jnp.mean(config.task.loss(outputs, data[1:])[100:])))
    assert losses[0] < 0.05
    assert losses[1] > losses[0]


def test_a_network_that_reads_sequences_whole_is_refused():
    model = MODELS["elman"](hidden=3, embedding=2, bidirectional=True)
    message = "^Letters: cuts time into windows, but Bidirectional must read a sequence whole"
    with pytest.raises(ValueError, match=message):
        trained(dataclasses.replace(CONFIG, model=model, rule=BPTT()), 1)


def test_a_stream_goes_on_where_it_was_stopped(tmp_path):
    """To the bit: what is carried, random keys included, is in the checkpoint."""
    book = tmp_path / "book.txt"
    book.write_text("abcd badc cdab. " * 20, encoding="utf-8")
    config = dataclasses.replace(
        CONFIG,
        task=TextFile(file=str(book), length=5),
        model=MODELS["elman"](hidden=3, embedding=2, dropout=0.2),
        updates=12,
        log_every=3,
        evaluate_every=12,
        checkpoint_every=3,
    )
    whole = Run.create(tmp_path / "whole", config)
    train(whole)
    stopped = Run.create(tmp_path / "stopped", config)

    class Stop(Silent):
        signal = StopSignal()

        def on_block(self, update, metrics, timing):
            if update >= 5:
                self.signal.set()

    stop = Stop()
    assert train(stopped, stop, stop.signal).outcome == "stopped"
    assert train(Run.open(tmp_path / "stopped")).outcome == "budget"
    assert stopped.metrics() == whole.metrics()
    assert whole.vocabulary().symbols == tuple(sorted(set("abcd .")))
