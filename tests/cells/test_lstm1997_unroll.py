"""The truncated gradient of the 1997 LSTM, all steps at once: the numbers of the plain unroll."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tapehead.cell import scan
from tapehead.cells import LSTM1997

INPUTS, BLOCKS, SIZE, TIME, BATCH = 3, 2, 2, 7, (3,)


@pytest.mark.parametrize(
    ("forget_gates", "flags"), [(False, "none"), (False, "both"), (True, "mask")]
)
def test_all_steps_at_once_are_the_steps_in_turn(x64, forget_gates, flags):
    cell = LSTM1997(
        INPUTS, BLOCKS, SIZE, forget_gates=forget_gates, spread=1.0, key=jax.random.key(0)
    )
    cell = jax.tree.map(lambda x: x.astype(jnp.float64), cell)
    keys = jax.random.split(jax.random.key(1), 4)
    shape = (TIME, *BATCH)
    xs = jax.random.normal(keys[0], (*shape, INPUTS), jnp.float64)
    scores = jax.random.normal(keys[1], (*shape, BLOCKS * SIZE), jnp.float64)
    mask = None if flags == "none" else jax.random.bernoulli(keys[2], 0.6, shape)
    starts = jax.random.bernoulli(keys[3], 0.3, shape) if flags == "both" else None
    state = jax.tree.map(lambda x: x + 0.3, cell.initial_state(BATCH))

    def everything(unroll):
        def loss(cell, state, xs):
            last, ys = unroll(cell, state, xs, mask=mask, starts=starts)
            ends = jnp.sum(jnp.sin(last.internal)) + jnp.sum(jnp.cos(last.units))
            return jnp.sum(scores * ys) + ends

        return jax.jit(jax.value_and_grad(loss, argnums=(0, 1, 2)))(cell, state, xs)

    found, expected = everything(LSTM1997.unroll), everything(scan)
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-12)
