"""The autoencoder against its equations in NumPy, and its masks."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tapehead.cells import Linear
from tapehead.errors import UserError
from tapehead.networks import Autoencoder

KEY = jax.random.key(0)
LENGTHS = np.array([5, 1, 3])


def gelu(x):
    return 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))


def reference(network, x):
    """What the equations say of one sequence `(time, features)`, with a linear encoder."""
    code = np.asarray(network.encoder.weight @ x[-1] + network.encoder.bias, np.float64)
    made = []
    for step in range(len(x)):
        place = step / max(len(x) - 1, 1)
        waves = np.pi * place * np.arange(1, 17)
        h = np.concatenate([code, [place], np.cos(waves), np.sin(waves)])
        for number, layer in enumerate(network.decoder):
            h = np.asarray(layer.weight, np.float64) @ h + np.asarray(layer.bias, np.float64)
            h = gelu(h) if number < 2 else h
        made.append(h)
    return np.array(made)


@pytest.fixture(scope="module")
def network():
    return Autoencoder(Linear(2, 3, key=KEY), 2, hidden=8, key=KEY)


def test_it_tells_what_its_equations_say_of_ragged_sequences(network):
    rng = np.random.default_rng(0)
    xs = rng.normal(size=(6, 3, 2)).astype(np.float32)
    mask = np.arange(6)[:, None] < LENGTHS
    ys = jax.jit(lambda xs, mask: network.unroll((), xs, mask=mask)[1])(xs, mask)
    for lane, length in enumerate(LENGTHS):
        wanted = reference(network, xs[:length, lane])
        np.testing.assert_allclose(ys[:length, lane], wanted, rtol=1e-4, atol=1e-5)
        assert not np.asarray(ys[length:, lane]).any()
    alone = jax.jit(lambda xs: network.unroll((), xs)[1])(xs[:, 0])
    np.testing.assert_allclose(alone, reference(network, xs[:, 0]), rtol=1e-4, atol=1e-5)


def test_gradients_are_finite_where_a_sequence_has_one_step(network):
    mask = jnp.asarray(np.arange(6)[:, None] < LENGTHS)

    def loss(xs):
        return jnp.sum(network.unroll((), xs, mask=mask)[1] ** 2)

    found = np.asarray(jax.jit(jax.grad(loss))(jnp.ones((6, 3, 2))))
    assert np.isfinite(found).all()
    # The encoder reads the last step; here it has no memory of those before.
    assert found[LENGTHS - 1, range(3)].all()


def test_what_it_cannot_do_is_refused(network):
    with pytest.raises(UserError, match="none packed end to end"):
        network.unroll((), jnp.zeros((4, 2)), starts=jnp.zeros(4, bool))
    with pytest.raises(UserError, match="hidden must be at least 1"):
        Autoencoder(Linear(2, 3, key=KEY), 2, hidden=0, key=KEY)
    with pytest.raises(UserError, match="reads a sequence whole"):
        network.step((), jnp.zeros(2))
