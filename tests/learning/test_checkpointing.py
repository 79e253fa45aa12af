"""BPTT that keeps only some states gives the same gradient from less memory."""

import equinox as eqx
import jax
import jax.numpy as jnp
import pytest

from tapehead.cell import Chain
from tapehead.cells import GRU, Elman, Linear
from tapehead.errors import UserError
from tapehead.learning import BPTT, sequence_gradient
from tapehead.models import MODELS
from tapehead.sequences import Sequences
from tapehead.testing.rules import Costly, as_float64, assert_same, batch_of, by_rule


def test_the_same_gradient(x64):
    """Of 7 steps, in stretches of 3 whose last is filled up; with a penalty and a learned state."""
    key = jax.random.key(0)
    cell = Costly(Elman(3, 4, learned_initial_state=True, key=key))
    model = as_float64(Chain(cell, Linear(4, 2, key=key)))
    whole, seen = by_rule(BPTT(), model, batch_of(5))
    again, seen_again = by_rule(BPTT(checkpointing=True), model, batch_of(5))
    assert_same("checkpointing", again, whole, 1e-12)
    assert seen_again.outputs.shape == seen.outputs.shape
    assert jnp.abs(seen_again.outputs - seen.outputs).max() < 1e-12


@pytest.mark.slow
def test_less_memory():
    key = jax.random.key(0)
    model = Chain(GRU(2, 16, key=key), Linear(16, 1, key=key))
    ones = jnp.ones((900, 8, 2))
    sequences = Sequences(inputs=ones, targets=ones[..., :1], weights=ones[..., 0])

    def bytes_of(rule):
        def loss(outputs, targets):
            return jnp.sum((outputs - targets) ** 2, axis=-1)

        arrays, static = eqx.partition(model, eqx.is_array)
        compiled = jax.jit(
            lambda a: sequence_gradient(rule, eqx.combine(a, static), sequences, loss)[0]
        ).lower(arrays).compile()  # fmt: skip
        return compiled.memory_analysis().temp_size_in_bytes

    assert bytes_of(BPTT(checkpointing=True)) < 0.3 * bytes_of(BPTT())


def test_what_reads_whole_is_refused():
    model = MODELS["lstm"](hidden=4, bidirectional=True).build(2, 1, key=jax.random.key(0))
    with pytest.raises(UserError, match=r"BPTT with checkpointing: .* leave checkpointing out"):
        BPTT(checkpointing=True).begin(model, (1,), key=None)
