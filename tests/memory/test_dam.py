"""Dense access memory: the equations of the sparse one, with every row read."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from memory.test_sam import doubled, everything, unrolled
from reference import sam as reference

from tapehead.cell import scan
from tapehead.errors import UserError
from tapehead.memory.dam import DAM, DAMMemory
from tapehead.testing import check_memory

SIZES = {"slots": 5, "width": 3, "heads": 2}


def test_conformance():
    check_memory(DAMMemory(**SIZES))


@pytest.mark.usefixtures("x64")
def test_steps_are_the_reference():
    memory = DAMMemory(**SIZES, discount=0.9)
    flats = np.random.default_rng(1).normal(scale=2, size=(12, 4, memory.interface_size))
    state = doubled(memory.initial_state((4,)))
    step = jax.jit(lambda state, flat: memory.step(state, memory.interface(flat)))
    expected = [reference.initial_state(5, 3, 2) for _ in range(4)]
    for flat in flats:
        state, reads = step(state, flat)
        for b in range(4):
            expected[b], wanted = reference.step(
                expected[b], flat[b], 5, "discounted", 0, 0.9, dense=True
            )
            np.testing.assert_allclose(reads[b], wanted, rtol=1e-9, atol=1e-12)
            np.testing.assert_allclose(state.memory[b], expected[b].memory, rtol=1e-9, atol=1e-12)
            np.testing.assert_allclose(state.usage[b], expected[b].discounted, rtol=1e-9)


@pytest.mark.usefixtures("x64")
def test_the_unroll_is_the_scan_with_its_gradients():
    model = DAM(2, 3, **SIZES, controller="elman", controller_size=6, key=jax.random.key(1))
    model = jax.tree.map(lambda x: 2 * x if isinstance(x, jax.Array) else x, doubled(model))
    rng = np.random.default_rng(0)
    xs, mask = jnp.asarray(rng.normal(size=(9, 3, 2))), jnp.asarray(rng.uniform(size=(9, 3)) < 0.7)
    first, _ = model.unroll(doubled(model.initial_state((3,))), xs[:4])
    expected = everything(scan, model, first, xs, mask)
    found = everything(unrolled, model, first, jnp.where(mask[..., None], xs, jnp.nan), mask)
    assert jax.tree.structure(found) == jax.tree.structure(expected)
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"slots": 0}, "DAM: slots must be at least 1, got 0"),
        ({"heads": 6}, "DAM: heads must be at most the number of slots, got 6 and 5"),
        ({"discount": 1.5}, "DAM: discount must be between 0 and 1, got 1.5"),
    ],
)
def test_refused(options, message):
    with pytest.raises(UserError, match=message):
        DAMMemory(**(SIZES | options))
