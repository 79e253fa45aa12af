"""Settings shared by all tests."""

import os

os.environ.setdefault("XLA_FLAGS", "--xla_force_host_platform_device_count=1")

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
