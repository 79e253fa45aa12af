"""Stacks with skip connections, and pooling over time."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from reference.elman import elman
from reference.finite_differences import gradient
from reference.networks import skip_chain

from tapehead.cell import run
from tapehead.cells import Beside, Dropout, Elman, Embedding, RunningMax, RunningMean, SkipChain
from tapehead.errors import UserError
from tapehead.inspection import fields_of

KEYS = jax.random.split(jax.random.key(0), 3)
XS = np.random.default_rng(0).normal(size=(6, 3, 2)).astype(np.float32)
MASK = np.arange(6)[:, None] < np.array([6, 2, 0])


def stack():
    return SkipChain(Elman(2, 3, key=KEYS[0]), Elman(5, 1, key=KEYS[1]), Elman(3, 2, key=KEYS[2]))


def test_every_layer_sees_the_input_and_is_seen(x64):
    """Against NumPy, forward and by finite differences."""
    xs = np.random.default_rng(1).normal(size=(4, 2))
    weights, structure = jax.tree.flatten(stack())
    weights = [np.asarray(w, np.float64) for w in weights]

    def layer(*weights):
        return lambda xs: elman(*weights, np.zeros(len(weights[2])), xs)

    def reference(*weights):
        return skip_chain([layer(*weights[n : n + 3]) for n in (0, 3, 6)], xs)

    @jax.jit
    @partial(jax.grad, has_aux=True)
    def ours(weights):
        ys = run(jax.tree.unflatten(structure, weights), jnp.asarray(xs))
        return jnp.sum(jnp.sin(3 * ys)), ys

    found, ys = ours([jnp.asarray(w) for w in weights])
    assert ys.shape == (4, stack().output_size) == (4, 6)
    np.testing.assert_allclose(ys, reference(*weights), rtol=1e-11)
    wanted = gradient(lambda *w: np.sum(np.sin(3 * reference(*w))), weights)
    for one, other in zip(found, wanted, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-7)


def test_the_layers_can_be_watched():
    names = fields_of(stack(), XS[:, 0])
    assert tuple(names) == ("0.hidden", "1.hidden", "2.hidden")


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ((), "SkipChain: needs at least one cell, got none"),
        ((Elman(2, 3, key=KEYS[0]), Elman(3, 3, key=KEYS[1])), r"takes 3 .* give 2 \+ 3"),
        ((Elman(2, 3, key=KEYS[0]), Dropout(0.1)), r"member 1 \(Dropout\) must have input and"),
        ((Embedding(4, 3, key=KEYS[0]),), r"member 0 \(Embedding\) must have input and output"),
    ],
)
def test_skip_chain_refuses(cells, message):
    with pytest.raises(UserError, match=message):
        SkipChain(*cells)


def test_cells_beside_each_other_read_the_same():
    cells = Elman(2, 3, key=KEYS[0]), RunningMean(2)
    apart = np.concatenate([run(cell, XS, mask=MASK) for cell in cells], axis=-1)
    made = Beside(*cells)
    assert (made.input_size, made.output_size) == (2, 5)
    np.testing.assert_allclose(run(made, XS, mask=MASK), apart, atol=1e-6)


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ((), "Beside: needs at least one cell, got none"),
        ((RunningMean(2), RunningMax(3)), r"member 1 \(RunningMax\) takes 3 .* member 0 takes 2"),
        ((RunningMean(2), Dropout(0.1)), r"member 1 \(Dropout\) must have input and output"),
    ],
)
def test_beside_refuses(cells, message):
    with pytest.raises(UserError, match=message):
        Beside(*cells)


@pytest.mark.parametrize(
    ("pool", "expected"),
    [
        (RunningMean(2), np.cumsum(XS, 0) / np.arange(1, 7)[:, None, None]),
        (RunningMax(2), np.maximum.accumulate(XS, 0)),
    ],
    ids=["mean", "max"],
)
def test_pools(pool, expected):

    @jax.jit
    @partial(jax.grad, has_aux=True)
    def total(xs, mask):
        ys = run(pool, xs, mask=mask)
        return jnp.sum(ys), ys

    np.testing.assert_allclose(total(XS, np.ones_like(MASK))[1], expected, atol=1e-6)
    slope, ys = total(np.where(MASK[..., None], XS, np.nan), MASK)
    np.testing.assert_allclose(ys, np.where(MASK[..., None], expected, 0), atol=1e-6)
    assert np.isfinite(slope).all()
    assert not slope[~MASK].any()
    with pytest.raises(UserError, match="size must be at least 1, got 0"):
        type(pool)(0)
