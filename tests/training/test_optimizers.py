import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from tapehead.errors import UserError
from tapehead.training.optimizers import OPTIMIZERS, SGD, Adam, RMSPropGraves


@pytest.fixture(autouse=True)
def usual_promotion():
    """Optax relies on it; the trainer gives it the same."""
    with jax.numpy_dtype_promotion("standard"):
        yield


def steps(optimizer, gradients, total=100):
    """The parameters after each gradient, from zero."""
    transformation = optimizer.build(total)
    params = {"w": jnp.zeros_like(jnp.asarray(gradients[0]))}
    state = transformation.init(params)
    found = []
    for gradient in gradients:
        updates, state = transformation.update({"w": jnp.asarray(gradient)}, state, params)
        params = optax.apply_updates(params, updates)
        found.append(np.asarray(params["w"]))
    return np.stack(found)


def random_gradients(count=6, size=3):
    return list(np.random.default_rng(0).normal(size=(count, size)))


def test_rmsprop_is_that_of_graves(x64):
    """Equations 38 to 45 of Graves 2013, in NumPy."""
    gradients = random_gradients()
    n = g = delta = w = np.zeros(3)
    expected = []
    for e in gradients:
        n = 0.95 * n + 0.05 * e**2
        g = 0.95 * g + 0.05 * e
        delta = 0.9 * delta - 1e-4 * e / np.sqrt(n - g**2 + 1e-4)
        w = w + delta
        expected.append(w)
    np.testing.assert_allclose(steps(RMSPropGraves(), gradients), expected, rtol=1e-12)


def test_rmsprop_with_other_settings(x64):
    gradients = random_gradients()
    n = g = delta = w = np.zeros(3)
    expected = []
    for e in gradients:
        n = 0.8 * n + 0.2 * e**2
        g = 0.8 * g + 0.2 * e
        delta = 0.5 * delta - 1e-2 * e / np.sqrt(n - g**2 + 1e-2)
        w = w + delta
        expected.append(w)
    optimizer = RMSPropGraves(1e-2, decay=0.8, momentum=0.5, epsilon=1e-2)
    np.testing.assert_allclose(steps(optimizer, gradients), expected, rtol=1e-12)


def test_rmsprop_survives_a_constant_gradient():
    """n − g² tends to 0 and rounding could make it negative."""
    found = steps(RMSPropGraves(epsilon=1e-30), [np.full(2, 1e3, np.float32)] * 400)
    assert np.isfinite(found).all()


def test_sgd_with_momentum(x64):
    gradients = random_gradients()
    velocity = w = np.zeros(3)
    expected = []
    for e in gradients:
        velocity = 0.9 * velocity + e
        w = w - 0.1 * velocity
        expected.append(w)
    np.testing.assert_allclose(steps(SGD(0.1, momentum=0.9), gradients), expected, rtol=1e-12)


def test_sgd_with_nesterov_momentum(x64):
    gradients = random_gradients()
    velocity = w = np.zeros(3)
    expected = []
    for e in gradients:
        velocity = 0.9 * velocity + e
        w = w - 0.1 * (0.9 * velocity + e)
        expected.append(w)
    found = steps(SGD(0.1, momentum=0.9, nesterov=True), gradients)
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_adam(x64):
    gradients = random_gradients()
    m = v = w = np.zeros(3)
    expected = []
    for t, e in enumerate(gradients, 1):
        m = 0.9 * m + 0.1 * e
        v = 0.999 * v + 0.001 * e**2
        w = w - 1e-3 * (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)
        expected.append(w)
    # Optax keeps its bias correction in float32.
    np.testing.assert_allclose(steps(Adam(), gradients), expected, rtol=1e-5)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_each_walks_downhill(name):
    """From w = 1 on the bowl w²/2."""
    transformation = OPTIMIZERS[name](learning_rate=0.01).build(200)
    w = jnp.ones(())
    state = transformation.init(w)
    for _ in range(200):
        updates, state = transformation.update(w, state, w)
        w = optax.apply_updates(w, updates)
    assert abs(float(w)) < 0.5


def rates(schedule, warmup, total=100):
    found = Adam(2.0, schedule=schedule, warmup=warmup).rates(total)
    return np.array([float(found(u)) for u in range(total + 1)])


def test_constant_schedule():
    assert (rates("constant", 0) == 2).all()


def test_cosine_schedule():
    expected = 1 + np.cos(np.pi * np.arange(101) / 100)
    np.testing.assert_allclose(rates("cosine", 0), expected, atol=1e-6)


def test_linear_schedule():
    np.testing.assert_allclose(rates("linear", 0), np.linspace(2, 0, 101), atol=1e-6)


@pytest.mark.parametrize("schedule", ["constant", "cosine", "linear"])
def test_warm_up_comes_first(schedule):
    found = rates(schedule, 20)
    np.testing.assert_allclose(found[:21], np.linspace(0, 2, 21), atol=1e-6)
    rest = {"constant": np.full(81, 2.0), "linear": np.linspace(2, 0, 81)}
    rest["cosine"] = 1 + np.cos(np.pi * np.arange(81) / 80)
    np.testing.assert_allclose(found[20:], rest[schedule], atol=1e-5)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Adam(0.0), "Adam: learning_rate must be above 0, got 0.0"),
        (lambda: SGD(float("nan")), "SGD: learning_rate must be above 0, got nan"),
        (lambda: Adam(schedule="step"), "schedule must be constant, cosine or linear, got 'step'"),
        (lambda: Adam(warmup=-1), "warmup must be at least 0, got -1"),
        (lambda: Adam(warmup=100).build(100), "warmup must be below the run's 100 updates"),
        (lambda: Adam(beta1=1.0), "beta1 must be at least 0 and below 1, got 1.0"),
        (lambda: SGD(momentum=-0.1), "momentum must be at least 0 and below 1, got -0.1"),
        (lambda: SGD(nesterov=True), "nesterov needs momentum above 0"),
        (lambda: RMSPropGraves(decay=1.5), "decay must be at least 0 and below 1, got 1.5"),
        (lambda: RMSPropGraves(epsilon=0.0), "epsilon must be above 0, got 0.0"),
    ],
)
def test_refuses(make, message):
    with pytest.raises(UserError, match=message):
        make()
