"""Weights taken over from PyTorch and Equinox."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from reference.gru import gru_reset_after
from reference.lstm import lstm

from tapehead.cell import run
from tapehead.cells import from_equinox, gru_from_torch, lstm_from_torch
from tapehead.errors import UserError

INPUTS, HIDDEN = 2, 3
TAKE_OVER = {"LSTM": (lstm_from_torch, 4), "GRU": (gru_from_torch, 3)}


def weights(gates, layers=1, bias=True):
    """A state dict as PyTorch lays it out, of NumPy arrays."""
    generator = np.random.default_rng(0)
    shapes = {}
    for layer in range(layers):
        shapes[f"weight_ih_l{layer}"] = (gates * HIDDEN, HIDDEN if layer else INPUTS)
        shapes[f"weight_hh_l{layer}"] = (gates * HIDDEN, HIDDEN)
        if bias:
            shapes[f"bias_ih_l{layer}"] = shapes[f"bias_hh_l{layer}"] = (gates * HIDDEN,)
    return {n: generator.normal(size=s).astype(np.float32) for n, s in shapes.items()}


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("kind", TAKE_OVER)
def test_equal_to_torch(kind, bias):
    torch = pytest.importorskip(
        "torch", reason="PyTorch is not installed (pip install tapehead[bench])"
    )
    torch.manual_seed(0)
    other = getattr(torch.nn, kind)(INPUTS, HIDDEN, num_layers=2, bias=bias)
    xs = torch.randn(5, 4, INPUTS)
    cell = TAKE_OVER[kind][0](other.state_dict())
    expected = other(xs)[0].detach().numpy()
    np.testing.assert_allclose(run(cell, jnp.asarray(xs.numpy())), expected, atol=1e-6)


def test_two_layers_of_an_lstm_are_the_equations_twice():
    given = weights(4, layers=2)
    xs = np.random.default_rng(1).normal(size=(5, INPUTS)).astype(np.float32)
    hidden = xs
    for layer in range(2):
        W, U, b_ih, b_hh = (
            given[f"{name}_l{layer}"] for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        )
        hidden, _ = lstm(W, U, b_ih + b_hh, np.zeros(HIDDEN), np.zeros(HIDDEN), hidden)
    chain = lstm_from_torch(given)
    assert len(chain.cells) == 2
    np.testing.assert_allclose(run(chain, jnp.asarray(xs)), hidden, atol=1e-5)


def test_a_gru_keeps_the_candidates_two_biases_apart():
    given = weights(3)
    xs = np.random.default_rng(1).normal(size=(5, INPUTS)).astype(np.float32)
    W, U, b_ih, b_hh = given.values()
    gates = 2 * HIDDEN
    b = np.concatenate([b_ih[:gates] + b_hh[:gates], b_ih[gates:]])
    expected = gru_reset_after(W, U, b, b_hh[gates:], np.zeros(HIDDEN), xs)
    np.testing.assert_allclose(run(gru_from_torch(given), jnp.asarray(xs)), expected, atol=1e-5)


def test_a_prefix_picks_one_network_of_a_larger_model():
    given = weights(4)
    larger = {f"encoder.{name}": value for name, value in given.items()}
    larger["head.weight"] = np.zeros((1, HIDDEN), np.float32)
    taken = lstm_from_torch(larger, prefix="encoder.")
    for a, b in zip(jax.tree.leaves(taken), jax.tree.leaves(lstm_from_torch(given)), strict=True):
        np.testing.assert_array_equal(a, b)


def without(name):
    return {k: v for k, v in weights(4).items() if k != name}


@pytest.mark.parametrize(
    ("state_dict", "message"),
    [
        ({}, "found no weight named weight_ih_l0; give the module's"),
        (without("weight_hh_l0"), "'weight_hh_l0' is missing"),
        (
            {n.replace("_l0", "_l1"): v for n, v in weights(4).items()},
            "'weight_ih_l0' is missing",
        ),
        (weights(4) | {"weight_ih_l0_reverse": np.zeros((12, 2))}, "'weight_ih_l0_reverse'"),
        (
            weights(4) | {"weight_hr_l0": np.zeros((1, 3))},
            "cannot take over 'weight_hr_l0'; expected",
        ),
        (weights(3), r"'weight_ih_l0' must have shape \(12, 2\) \(4 gates of 3 units\), got"),
        (weights(4) | {"bias_ih_l0": np.zeros(3)}, r"'bias_ih_l0' must have shape \(12,\)"),
        (weights(4) | {"weight_ih_l0": np.zeros(3)}, r"must be a matrix, got shape \(3,\)"),
        (weights(4) | {"weight_ih_l0": np.zeros((12, 2), int)}, "expected floating-point"),
        (
            weights(4, layers=2) | {"weight_ih_l1": np.zeros((12, 2))},
            r"'weight_ih_l1' must have shape \(12, 3\)",
        ),
    ],
)
def test_wrong_state_dicts_are_refused_by_name(state_dict, message):
    with pytest.raises(UserError, match=message) as caught:
        lstm_from_torch(state_dict)
    assert str(caught.value).startswith("lstm_from_torch: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("use_bias", [True, False])
def test_linear_of_equinox(use_bias):
    other = eqx.nn.Linear(2, 3, use_bias=use_bias, key=jax.random.key(0))
    x = jnp.array([1.0, -2.0])
    np.testing.assert_allclose(from_equinox(other)(x), other(x), rtol=1e-6)


def test_other_modules_of_equinox_are_refused():
    key = jax.random.key(0)
    with pytest.raises(UserError, match=r"expected an equinox\.nn\.LSTMCell, .* got Conv1d"):
        from_equinox(eqx.nn.Conv1d(1, 1, 1, key=key))
    with pytest.raises(UserError, match="with numbers of features, got scalar in and 3 out"):
        from_equinox(eqx.nn.Linear("scalar", 3, key=key))
