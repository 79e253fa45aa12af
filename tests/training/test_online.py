"""Online updates: the optimiser after every window."""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from small_runs import small_config

from tapehead.errors import UserError
from tapehead.learning import BPTT, RTRL, TruncatedBPTT
from tapehead.tasks.task import Turn
from tapehead.training import SGD, Run, Silent, train
from tapehead.training.networks import Networks
from tapehead.training.update import Updater, as_vector, draw

CONFIG = small_config(
    rule=TruncatedBPTT(window=2), optimizer=SGD(0.5), online=True, clip_norm=None, seeds=1, batch=2
)


def updated(config):
    """The network before and after one update."""
    networks = Networks(config)
    updater = Updater(config, networks.static)
    before = updater.begin(networks.build, networks.start_keys, ())
    model = eqx.combine(jax.tree.map(lambda x: x[0], before.arrays), networks.static)
    key = networks.training_keys[0]
    turn = Turn(jnp.int32(0), jax.random.fold_in(key, 0), key)
    updater.prepare(before, config.task, ())
    after = updater.advance(
        before,
        config.task,
        (),
        active=jnp.ones(1, bool),
        keys=networks.training_keys,
        start=0,
        stop=1,
    )
    updater.close()
    return model, turn, eqx.combine(jax.tree.map(lambda x: x[0], after.arrays), networks.static)


def test_every_window_has_an_update_of_its_own():
    """By hand: the gradient of each window where the window before it left the parameters."""
    model, turn, after = updated(CONFIG)

    @eqx.filter_jit
    def drawn(model, turn):
        sequences, _, carry = draw(CONFIG, CONFIG.task, model, turn, ())
        return sequences.normalised().windows(2), carry

    windows, carry = drawn(model, turn)
    count = windows.weights.shape[0]
    assert count > 2
    vector, model_at = as_vector(model)
    together, held = vector, carry
    gradient = eqx.filter_jit(CONFIG.rule.gradient)
    for number in range(count):
        window = jax.tree.map(lambda x, number=number: x[number], windows)
        grads, carry, _ = gradient(model_at(vector), carry, window, CONFIG.task.loss)
        vector -= 0.5 * count * as_vector(grads)[0]
        grads, held, _ = gradient(model, held, window, CONFIG.task.loss)
        together -= 0.5 * count * as_vector(grads)[0]
    found = as_vector(after)[0]
    np.testing.assert_allclose(found, vector, rtol=1e-4, atol=1e-5)
    # It is not the update of whole sequences.
    assert jnp.abs(found - together).max() > 1e-3


def test_schedules_count_windows():
    networks = Networks(CONFIG)
    config = dataclasses.replace(CONFIG, optimizer=SGD(0.5, schedule="linear"), updates=10)
    updater = Updater(config, networks.static)
    steps = updater.steps(config.task, ())
    progress = updater.begin(networks.build, networks.start_keys, ())
    counts = 10 * -(-int(steps) // 2)
    state, vector = jax.tree.map(lambda x: x[0], progress.optimizer), jnp.ones(1)
    state = jax.tree.map(lambda x: x + counts // 2 if x.dtype == jnp.int32 else x, state)
    change, _ = updater.step(vector, state, vector)
    assert float(change[0]) == pytest.approx(-0.25, rel=0.02)


@pytest.mark.slow
def test_a_run_is_made_and_learns(tmp_path):
    config = dataclasses.replace(
        CONFIG, rule=RTRL(window=1), optimizer=SGD(0.1), updates=20, clip_norm=1.0
    )
    run = Run.create(tmp_path / "run", config)
    assert train(run, Silent()).outcome == "budget"
    losses = [line["metrics"]["loss"][0] for line in run.metrics() if line["kind"] == "train"]
    assert losses[-1] < losses[0]


def test_a_rule_without_windows_is_refused():
    with pytest.raises(UserError, match="online learns after every window, and this rule has none"):
        small_config(rule=BPTT(), online=True)
    with pytest.raises(UserError, match=r"give rule\.window"):
        small_config(rule=RTRL(), online=True)
