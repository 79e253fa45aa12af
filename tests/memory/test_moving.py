"""Stacks and tapes: their equations, what they promise, and what they are for."""

from operator import attrgetter

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from reference.finite_differences import gradient
from reference.moving import stack_rnn, tape_rnn

from tapehead.cell import run
from tapehead.errors import UserError
from tapehead.memory import MovingInterface, StackMemory, StackRNN, TapeMemory, TapeRNN
from tapehead.tasks import DuplicateString, ReverseString
from tapehead.testing import check_cell, check_memory

SIZES = {"width": 2, "slots": 5, "training_slots": 4, "controller_size": 3}


def stack(key, **options):
    return StackRNN(3, 2, **{**SIZES, **options}, key=key)


def tape(key, **options):
    return TapeRNN(3, 2, **{**SIZES, **options}, key=key)


@pytest.mark.parametrize(
    "memory",
    [StackMemory(5, width=3, read_heads=2), TapeMemory(5, width=3, read_heads=2)],
    ids=["stack", "tape"],
)
def test_memories_keep_the_protocol(memory):
    check_memory(memory)


@pytest.mark.slow
def test_a_network_keeps_the_promises_of_cells():
    check_cell(lambda key: tape(key, training_slots=5), 3)


@pytest.mark.parametrize(
    ("make", "reference", "name"),
    [(stack, stack_rnn, "stacks"), (tape, tape_rnn, "tapes")],
)
def test_outputs_and_gradients_are_those_of_the_equations(x64, make, reference, name):
    cell = jax.tree.map(lambda x: x.astype(jnp.float64), make(jax.random.key(0)))
    generator = np.random.default_rng(0)
    xs = generator.normal(scale=0.2, size=(6, 3))
    xs[3:, -1] = 1  # the input ends after three steps
    rows = generator.normal(size=(1, 5, 2))
    hidden = generator.normal(size=3)
    scores = generator.normal(size=(6, 2))
    names = (
        *(f"controller.{n}" for n in ("input_weight", "hidden_weight", "bias")),
        *("interface.weight", "interface.bias", "readout.weight", "readout.bias"),
    )

    def everything(cell, hidden, rows, xs):
        state = cell.initial_state()
        state = state._replace(
            controller=state.controller._replace(hidden=hidden),
            memory=state.memory._replace(**{name: rows}),
        )
        ys = cell.unroll(state, xs)[1]
        return jnp.sum(scores * ys), ys

    (of_cell, of_hidden, of_rows, of_xs), ys = jax.jit(
        jax.grad(everything, argnums=(0, 1, 2, 3), has_aux=True)
    )(cell, *map(jnp.asarray, (hidden, rows, xs)))
    arrays = [*(np.array(attrgetter(n)(cell)) for n in names), hidden, rows[0], xs]
    np.testing.assert_allclose(ys, reference(*arrays), rtol=1e-11)
    expected = gradient(lambda *args: np.sum(scores * reference(*args)), arrays)
    actual = [*(attrgetter(n)(of_cell) for n in names), of_hidden, of_rows[0], of_xs]
    for a, b in zip(actual, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-7)


step = jax.jit(lambda memory, state, interface: memory.step(state, interface))
notice = jax.jit(lambda memory, state, x: memory.notice(state, x))


def surely(memory, state, action, value=0.0):
    """A step that takes one action for sure."""
    chosen = np.float32([[name == action for name in memory.actions]])
    return step(memory, state, MovingInterface(chosen, np.float32([[value]])))


def test_a_stack_gives_back_what_was_pushed_last_first():
    memory = StackMemory(3, width=1)
    state, tops = memory.initial_state(), []
    for value in (1.0, 2.0, 3.0, 4.0):
        state, _ = surely(memory, state, "push", value)
    state, top = surely(memory, state, "no-op", 9.0)
    assert top.item() == 4
    for _ in range(4):
        state, top = surely(memory, state, "pop")
        tops.append(top.item())
    # The first of the four fell off the end of three rows.
    assert tops == [3, 2, 0, 0]


def test_a_tape_is_written_moved_and_jumped_along():
    memory = TapeMemory(8, width=1)
    state = memory.initial_state()
    for value in (1.0, 2.0, 3.0):
        state = notice(memory, state, np.float32([0]))
        state, _ = surely(memory, state, "right", value)
    assert state.length == 3
    same, _ = surely(memory, notice(memory, state, np.float32([0])), "jump left", 9.0)
    # A jump does nothing until the input has ended.
    np.testing.assert_array_equal(same.tapes, state.tapes)
    state = notice(memory, state, np.float32([1]))
    state, read = surely(memory, state, "jump left")
    assert read.item() == 1
    state = notice(memory, state, np.float32([0]))  # once it has ended, the length is settled
    assert state.length == 3
    seen = []
    for action in ("right", "right", "left", "left", "jump right", "jump left"):
        state, read = surely(memory, state, action, 5.0)
        seen.append(read.item())
    assert seen == [2, 3, 5, 5, 0, 5]  # a jump leaves the row it begins at as it was
    assert TapeMemory(jumps=False).actions == ("stay", "left", "right")


# What each head does in the question, at the first step of computing, at the second, at further
# ones, at the first step of the answer, and at further ones.
PROGRAMS = {
    "reverse": (ReverseString(1, 9), [["right", *["left"] * 5]]),
    # One head waits at the beginning, the other as far before it: the sum is the string twice.
    "duplicate": (
        DuplicateString(2, 9, computing=1),
        [
            ["right", "jump left", "stay", "stay", "stay", "right"],
            ["right", "jump left", "jump left", "stay", "stay", "right"],
        ],
    ),
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_tapes_can_reverse_and_duplicate(name):
    task, program = PROGRAMS[name]
    memory = TapeMemory(40, width=1, read_heads=len(program))
    sequences = jax.jit(task.sample, static_argnums=1)(jax.random.key(0), 20)
    sequences = jax.tree.map(np.asarray, sequences)
    xs, answering = sequences.inputs, sequences.weights > 0
    ended = xs[..., -1] > 0.5
    since = np.cumsum(ended, axis=0)  # 1 at the first step after the question
    answered = np.cumsum(answering, axis=0)
    phase = np.where(answering, 3 + np.minimum(answered, 2), np.minimum(since, 3))
    actions = np.array([[memory.actions.index(a) for a in head] for head in program])
    actions = np.eye(len(memory.actions), dtype=np.float32)[actions.T[phase]]

    def step(before, now):
        (state, reads), (x, question, action) = before, now
        symbol = (2 * x[:, 1] - 1)[:, None, None]
        values = jnp.where(question[:, None, None], symbol, reads)
        after = memory.step(memory.notice(state, x), MovingInterface(action, values))
        return after, after[1][..., 0].sum(axis=1)

    begin = memory.initial_state((20,)), np.zeros((20, len(program), 1), np.float32)
    scanned = jax.jit(lambda begin, given: jax.lax.scan(step, begin, given)[1])
    found = np.asarray(scanned(begin, (xs, ~ended, actions)))
    assert answering.any()
    np.testing.assert_array_equal((found > 0)[answering], task.solve(sequences)[answering])


@pytest.mark.parametrize(
    "memory", [StackMemory(5, training_slots=4), TapeMemory(5, training_slots=4)]
)
def test_rows_are_fewer_in_training_and_a_restart_keeps_them(memory):
    for key, rows in ((None, 5), (jax.random.key(1), 4)):
        state = memory.initial_state((2,), key=key)
        assert state[0].shape == (2, 1, rows, 8)
        fresh = memory.restart(jax.tree.map(jnp.ones_like, state), (2,))
        for leaf, first in zip(fresh, state, strict=True):
            np.testing.assert_array_equal(leaf, first)


def test_sequences_packed_in_training_begin_afresh():
    cell, key, xs = tape(jax.random.key(0)), jax.random.key(1), jnp.ones((2, 1, 3)) * 0.3
    once = cell.initial_state((1,), key=key)
    again = cell.restart(cell.unroll(once, xs)[0], (1,))
    assert jax.tree.map(jnp.shape, again) == jax.tree.map(jnp.shape, once)
    np.testing.assert_array_equal(cell.unroll(again, xs)[1], cell.unroll(once, xs)[1])


@pytest.mark.parametrize("make", [stack, tape])
def test_more_rows_change_nothing_where_fewer_are_enough(make):
    key, xs = jax.random.key(0), jnp.ones((3, 2, 3)) * 0.3
    np.testing.assert_array_equal(run(make(key, slots=7), xs), run(make(key, slots=12), xs))


def test_what_the_heads_do_is_shown():
    cell = tape(jax.random.key(0), tapes=2)
    seen = eqx.filter_eval_shape(cell.observe, cell.initial_state((4,)), jnp.ones((4, 3)))
    assert seen["interface"]["actions"].shape == (4, 2, 5)
    assert seen["interface"]["values"].shape == (4, 2, 2)


@pytest.mark.parametrize(
    ("mistake", "message"),
    [
        (lambda: StackMemory(0), "StackMemory: slots must be at least 1, got 0"),
        (lambda: TapeMemory(width=0), "TapeMemory: width must be at least 1, got 0"),
        (
            lambda: stack(jax.random.key(0), stacks=0),
            "StackMemory: read_heads must be at least 1, got 0",
        ),
        (
            lambda: TapeRNN(0, 2, key=jax.random.key(0)),
            "TapeMemory: input_size must be at least 1, got 0",
        ),
    ],
)
def test_what_does_not_fit_is_refused(mistake, message):
    with pytest.raises(UserError, match=message):
        mistake()
