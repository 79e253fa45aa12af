"""Settings shared by all tests."""

import os

# Compilation is what the tests cost, and their arrays are small: code that is compiled quickly
# beats code that runs quickly. Must be set before JAX is imported.
os.environ.setdefault("XLA_FLAGS", "--xla_backend_optimization_level=0")

import jax
import pytest
from hypothesis import settings

jax.config.update("jax_numpy_dtype_promotion", "strict")
settings.register_profile("tapehead", deadline=None, max_examples=25, derandomize=True)
settings.load_profile("tapehead")


@pytest.fixture
def x64():
    """Run the test in float64."""
    with jax.enable_x64(True):
        yield
