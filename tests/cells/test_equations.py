"""Recurrent cells against NumPy versions written from their equations, forward and gradient."""

from operator import attrgetter

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from reference import gru_variants, linear, lstm_variants, xlstm
from reference.elman import elman
from reference.finite_differences import gradient
from reference.gru import gru_reset_after, gru_reset_before
from reference.lstm import lstm

from tapehead import cells
from tapehead.cells.s5 import hippo

TIME, INPUTS, HIDDEN = 4, 2, 3
RECURRENT = ("input_weight", "hidden_weight", "bias")
ALLOWED = np.arange(5 * 8).reshape(5, 8) % 3 > 0

# What makes the cell; the names of its weights; the reference with the same arguments, which
# gives the outputs from the weights, the leaves of the first state and the inputs.
CASES = {
    "elman-tanh": (lambda key: cells.Elman(INPUTS, HIDDEN, key=key), RECURRENT, elman),
    "elman-relu": (
        lambda key: cells.Elman(INPUTS, HIDDEN, activation="relu", key=key),
        RECURRENT,
        lambda *args: elman(*args, phi=lambda x: np.maximum(x, 0)),
    ),
    "lstm": (
        lambda key: cells.LSTM(INPUTS, HIDDEN, key=key),
        RECURRENT,
        lambda *args: lstm(*args)[0],
    ),
    "gru-reset-after": (
        lambda key: cells.GRU(INPUTS, HIDDEN, key=key),
        (*RECURRENT, "candidate_bias"),
        gru_reset_after,
    ),
    "gru-reset-before": (
        lambda key: cells.GRU(INPUTS, HIDDEN, reset_after=False, key=key),
        RECURRENT,
        gru_reset_before,
    ),
    "peephole-lstm": (
        lambda key: cells.PeepholeLSTM(INPUTS, HIDDEN, key=key),
        (*RECURRENT, "peephole"),
        lstm_variants.peephole_lstm,
    ),
    "coupled-lstm": (
        lambda key: cells.CoupledLSTM(INPUTS, HIDDEN, key=key),
        RECURRENT,
        lstm_variants.coupled_lstm,
    ),
    "layer-norm-lstm": (
        lambda key: cells.LayerNormLSTM(INPUTS, HIDDEN, key=key),
        (
            *RECURRENT,
            *(f"{n}_norm.{p}" for n in ("input", "hidden", "cell") for p in ("scale", "shift")),
        ),
        lstm_variants.layer_norm_lstm,
    ),
    "projected-lstm": (
        lambda key: cells.ProjectedLSTM(INPUTS, 4, HIDDEN, key=key),
        (*RECURRENT, "projection"),
        lstm_variants.projected_lstm,
    ),
    "lstm-1997": (
        lambda key: cells.LSTM1997(
            INPUTS, 2, 2, truncated=False, input_bias=(-1, -2), spread=1.0, key=key
        ),
        ("weight", "bias"),
        lstm_variants.lstm1997,
    ),
    "lstm-2000": (
        lambda key: cells.LSTM1997(
            INPUTS, 2, 2, truncated=False, forget_gates=True, spread=1.0, key=key
        ),
        ("weight", "bias"),
        lambda *args: lstm_variants.lstm1997(*args, forget=True),
    ),
    "gru-1": (
        lambda key: cells.ReducedGRU(INPUTS, HIDDEN, variant=1, key=key),
        ("gate_weight", "gate_bias", *RECURRENT),
        gru_variants.gru1,
    ),
    "gru-2": (
        lambda key: cells.ReducedGRU(INPUTS, HIDDEN, variant=2, key=key),
        ("gate_weight", *RECURRENT),
        gru_variants.gru2,
    ),
    "gru-3": (
        lambda key: cells.ReducedGRU(INPUTS, HIDDEN, variant=3, key=key),
        ("gate_bias", *RECURRENT),
        gru_variants.gru3,
    ),
    "mgu": (lambda key: cells.MGU(INPUTS, HIDDEN, key=key), RECURRENT, gru_variants.mgu),
    "indrnn": (
        lambda key: cells.IndRNN(INPUTS, HIDDEN, key=key),
        ("input_weight", "recurrent_weight", "bias"),
        gru_variants.indrnn,
    ),
    "irnn": (
        lambda key: cells.IRNN(INPUTS, HIDDEN, deviation=1.0, scale=0.7, key=key),
        RECURRENT,
        lambda *args: elman(*args, phi=lambda x: np.maximum(x, 0)),
    ),
    "fully-recurrent": (
        lambda key: cells.FullyRecurrent(INPUTS, 5, HIDDEN, key=key),
        ("weight",),
        gru_variants.fully_recurrent,
    ),
    "fully-recurrent-masked": (
        lambda key: cells.FullyRecurrent(INPUTS, 5, HIDDEN, connections=ALLOWED, key=key),
        ("weight",),
        lambda *args: gru_variants.fully_recurrent(*args, allowed=ALLOWED),
    ),
    "mingru": (
        lambda key: cells.MinGRU(INPUTS, HIDDEN, key=key),
        ("weight", "bias"),
        linear.mingru,
    ),
    "minlstm": (
        lambda key: cells.MinLSTM(INPUTS, HIDDEN, key=key),
        ("weight", "bias"),
        linear.minlstm,
    ),
    "lru": (
        lambda key: cells.LRU(INPUTS, HIDDEN, modes=4, key=key),
        ("decay", "phase", "gain", "input_weight", "output_weight"),
        linear.lru,
    ),
    "s5": (
        lambda key: cells.S5(INPUTS, HIDDEN, modes=4, steps=(0.1, 1.0), key=key),
        ("decay", "frequency", "log_step", "input_weight", "output_weight"),
        linear.s5,
    ),
    "selective": (
        lambda key: cells.SelectiveSSM(INPUTS, modes=3, steps=(0.1, 1.0), key=key),
        ("step_weight", "step_bias", "fill_weight", "read_weight", "decay", "skip"),
        linear.selective,
    ),
    "slstm": (
        lambda key: cells.SLSTM(INPUTS, 4, heads=2, key=key),
        RECURRENT,
        xlstm.slstm,
    ),
    "mlstm": (
        lambda key: cells.MLSTM(INPUTS, 4, heads=2, key=key),
        ("weight", "bias", "gate_weight", "gate_bias"),
        xlstm.mlstm,
    ),
}


def doubled(tree):
    return jax.tree.map(lambda x: x.astype(jnp.float64), tree)


@pytest.mark.parametrize("name", CASES)
def test_outputs_and_gradients_are_those_of_the_equations(x64, name):
    make, names, reference = CASES[name]
    cell = doubled(make(jax.random.key(0)))
    generator = np.random.default_rng(0)
    xs = generator.normal(size=(TIME, INPUTS))
    # Normalisers are positive: they are sums of exponentials.
    state = jax.tree.map(
        lambda x: jnp.asarray(generator.uniform(0.5, 1.5, size=x.shape)), cell.initial_state()
    )
    scores = generator.normal(size=(TIME, cell.output_size))

    def everything(cell, state, xs):
        ys = cell.unroll(state, xs)[1]
        return jnp.sum(scores * ys), ys

    found = jax.jit(jax.grad(everything, argnums=(0, 1, 2), has_aux=True))
    (of_cell, of_state, of_xs), ys = found(cell, state, jnp.asarray(xs))
    arrays = [*(np.array(attrgetter(n)(cell)) for n in names), *map(np.array, state), xs]
    np.testing.assert_allclose(ys, reference(*arrays), rtol=1e-12)
    expected = gradient(lambda *args: np.sum(scores * reference(*args)), arrays)
    actual = [*(attrgetter(n)(of_cell) for n in names), *of_state, of_xs]
    for a, b in zip(actual, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-8)


def test_the_truncated_gradient_is_that_of_1997(x64):
    """Appendix A.1's update, computed forwards, against backpropagation through what is left."""
    blocks, size, steps = 2, 2, 6
    cell = doubled(
        cells.LSTM1997(INPUTS, blocks, size, input_bias=(-1, -2), spread=1.0, key=jax.random.key(0))
    )
    generator = np.random.default_rng(0)
    xs = generator.normal(size=(steps, INPUTS))
    errors = generator.normal(size=(steps, blocks * size))
    of_cell = jax.jit(
        jax.grad(
            lambda cell: jnp.sum(errors * cell.unroll(cell.initial_state(), jnp.asarray(xs))[1])
        )
    )(cell)
    of_weight, of_bias = lstm_variants.lstm1997_gradient(
        np.array(cell.weight), np.array(cell.bias), xs, errors, blocks, size
    )
    np.testing.assert_allclose(of_cell.weight, of_weight, rtol=1e-10)
    np.testing.assert_allclose(of_cell.bias, of_bias, rtol=1e-10)


def test_hippo_is_diagonal_in_its_eigenvectors():
    eigenvalues, vectors = hippo(4)
    n = np.arange(8)
    legs = -np.tril(np.sqrt(np.outer(2 * n + 1, 2 * n + 1)), -1) - np.diag(n + 1)
    low_rank = np.sqrt(n + 0.5)
    normal = legs + np.outer(low_rank, low_rank)
    np.testing.assert_allclose(normal @ vectors, vectors * eigenvalues, atol=1e-12)
    assert (eigenvalues.imag > 0).all()
    np.testing.assert_allclose(eigenvalues.real, -0.5)
