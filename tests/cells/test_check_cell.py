"""`check_cell` finds each promise that a cell breaks, and says which."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tapehead.cell import Cell, expect_features, scan, select
from tapehead.testing import check_cell


class Sum(Cell):
    """The running sum of the inputs, times a weight: keeps every promise but one."""

    weight: jax.Array
    input_size: int | None = eqx.field(static=True, default=2)
    output_size: int | None = eqx.field(static=True, default=2)

    def initial_state(self, batch=(), *, key=None) -> Any:
        return jnp.zeros((*batch, 2), self.weight.dtype)

    def step(self, state, x):
        state = state + self.weight * x
        return state, state


class Refuses(Sum):
    """`Sum` with the last promise: wrong inputs are refused."""

    def step(self, state, x):
        expect_features("Sum", x, 2)
        return super().step(state, x)


class LeafWithoutBatch(Refuses):
    def initial_state(self, batch=(), *, key=None):
        return (super().initial_state(batch), jnp.zeros(2))

    def step(self, state, x):
        total, y = super().step(state[0], x)
        return (total, state[1]), y


class StateThatGrows(Refuses):
    def step(self, state, x):
        state, y = super().step(state, x)
        return jnp.concatenate([state, state], axis=-1), y


class WrongOutputSize(Refuses):
    def step(self, state, x):
        state, y = super().step(state, x)
        return state, y[..., :1]


class OneBatchAxisOnly(Refuses):
    def step(self, state, x):
        state, y = super().step(state, x)
        return state, jnp.einsum("bf->bf", y)


class UnrollIgnoresMask(Refuses):
    def unroll(self, state, xs, *, mask=None, starts=None):
        return scan(self, state, xs, starts=starts)


class UnrollIgnoresStarts(Refuses):
    def unroll(self, state, xs, *, mask=None, starts=None):
        return scan(self, state, xs, mask=mask)


class UnrollWithWrongGradient(Refuses):
    def unroll(self, state, xs, *, mask=None, starts=None):
        cell = eqx.tree_at(lambda c: c.weight, self, jax.lax.stop_gradient(self.weight))
        return scan(cell, state, xs, mask=mask, starts=starts)


class MixesLanes(Refuses):
    def step(self, state, x):
        state, y = super().step(state, x)
        return state, y - jnp.mean(y, axis=tuple(range(y.ndim - 1)))


class NotANumberInTheGradient(Refuses):
    def step(self, state, x):
        state, y = super().step(state, x)
        return state, y + jnp.sqrt(jnp.sum(jnp.zeros_like(x) * self.weight))


class StuckInFloat32(Refuses):
    def initial_state(self, batch=(), *, key=None):
        return jnp.zeros((*batch, 2), jnp.float32)

    def step(self, state, x):
        state, y = super().step(state.astype(self.weight.dtype), x)
        return state.astype(jnp.float32), y


class NeverTheSame(Refuses):
    def initial_state(self, batch=(), *, key=None):
        state = super().initial_state(batch)
        return state if key is None else state + np.random.default_rng().normal()


class ForgetsOnPadding(Refuses):
    def unroll(self, state, xs, *, mask=None, starts=None):
        last, ys = scan(self, state, xs, mask=mask, starts=starts)
        return last if mask is None else select(mask[-1], last, jnp.zeros_like(last)), ys


def checked(kind):
    check_cell(lambda key: kind(jax.random.normal(key, (2,))), 2)


def test_a_cell_that_keeps_its_promises():
    checked(Refuses)


@pytest.mark.parametrize(
    ("kind", "sentence"),
    [
        (Sum, "step refuses 3 features for 2 with a UserError, got "),
        (LeafWithoutBatch, r"every leaf of the state leads with the batch axes: state\[1\]"),
        (StateThatGrows, "a step keeps the form of the state"),
        (WrongOutputSize, "the output has the batch axes and output_size features"),
        (OneBatchAxisOnly, r"initial_state, step, .* work with batch axes \(\); got ValueError"),
        (UnrollIgnoresMask, "unroll is equal to the plain scan"),
        (UnrollIgnoresStarts, "unroll is equal to the plain scan"),
        (UnrollWithWrongGradient, "the gradient of unroll is that of the plain scan"),
        (MixesLanes, "a lane of a batch gives what the sequence gives by itself"),
        (NotANumberInTheGradient, "gradients are finite: not so at"),
        (StuckInFloat32, "parameters in float64 give float64, got float32"),
        (NeverTheSame, "the same key gives the same initial state in training mode"),
        (ForgetsOnPadding, "unroll is equal to the plain scan"),
    ],
)
def test_a_broken_promise_is_named(kind, sentence):
    with pytest.raises(AssertionError, match=sentence):
        checked(kind)


def test_a_cell_drawn_without_its_key():
    generator = np.random.default_rng(0)
    with pytest.raises(AssertionError, match="the same key makes the same cell"):
        check_cell(lambda key: Refuses(jnp.asarray(generator.normal(size=2), jnp.float32)), 2)
