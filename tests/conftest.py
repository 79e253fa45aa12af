"""Settings shared by all tests."""

import atexit
import gc
import os
import shutil
import tempfile

# Compilation is what the tests cost, and their arrays are small: code that is compiled quickly
# beats code that runs quickly, and XLA's older emitters are compiled in half the time. Must be set
# before JAX is imported.
os.environ.setdefault(
    "XLA_FLAGS",
    "--xla_backend_optimization_level=0"
    " --xla_backend_extra_options=xla_cpu_disable_new_fusion_emitters",
)

# What one worker or subprocess has compiled the others need not compile again. Workers inherit the
# folder from the process that starts them and that takes it away at the end.
if "JAX_COMPILATION_CACHE_DIR" not in os.environ:
    os.environ["JAX_COMPILATION_CACHE_DIR"] = tempfile.mkdtemp(prefix="tapehead-tests-")
    os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"
    os.environ["JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES"] = "0"
    atexit.register(shutil.rmtree, os.environ["JAX_COMPILATION_CACHE_DIR"], ignore_errors=True)

import jax
import pytest
from hypothesis import settings

jax.config.update("jax_numpy_dtype_promotion", "strict")
# Tracing makes many objects that live as long as what was compiled; looking for cycles among them
# as often as usual takes a twentieth of the time.
gc.set_threshold(100_000, 50, 1000)
settings.register_profile("tapehead", deadline=None, max_examples=25, derandomize=True)
settings.load_profile("tapehead")


LONGEST = ("test_readme.py", "test_kill.py")


def pytest_collection_modifyitems(items):
    """What takes longest comes first, so that no worker is left alone with it at the end."""
    items.sort(key=lambda item: item.path.name not in LONGEST)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """A worker has its neighbouring tests, which share what they prepare, until another is idle."""
    from xdist.scheduler import WorkStealingScheduling

    return WorkStealingScheduling(config, log)


@pytest.fixture
def x64():
    """Run the test in float64."""
    with jax.enable_x64(True):
        yield


@pytest.fixture(scope="session")
def drawn_weights():
    """In place of `Trained._train`: weights that are drawn, and no training."""
    import equinox as eqx
    import numpy as np

    from tapehead.training.storage import named_leaves

    def train(self, *args, **settings):
        rng = np.random.default_rng(0)
        shapes, _ = eqx.partition(
            self._skeleton(), lambda leaf: isinstance(leaf, jax.ShapeDtypeStruct)
        )
        self.weights_ = {
            name: rng.normal(0, 0.3, (self.ensemble, *leaf.shape)).astype(leaf.dtype)
            for name, leaf in named_leaves(shapes).items()
        }
        self.curve_, self.best_update_, self.n_updates_ = [{"update": 1, "loss": 1.0}], [1], 1

    return train


@pytest.fixture(scope="session")
def untrained(drawn_weights):
    """Fit an estimator without training: what its weights are does not matter to the test."""
    from tapehead.estimators.trained import Trained

    def fitted(estimator, *data):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Trained, "_train", drawn_weights)
            return estimator.fit(*data)

    return fitted
