"""Bidirectional reading is two cells and a reversal, whatever is padded or packed."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from reference.finite_differences import gradient
from reference.lstm import lstm
from reference.networks import bidirectional, in_order

from tapehead.cell import Chain, expect_steps, reads_whole, run
from tapehead.cells import LSTM, Dropout, Embedding, LayerNorm, Linear, Residual, Zoneout
from tapehead.errors import UserError
from tapehead.learning import TruncatedBPTT
from tapehead.networks import Bidirectional
from tapehead.networks.bidirectional import mirror, reversed_by

ONE, TWO = jax.random.split(jax.random.key(0))
TIME, INPUTS, HIDDEN = 7, 3, 4
XS = np.random.default_rng(0).normal(size=(TIME, 4, INPUTS)).astype(np.float32)
LENGTHS = (7, 3, 1, 0)
MASK = np.arange(TIME)[:, None] < np.array(LENGTHS)


def make(**options):
    return Bidirectional(LSTM(INPUTS, HIDDEN, key=ONE), LSTM(INPUTS, HIDDEN, key=TWO), **options)


NETWORK = make()
unroll = jax.jit(
    lambda xs, mask, starts: NETWORK.unroll(
        NETWORK.initial_state(xs.shape[1:-1]), xs, mask=mask, starts=starts
    )
)


def test_is_two_cells_run_by_hand():
    state, ys = unroll(XS, None, None)
    back_state, back = NETWORK.backward.unroll(NETWORK.backward.initial_state((4,)), XS[::-1])
    expected = np.concatenate([run(NETWORK.forward, XS), back[::-1]], axis=-1)
    np.testing.assert_allclose(ys, expected, atol=1e-6)
    np.testing.assert_allclose(state.backward.cell, back_state.cell, atol=1e-6)
    assert NETWORK.output_size == 2 * HIDDEN
    summed = make(merge="sum")
    assert summed.output_size == HIDDEN
    np.testing.assert_allclose(
        run(summed, XS), expected[..., :HIDDEN] + expected[..., HIDDEN:], atol=1e-6
    )


def test_the_states_are_those_after_reading_everything():
    """Forward at the last step of each sequence, backward at its first: as PyTorch's `h_n`."""
    state, ys = unroll(XS, MASK, None)
    for lane, length in enumerate(LENGTHS[:3]):
        last, first = ys[length - 1, lane, :HIDDEN], ys[0, lane, HIDDEN:]
        np.testing.assert_allclose(state.forward.hidden[lane], last, atol=1e-6)
        np.testing.assert_allclose(state.backward.hidden[lane], first, atol=1e-6)
    assert not np.any(state.backward.hidden[3])


def test_a_ragged_batch_is_its_sequences_one_by_one():
    ys = unroll(np.where(MASK[..., None], XS, np.nan), MASK, None)[1]
    for lane, length in enumerate(LENGTHS):
        alone = run(NETWORK, XS[:length, lane])
        np.testing.assert_allclose(ys[:length, lane], alone, atol=1e-6)
        assert not np.any(ys[length:, lane])


def test_packed_sequences_are_each_read_from_their_own_end():
    starts = np.zeros((TIME, 4), bool)
    starts[0] = starts[3, 0] = starts[5, 0] = True
    ys = unroll(XS, None, starts)[1]
    alone = [run(NETWORK, part) for part in np.split(XS[:, 0], [3, 5])]
    np.testing.assert_allclose(ys[:, 0], np.concatenate(alone), atol=1e-6)
    np.testing.assert_allclose(ys[:, 1], run(NETWORK, XS[:, 1]), atol=1e-6)


lanes = st.lists(st.tuples(st.booleans(), st.booleans()), min_size=6, max_size=6)


@given(st.lists(lanes, min_size=2, max_size=2))
def test_the_mirror_of_any_mask_and_starts(flags):
    """Padding anywhere, sequences that begin anywhere, on padding too."""
    mask, starts = np.array(flags).transpose(2, 1, 0)
    index = np.asarray(mirror(jnp.asarray(mask), jnp.asarray(starts)))
    for lane in range(2):
        np.testing.assert_array_equal(index[:, lane], in_order(mask[:, lane], starts[:, lane]))
    xs = jnp.arange(24.0).reshape(6, 2, 2)
    np.testing.assert_array_equal(reversed_by(index, reversed_by(index, xs)), xs)


def test_the_equations_and_their_gradient(x64):
    """Against LSTMs in NumPy, forward and by finite differences."""
    random = np.random.default_rng(3)
    hidden, xs = 2, random.normal(size=(5, 2))
    weights = [random.normal(size=shape) for shape in [(8, 2), (8, 2), (8,)] * 2]
    starts, mask = np.arange(5) == 2, np.arange(5) < 4
    still = np.zeros(hidden)

    def reader(W, U, b):
        return lambda xs: lstm(W, U, b, still, still, xs)[0]

    def reference(*weights):
        """Two sequences of two steps, then padding."""
        cells = reader(*weights[:3]), reader(*weights[3:])
        both = [bidirectional(*cells, xs[:2]), bidirectional(*cells, xs[2:4])]
        return np.concatenate([*both, np.zeros((1, 4))])

    structure = jax.tree.structure(LSTM(2, hidden, key=ONE))

    @jax.jit
    @partial(jax.grad, has_aux=True)
    def ours(weights):
        cells = (jax.tree.unflatten(structure, part) for part in (weights[:3], weights[3:]))
        ys = run(Bidirectional(*cells), jnp.asarray(xs), mask=mask, starts=starts)
        return jnp.sum(jnp.sin(3 * ys)), ys

    found, ys = ours([jnp.asarray(w) for w in weights])
    np.testing.assert_allclose(ys, reference(*weights), rtol=1e-11)
    wanted = gradient(lambda *w: np.sum(np.sin(3 * reference(*w))), weights)
    for one, other in zip(found, wanted, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-7)


def test_dropout_inside_is_drawn_for_each_direction():
    noisy = Bidirectional(Chain(LayerNorm(INPUTS), Dropout(0.5)), Dropout(0.5))
    ys = run(noisy, XS, key=ONE)
    assert not np.array_equal(ys[..., :INPUTS] == 0, ys[..., INPUTS:] == 0)


def test_symbols_are_read_both_ways():
    tokens = np.array([[3, 1], [0, 2], [1, 0]])
    tables = Embedding(4, 2, key=ONE), Embedding(4, 3, key=TWO)
    mask = np.array([[True, True], [True, False], [False, False]])
    expected = np.concatenate([cell.table[tokens] for cell in tables], axis=-1)
    for padding in (None, mask):
        ys = run(Bidirectional(*tables), jnp.asarray(tokens), mask=padding, feature_axes=0)
        kept = expected if padding is None else np.where(mask[..., None], expected, 0)
        np.testing.assert_array_equal(ys, kept)


def test_what_it_is_a_part_of_reads_whole_too():
    assert not reads_whole(Chain(LSTM(3, 3, key=ONE)))
    for network in (NETWORK, Chain(NETWORK), Residual(Chain(NETWORK, Linear(8, 3, key=ONE)))):
        assert reads_whole(network)
        with pytest.raises(UserError, match="Bidirectional: reads a sequence whole and has no si"):
            network.step(network.initial_state(), XS[0, 0])
    with pytest.raises(UserError, match="Zoneout: Bidirectional has no state 'hidden'; it has for"):
        Zoneout(NETWORK)


def test_windows_are_refused():
    with pytest.raises(UserError, match="TruncatedBPTT: cuts time into windows, but Bidirectional"):
        TruncatedBPTT().begin(Chain(NETWORK), (), key=None)
    with pytest.raises(UserError, match="streams: cuts time into windows"):
        expect_steps("streams", NETWORK)


@pytest.mark.parametrize(
    ("cells", "options", "message"),
    [
        ((LSTM(3, 4, key=ONE), LSTM(2, 4, key=TWO)), {}, "takes 3 features and one that takes 2"),
        ((LSTM(3, 4, key=ONE), LSTM(3, 5, key=TWO)), {"merge": "sum"}, "got 4 and 5"),
        ((LSTM(3, 4, key=ONE),) * 2, {"merge": "sun"}, "one of concatenate, sum, got 'sun'; did y"),
        ((Dropout(0.1), Dropout(0.1)), {}, "Bidirectional: needs cells that have a size"),
    ],
)
def test_refuses(cells, options, message):
    with pytest.raises(UserError, match=message):
        Bidirectional(*cells, **options)
