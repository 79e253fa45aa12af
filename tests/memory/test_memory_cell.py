"""`MemoryCell`: the parts between controller and memory, and what it refuses."""

import itertools

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tapehead.cell import run as plain_run
from tapehead.cells import LSTM
from tapehead.errors import UserError
from tapehead.memory import NTM, MemoryCell
from tapehead.memory.controller import FeedForward
from tapehead.memory.ntm import NTMMemory
from tapehead.testing import check_cell

run = eqx.filter_jit(plain_run)


def small(key, **options):
    memory_key, cell_key = jax.random.split(key)
    memory = NTMMemory(3, 2, read_heads=2)
    controller = FeedForward(2 + 4, 5, key=memory_key)
    return MemoryCell(controller, memory, 3, key=cell_key, **options)


@pytest.mark.slow
def test_conformance():
    check_cell(lambda key: small(key, learned_reads=True, clip=0.5), 2)


def test_bypass_dropout_acts_in_training_mode_on_what_passes_the_memory_alone():
    xs = jnp.ones((1, 2))
    cell = small(jax.random.key(0), bypass_dropout=0.5)
    plain = run(cell, xs)
    np.testing.assert_array_equal(plain, run(small(jax.random.key(0)), xs))
    noise = np.asarray(run(cell, xs, key=jax.random.key(1)) - plain)[0]
    hidden = cell.controller(jnp.concatenate([xs[0], jnp.zeros(4)]))
    share = np.asarray(cell.readout.weight[:, :5] * hidden)
    # At rate 1/2 every unit is dropped or doubled: its share of the answer is lost or added.
    changes = [share @ signs for signs in itertools.product([-1, 1], repeat=5)]
    assert np.any(noise != 0)
    assert min(np.max(np.abs(noise - change)) for change in changes) < 1e-6


def test_a_step_is_control_write_read_answer():
    cell = small(jax.random.key(0), interface_norm=True)
    state = cell.initial_state((4,))._replace(
        reads=jnp.asarray(np.random.default_rng(0).normal(size=(4, 2, 2)), jnp.float32)
    )
    x = jnp.ones((4, 2))

    @jax.jit
    def by_hand(state, x):
        hidden = cell.controller(jnp.concatenate([x, state.reads.reshape(4, 4)], axis=-1))
        interface = cell.memory.interface(cell.norm(cell.interface(hidden)))
        memory, reads = cell.memory.step(state.memory, interface)
        answer = cell.readout(jnp.concatenate([hidden, reads.reshape(4, 4)], axis=-1))
        return interface, memory, reads, answer

    after, y = jax.jit(lambda state, x: cell.step(state, x))(state, x)
    interface, memory, reads, answer = by_hand(state, x)
    np.testing.assert_allclose(y, answer, rtol=1e-5)
    np.testing.assert_allclose(after.reads, reads, rtol=1e-5)
    np.testing.assert_allclose(after.memory.memory, memory.memory, rtol=1e-5)
    seen = jax.jit(lambda state, x: cell.observe(state, x))(state, x)
    np.testing.assert_allclose(seen["interface"]["keys"], interface.keys, rtol=1e-5)
    np.testing.assert_allclose(seen["memory"]["read"]["weights"], memory.read_weights, rtol=1e-5)


def test_clip_holds_the_controllers_output_and_the_answer():
    x = jnp.ones((1, 1, 2))
    loose, tight = (
        eqx.tree_at(
            lambda c: c.readout.bias, small(jax.random.key(0), clip=clip), jnp.array([5.0, -5, 0])
        )
        for clip in (None, 0.01)
    )
    assert np.max(np.abs(run(loose, x))) > 4
    np.testing.assert_allclose(run(tight, x)[0, 0, :2], [0.01, -0.01])

    @jax.jit
    def by_hand(x):
        hidden = loose.controller(jnp.concatenate([x, jnp.zeros((1, 4))], axis=-1))
        return hidden, tight.memory.interface(tight.interface(0.01 * jnp.sign(hidden)))

    hidden, asked = by_hand(x[0])
    assert np.all(np.abs(hidden) > 0.01)
    observe = jax.jit(lambda x: tight.observe(tight.initial_state((1,)), x))
    seen = observe(x[0])["interface"]
    np.testing.assert_allclose(seen["add"], asked.add, rtol=1e-4)


def test_the_first_reads_are_zero_or_learned():
    zero, learned = small(jax.random.key(0)), small(jax.random.key(0), learned_reads=True)
    assert zero.initial_reads is None
    assert not np.any(zero.initial_state((2,)).reads)
    learned = eqx.tree_at(lambda c: c.initial_reads, learned, jnp.arange(4.0).reshape(2, 2))
    np.testing.assert_array_equal(learned.initial_state((2, 1)).reads[1, 0], [[0, 1], [2, 3]])
    xs = jnp.ones((2, 3, 2))
    gradient = jax.jit(jax.grad(lambda c: jnp.sum(run(c, xs))))(learned)
    assert np.all(np.asarray(gradient.initial_reads) != 0)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda key: MemoryCell(LSTM(4, 5, key=key), NTMMemory(3, 4), 2, key=key),
            "MemoryCell: the controller must take more than the 4 features that are read from "
            "memory, got 4",
        ),
        (lambda key: small(key, clip=-1.0), "MemoryCell: clip must be above 0, got -1.0"),
        (lambda key: small(key, bypass_dropout=1.0), "rate must be at least 0 and below 1"),
        (
            lambda key: NTM(0, 2, key=key),
            "NTM: input_size must be at least 1, got 0",
        ),
    ],
    ids=["controller", "clip", "bypass", "input"],
)
def test_what_does_not_fit_is_refused(make, message):
    with pytest.raises(UserError, match=message):
        make(jax.random.key(0))


def test_inputs_of_the_wrong_width_are_refused():
    cell = small(jax.random.key(0))
    with pytest.raises(UserError, match="expected inputs with"):
        run(cell, jnp.ones((3, 2, 7)))
