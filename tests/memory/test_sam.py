"""Sparse access memory against a slow reference, its gradient, what it costs and refuses."""

import functools
import re
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from reference import sam as reference

from tapehead.cell import scan
from tapehead.errors import UserError
from tapehead.inspection.trace import fields_of, trace
from tapehead.memory.closest import BLOCK, MANY, largest
from tapehead.memory.lookup import Lookup
from tapehead.memory.sam import SAM, SAMMemory
from tapehead.testing import check_cell, check_memory

SIZES: dict[str, Any] = {"slots": 7, "width": 3, "heads": 2, "reads": 3}


@pytest.mark.parametrize(
    "options",
    [
        {},
        pytest.param(
            {"slots": 4, "heads": 3, "usage": "discounted", "lookup": "lsh"}, marks=pytest.mark.slow
        ),
    ],
)
def test_conformance(options):
    check_memory(SAMMemory(**(SIZES | options)))


@pytest.mark.slow
def test_a_network_keeps_the_promises_of_cells():
    check_cell(lambda key: SAM(3, 2, **SIZES, controller_size=4, key=key), 3)


def doubled(tree):
    def widen(leaf):
        return leaf.astype(jnp.float64) if eqx.is_inexact_array(leaf) else leaf

    return jax.tree.map(widen, tree)


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("usage", ["last-access", "discounted"])
def test_steps_are_the_reference(usage):
    memory = SAMMemory(**SIZES, usage=usage)
    flats = np.random.default_rng(1).normal(scale=2, size=(12, 4, memory.interface_size))
    state = doubled(memory.initial_state((4,)))
    step = jax.jit(lambda state, flat: memory.step(state, memory.interface(flat)))
    expected = [reference.initial_state(7, 3, 2) for _ in range(4)]
    for flat in flats:
        state, reads = step(state, flat)
        for b in range(4):
            expected[b], wanted = reference.step(expected[b], flat[b], 3, usage)
            np.testing.assert_allclose(reads[b], wanted, rtol=1e-9, atol=1e-12)
            np.testing.assert_allclose(state.memory[b], expected[b].memory, rtol=1e-9, atol=1e-12)
            np.testing.assert_array_equal(state.read_slots[b], expected[b].read_slots)


@pytest.mark.usefixtures("x64")
def test_outputs_and_gradients_are_the_reference():
    model = doubled(
        SAM(2, 3, **SIZES, controller="feedforward", controller_size=4, key=jax.random.key(0))
    )
    # Larger weights, so that gates close and look-ups point.
    model = jax.tree.map(lambda x: 3 * x if eqx.is_inexact_array(x) else x, model)
    rng = np.random.default_rng(2)
    xs, tangent = rng.normal(size=(8, 2)), rng.normal(size=(8, 3))
    where = {
        "controller": lambda m: m.controller.linear.weight,
        "controller_bias": lambda m: m.controller.linear.bias,
        "interface": lambda m: m.interface.weight,
        "interface_bias": lambda m: m.interface.bias,
        "readout": lambda m: m.readout.weight,
        "readout_bias": lambda m: m.readout.bias,
    }
    parameters = {name: np.asarray(get(model)) for name, get in where.items()}
    parameters["memory"] = rng.normal(size=(7, 3))

    def outputs(parameters):
        return reference.network(parameters, xs, 2, 3, parameters["memory"])

    @jax.jit
    def value_and_gradients(model, rows):
        def value(model, rows):
            state = model.initial_state()
            lengths = 1 / jnp.sqrt(jnp.sum(rows**2, axis=-1) + 1e-6)
            memory = state.memory._replace(memory=rows, index=lengths)
            ys = model.unroll(state._replace(memory=memory), jnp.asarray(xs))[1]
            return jnp.sum(tangent * ys), ys

        return jax.grad(value, argnums=(0, 1), has_aux=True)(model, rows)

    (of_model, of_rows), ys = value_and_gradients(model, jnp.asarray(parameters["memory"]))
    np.testing.assert_allclose(ys, outputs(parameters), rtol=1e-9, atol=1e-12)
    gradients = {name: get(of_model) for name, get in where.items()} | {"memory": of_rows}
    for name, gradient in gradients.items():
        direction = rng.normal(size=parameters[name].shape)

        def value(step, name=name, direction=direction):
            moved = parameters | {name: parameters[name] + step * direction}
            return np.sum(tangent * outputs(moved))

        slope = (value(1e-6) - value(-1e-6)) / 2e-6
        along = np.sum(np.asarray(gradient) * direction)
        np.testing.assert_allclose(along, slope, rtol=1e-6, atol=1e-8, err_msg=name)


def everything(unroll, model, state, xs, mask):
    """Outputs and last state, and gradients by model, state and inputs, from both."""
    moving, still = eqx.partition(state, eqx.is_inexact_array)

    @jax.jit
    def evaluate(model, moving, xs):
        def loss(model, moving, xs):
            last, ys = unroll(model, eqx.combine(moving, still), xs, mask=mask)
            leaves = jax.tree.leaves(eqx.filter(last, eqx.is_inexact_array))
            return jnp.sum(jnp.cos(3 * ys)) + sum(jnp.sum(jnp.sin(x)) for x in leaves), (last, ys)

        return jax.grad(loss, argnums=(0, 1, 2), has_aux=True)(model, moving, xs)

    return evaluate(model, moving, xs)


def unrolled(model, state, xs, *, mask):
    return model.unroll(state, xs, mask=mask)


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize(
    ("batch", "masked", "options"),
    [
        ((2, 3), True, {"slots": 4, "heads": 3, "reads": 4, "controller": "elman"}),
        pytest.param((3,), False, {}, marks=pytest.mark.slow),
        pytest.param((2,), True, {"usage": "discounted", "lookup": "lsh"}, marks=pytest.mark.slow),
    ],
    ids=["crowded, masked, two batch axes", "plain", "discounted, hashed"],
)
def test_the_unroll_is_the_scan_with_its_gradients(batch, masked, options):
    settings = SIZES | {"controller_size": 6} | options
    model = SAM(2, 3, **settings, key=jax.random.key(1))
    model = jax.tree.map(lambda x: 2 * x if eqx.is_inexact_array(x) else x, doubled(model))
    rng = np.random.default_rng(0)
    steps = 9
    xs = jnp.asarray(rng.normal(size=(steps, *batch, 2)))
    mask = jnp.asarray(rng.uniform(size=(steps, *batch)) < 0.7) if masked else None
    if mask is not None:
        mask = mask.at[(slice(None), *(0,) * len(batch))].set(False)  # nothing but padding
    # In the middle of a life: rows of before are read, passed on and left.
    first, _ = model.unroll(doubled(model.initial_state(batch)), xs[:4])
    expected = everything(scan, model, first, xs, mask)
    if mask is not None:
        xs = jnp.where(mask[..., None], xs, jnp.nan)
    found = everything(unrolled, model, first, xs, mask)
    assert jax.tree.structure(found) == jax.tree.structure(expected)
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-11)


@pytest.mark.slow
def test_a_gradient_that_explodes_stays_finite():
    """Rows that are next to nothing, read as sharply as can be, and written from the reads."""
    model = SAM(2, 3, **SIZES, controller_size=6, clip=None, key=jax.random.key(1))
    model = jax.tree.map(lambda x: 30 * x if eqx.is_inexact_array(x) else x, model)
    state = model.initial_state((2,))
    xs = jax.random.normal(jax.random.key(2), (60, 2, 2))
    (of_model, of_state, of_xs), _ = everything(unrolled, model, state, xs, None)
    assert all(np.isfinite(x).all() for x in jax.tree.leaves((of_model, of_state, of_xs)))


class Somewhere(Lookup):
    """Rows that do not depend on what is in them, and cost nothing to find."""

    def empty(self, lanes, slots, width):
        return ()

    def update(self, index, slots, rows, mask):
        return index

    def find(self, index, memory, keys, count):
        first = jnp.abs(1e4 * keys[..., :1]).astype(jnp.int32) * 7919
        slots = (first + jnp.arange(count)) % memory.shape[1]
        return slots, jnp.ones(slots.shape, bool)


@functools.cache
def compiled(slots, lookup) -> Any:
    """A training step over 100 steps of the paper's network, given its memory."""
    model = SAM(8, 8, slots=slots, lookup=lookup, key=jax.random.key(0))
    state = model.initial_state((1,))
    arrays, static = eqx.partition(model, eqx.is_inexact_array)

    @functools.partial(jax.jit, donate_argnums=1)
    def step(arrays, state, xs):
        def loss(arrays):
            last, ys = eqx.combine(arrays, static).unroll(state, xs)
            return jnp.mean(ys**2), last

        return jax.grad(loss, has_aux=True)(arrays)

    return step.lower(arrays, state, jnp.zeros((100, 1, 8))).compile()


@pytest.mark.slow
def test_the_gradient_takes_the_same_memory_for_few_slots_and_for_many():
    few, many = (compiled(n, Somewhere()).memory_analysis() for n in (1_000, 100_000))
    assert few.temp_size_in_bytes == many.temp_size_in_bytes
    assert many.temp_size_in_bytes < 4 * 2**20


def test_the_gradient_takes_less_than_8_mib_at_64_ki_words_and_copies_no_memory():
    program = compiled(2**16, "exact")
    assert program.memory_analysis().temp_size_in_bytes < 8 * 2**20
    lines = program.as_text().splitlines()
    # The memory and its versions, and the ring, which has one entry more.
    large = [line for line in lines if re.search(r"= \w+\[1,6553[67][\],]", line)]
    assert any(" scatter(" in line for line in large)
    assert not [line for line in large if " copy(" in line]


@functools.cache
def jitted_largest(count):
    return jax.jit(functools.partial(largest, count=count))


@pytest.mark.parametrize("slots", [20, BLOCK * MANY, BLOCK * MANY + 5])
@given(st.integers(0, 2**32 - 1), st.sampled_from([1, 4]), st.integers(1, 1000))
def test_the_largest_are_found_in_blocks(slots, seed, count, kinds):
    """Of equal ones the first; those whose scale is 0 last."""
    rng = np.random.default_rng(seed)
    products = rng.integers(-kinds, kinds, (2, slots, 3)).astype(np.float32)
    scales = rng.choice(np.float32([0, 0.5, 1]), (2, slots), p=[0.4, 0.3, 0.3])
    scores = np.where(scales[..., None] > 0, products * scales[..., None], -np.inf)
    scores = scores.swapaxes(1, 2)
    expected = np.argsort(-scores, axis=-1, kind="stable")[..., :count]
    expected_scores = np.take_along_axis(scores, expected, axis=-1)
    best, found = jitted_largest(count)(scales, products)
    np.testing.assert_array_equal(best, expected_scores)
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("lookup", ["exact", "lsh"])
def test_what_was_written_is_found_by_content(lookup):
    memory = SAMMemory(50, 3, heads=1, reads=2, lookup=lookup)
    interface = memory.interface(jnp.zeros(memory.interface_size))
    interface = interface._replace(write_gates=jnp.ones(1), interpolation_gates=jnp.zeros(1))
    step = jax.jit(memory.step)
    state = memory.initial_state()
    words = np.random.default_rng(0).normal(size=(20, 3)).astype(np.float32)
    for word in words:
        word = jnp.asarray(word)[None]
        state, _ = step(state, interface._replace(write_vectors=word, keys=word))
    look_up = interface._replace(write_gates=jnp.zeros(1), strengths=jnp.full(1, 1e4))
    for word in words:
        _, reads = step(state, look_up._replace(keys=jnp.asarray(word)[None]))
        np.testing.assert_allclose(reads[0], word, rtol=1e-4)


def test_rows_pushed_out_of_full_buckets_are_counted_in_the_metrics():
    """Of rows that point the same way a bucket has room for 16, in each of 8 tables."""
    memory = SAMMemory(50, 3, heads=1, reads=2, lookup="lsh")
    interface = memory.interface(jnp.zeros(memory.interface_size))
    interface = interface._replace(
        write_gates=jnp.ones(1), interpolation_gates=jnp.zeros(1), write_vectors=jnp.ones((1, 3))
    )

    @jax.jit
    def written(steps):
        return jax.lax.fori_loop(
            0, steps, lambda _, s: memory.step(s, interface)[0], memory.initial_state()
        )

    assert memory.metrics(written(16)) == {"evicted": 0}
    assert memory.metrics(written(19)) == {"evicted": 3 * 8}


def test_a_trace_of_many_slots_shows_those_touched():
    def shown(slots):
        model = SAM(2, 2, slots=slots, width=3, controller_size=4, key=jax.random.key(0))
        return model, fields_of(model, jnp.zeros((5, 2)))

    model, few = shown(16)
    assert few["memory.memory"].shape == (5, 16, 3)
    assert few["memory.read_weights"].shape == few["memory.write_weights"].shape == (5, 4, 16)
    _, many = shown(100_000)
    assert max(np.prod(x.shape) for x in many.values()) < 5 * 200
    assert many["memory.read.slots"].shape == (5, 4, 4)
    assert many["memory.write.weights"].shape == (5, 4, 5)
    seen = trace(model, jax.random.normal(jax.random.key(1), (5, 2)))
    for kind in ("read", "write"):
        slots, weights = (np.asarray(seen.find(f"memory.{kind}.{n}")) for n in ("slots", "weights"))
        spread = np.zeros((5, 4, 16))
        for place in np.ndindex(slots.shape):
            spread[(*place[:-1], slots[place])] += weights[place]
        np.testing.assert_allclose(seen.find(f"memory.{kind}_weights"), spread, rtol=1e-6)
    changed = np.diff(np.asarray(seen.find("memory.memory")), axis=0)
    touched = np.asarray(seen.find("memory.write_weights"))[1:].sum(axis=1) > 0
    assert touched.any()
    np.testing.assert_array_equal(np.any(changed != 0, axis=-1), touched)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"slots": 0}, "SAM: slots must be at least 1, got 0"),
        ({"reads": 0}, "SAM: reads must be at least 1, got 0"),
        ({"reads": 8}, "SAM: reads must be at most the number of slots, got 8 and 7"),
        ({"heads": 8}, "SAM: heads must be at most the number of slots, got 8 and 7"),
        ({"lookup": "exakt"}, "unknown look-up 'exakt'; did you mean 'exact'"),
        ({"usage": "last"}, "unknown usage 'last'; did you mean 'last-access'"),
        ({"controller": "lstn"}, "unknown controller 'lstn'; did you mean 'lstm'"),
        ({"slots": 10**13}, "SAM: 10,000,000,000,000 slots need"),
    ],
)
def test_bad_options_are_refused_in_one_line(options, message):
    with pytest.raises(UserError) as caught:
        SAM(2, 3, **(SIZES | options), key=jax.random.key(0))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_batch_that_does_not_fit_is_refused_with_what_would(monkeypatch):
    monkeypatch.setattr("tapehead.memory.capacity.capacity", lambda: 2.0**30)
    model = SAM(2, 3, slots=1_000_000, width=8, key=jax.random.key(0))
    with pytest.raises(UserError) as caught:
        jax.eval_shape(lambda: model.initial_state((100,)))
    message = str(caught.value)
    assert message.startswith("SAM: 1,000,000 slots for each of 100 sequences need 4.5 GiB")
    fitting = int(message.split("up to ")[1].split(" slots")[0].replace(",", ""))
    assert fitting > 190_000
    fits = SAM(2, 3, slots=fitting, width=8, key=jax.random.key(0))
    jax.eval_shape(lambda: fits.initial_state((100,)))
