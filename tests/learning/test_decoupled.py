"""Decoupled networks: against backpropagation, with interfaces that are right, 0 and learning."""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from oracles import Told

from tapehead.cell import Chain
from tapehead.cells import Dropout, Elman, Linear
from tapehead.errors import UserError
from tapehead.learning import BPTT, Decoupled, Extended, sequence_gradient
from tapehead.learning.interfaces import Interface, units_of
from tapehead.models import MODELS
from tapehead.sequences import Sequences
from tapehead.testing.rules import as_float64, assert_same, named, squared_error

KEY = jax.random.key(0)


def sequences_of(time, batch):
    random = np.random.default_rng(0)
    return Sequences(
        inputs=jnp.asarray(random.normal(size=(time, batch, 3))),
        targets=jnp.asarray(random.normal(size=(time, batch, 2))),
        weights=jnp.asarray(random.uniform(0.5, 1.5, size=(time, batch))),
    )


@pytest.fixture
def images(x64):
    return sequences_of(1, 5)


@pytest.fixture
def walks(x64):
    return sequences_of(6, 1)


def layers(*, recurrent=False):
    """Three learning members and one that learns nothing."""
    keys = jax.random.split(KEY, 3)
    if recurrent:
        first, second = (
            Elman(3, 4, learned_initial_state=True, key=keys[0]),
            Elman(4, 3, key=keys[1]),
        )
    else:
        first, second = (
            MODELS["mlp"](hidden=hidden, layers=1).build(size, 1, key=k).cells[0]
            for size, hidden, k in ((3, 4, keys[0]), (4, 3, keys[1]))
        )
    return as_float64(Chain(first, second, Dropout(0.5), Linear(3, 2, key=keys[2])))


@eqx.filter_jit
def gradient(rule, model, sequences):
    return sequence_gradient(rule, model, sequences, squared_error)[0]


def oracles(model, sequences, window=None):
    """The interfaces that are right: what backpropagation brings to inputs and states."""
    time = sequences.weights.shape[0]
    ends = range(window or time, time, window or time)
    told, states = {}, {}

    def loss(nudges, pushes):
        starts, outputs = (0, *ends), []
        state = list(model.initial_state(sequences.batch))
        for start, end in zip(starts, (*ends, time), strict=True):
            if start:
                states[start] = [s.hidden for s in state if s != ()]
                state = [
                    s if s == () else s._replace(hidden=s.hidden + push)
                    for s, push in zip(state, pushes[start], strict=True)
                ]
            xs = sequences.inputs[start:end]
            for n, cell in enumerate(model.cells):
                if n in nudges:
                    told.setdefault(n, []).append(xs)
                    xs = xs + nudges[n][start:end]
                state[n], xs = cell.unroll(state[n], xs)
            outputs.append(xs)
        losses = squared_error(jnp.concatenate(outputs), sequences.targets)
        return jnp.sum(sequences.weights * losses), jax.lax.stop_gradient((told, states))

    shape = sequences.weights.shape
    nudges = {n: jnp.zeros((*shape, model.cells[n].input_size)) for n in (1, 3)}
    begun = model.initial_state(sequences.batch)
    pushes = {end: [() if s == () else 0 * s.hidden for s in begun] for end in ends}
    (back, later), (told, states) = jax.grad(loss, argnums=(0, 1), has_aux=True)(nudges, pushes)

    def rows(arrays):
        return jnp.concatenate([a.reshape(-1, a.shape[-1]) for a in arrays])

    def interface(n):
        if n == 2:
            return None
        of_input = Told(rows(told[n]), rows([back[n]]), back[n].shape[-1]) if n in told else None
        seen = [states[end][n] for end in ends] if n < 2 else []
        later_n = [later[end][n] for end in ends] if n < 2 else []
        of_state = Told(rows(seen), rows(later_n), seen[0].shape[-1]) if seen else None
        return Interface(of_input, of_state)

    return Extended(model, tuple(interface(n) for n in range(4)))


def test_interfaces_that_are_right_make_it_backpropagation(images):
    model = layers()
    found = gradient(Decoupled(), oracles(model, images), images)
    assert_same("layers", found.network, gradient(BPTT(), model, images))


@pytest.mark.slow
def test_so_they_do_where_time_is_cut_as_well(walks):
    model = layers(recurrent=True)
    found = gradient(Decoupled(window=2), oracles(model, walks, window=2), walks)
    assert_same("layers in windows", found.network, gradient(BPTT(), model, walks))


@pytest.mark.slow
def test_nothing_below_the_last_member_moves_at_first(images):
    model, rule = layers(), Decoupled(hidden=4, labels=True)
    begun = rule.extend(model, key=KEY)
    assert [one is None for one in begun.helper] == [False, False, True, False]
    found, exact = gradient(rule, begun, images), gradient(BPTT(), model, images)
    for path, grad in named(found.network).items():
        if ".cells[3]" not in path:
            assert np.all(grad == 0), path
    assert_same("the readout", found.network.cells[3], exact.cells[3])
    # Of the interfaces, the last one's last layer has something to learn from.
    moved = {path for path, x in named(found.helper).items() if np.abs(x).max() > 0}
    assert moved == {f"[3].input.layers[1].{kind}" for kind in ("weight", "bias")}
    with_scale = gradient(dataclasses.replace(rule, scale=0.0), begun, images)
    assert_same("with scale 0", with_scale.network, found.network, 0)


def test_gradients_by_hand(images):
    """Two linear layers and a readout, linear predictors that are told labels: NumPy, float64."""
    keys = jax.random.split(KEY, 3)
    sizes = ((3, 4), (4, 3), (3, 2))
    model = as_float64(Chain(*(Linear(*s, key=k) for s, k in zip(sizes, keys, strict=True))))
    rule = Decoupled(layers=0, labels=True, scale=0.5)
    begun = rule.extend(model, key=KEY)
    random = np.random.default_rng(1)
    weights = {n: random.normal(size=(s, s + 2)) for n, s in ((1, 4), (2, 3))}
    for n, weight in weights.items():
        place = lambda m, n=n: m.helper[n].input.layers[0].weight  # noqa: E731
        begun = eqx.tree_at(place, begun, jnp.asarray(weight))
    found = gradient(rule, begun, images)

    x, y, w = (np.asarray(a)[0] for a in images[:3])
    layer = [(np.asarray(c.weight), np.asarray(c.bias)) for c in model.cells]
    total = w.sum()
    h = [x]
    for weight, bias in layer:
        h.append(h[-1] @ weight.T + bias)
    label = -2 * y  # the slope of Σ (0 − y)²
    said = {n: np.concatenate([h[n], label], axis=1) @ weights[n].T for n in (1, 2)}
    # In units of one scored step's loss; a batch's gradient is divided by its weights.
    coming = {1: 0.5 * said[1], 2: 0.5 * said[2], 3: 2 * w[:, None] * (h[3] - y)}
    for n, (weight, _) in enumerate(layer):
        np.testing.assert_allclose(
            found.network.cells[n].weight, coming[n + 1].T @ h[n] / total, rtol=1e-10
        )
        if n:
            error = said[n] - coming[n + 1] @ weight
            told = np.concatenate([h[n], label], axis=1)
            np.testing.assert_allclose(
                found.helper[n].input.layers[0].weight, error.T @ told / total, rtol=1e-10
            )


def in_turn(rule, model, sequences, rate, *, key=KEY, order=None):
    """One round of random updates by plain gradient descent."""

    @eqx.filter_jit
    def made(model):
        carry = rule.begin(model, sequences.batch, key=None)
        standing = tuple(jnp.zeros(()) for _ in units_of(model))
        return rule.updates_in_turn(
            *(model, standing, carry, sequences.normalised(), squared_error),
            step=lambda vector, updates, along: (-rate * along, updates + 1),
            key=key,
            order=order,
        )

    return made(model)


def trained_a_little(rule, model, sequences):
    begun = rule.extend(model, key=KEY)
    for _ in range(2):
        grads = gradient(rule, begun, sequences)
        begun = eqx.apply_updates(begun, jax.tree.map(lambda g: -0.1 * g, grads))
    return begun


@pytest.mark.slow
def test_random_updates(images):
    model, rule = layers(), Decoupled(hidden=4)
    begun = trained_a_little(rule, model, images)
    units = units_of(begun)
    assert [tuple(unit) for unit in units] == [
        (0, False), (1, True), (1, False), (3, True), (3, False)
    ]  # fmt: skip
    # In order, and all of them: the plain rule.
    grads = gradient(rule, begun, images)
    plain = eqx.apply_updates(begun, jax.tree.map(lambda g: -0.1 * g, grads))
    after, standing, norms, _ = in_turn(rule, begun, images, 0.1, order=jnp.arange(5))
    assert_same("in order", eqx.filter(after, eqx.is_array), eqx.filter(plain, eqx.is_array))
    assert [int(n) for n in standing] == [1] * 5
    assert np.all(np.asarray(norms) > 0)
    # The other way round, an interface sees what its member has become.
    other, *_ = in_turn(rule, begun, images, 0.1, order=jnp.arange(5)[::-1])
    differs = [
        not np.allclose(named(unit.of(other))[path], x, rtol=1e-9, atol=1e-12)
        for unit in units
        for path, x in named(eqx.filter(unit.of(plain), eqx.is_array)).items()
        if path in named(eqx.filter(unit.of(other), eqx.is_array))
    ]
    assert any(differs)


@pytest.mark.slow
def test_random_updates_are_as_likely_as_was_said(images):
    rule = Decoupled(hidden=4, probability=0.3)
    begun = trained_a_little(Decoupled(hidden=4), layers(), images)
    moved = []
    run = eqx.filter_jit(lambda key: in_turn(rule, begun, images, 0.1, key=key)[:3])
    for key in jax.random.split(KEY, 60):
        after, standing, norms = run(key)
        moved.append([int(n) for n in standing])
        for unit, turn in zip(units_of(begun), moved[-1], strict=True):
            same = eqx.tree_equal(unit.of(after), unit.of(begun))
            assert bool(same) == (turn == 0)
        assert ((np.asarray(norms) > 0) == np.array(moved[-1])).all()
    assert np.mean(moved) == pytest.approx(0.3, abs=0.1)
    assert len({tuple(m) for m in moved}) > 10


def test_what_is_refused():
    for settings, message in (
        ({"probability": 0.0}, "Decoupled: probability must be above 0 and at most 1, got 0.0"),
        ({"probability": 1.5}, "Decoupled: probability must be above 0 and at most 1, got 1.5"),
        ({"probability": 0.5, "window": 2}, "Decoupled: a probability below 1 is for whole"),
        ({"scale": -0.1}, "Decoupled: scale must be between 0 and 1, got -0.1"),
        ({"hidden": 0}, "Decoupled: hidden must be at least 1, got 0"),
        ({"layers": -1}, "Decoupled: layers must be at least 0, got -1"),
        ({"window": 0}, "Decoupled: window must be at least 1, got 0"),
        ({"gigabytes": 0.0}, "Decoupled: gigabytes must be above 0, got 0.0"),
    ):
        with pytest.raises(UserError, match=message):
            Decoupled(**settings)
    with pytest.raises(UserError, match=r"Elman is one piece, .*; take bptt or synthetic-grad"):
        Decoupled().extend(Elman(3, 4, key=KEY), key=KEY)
    with pytest.raises(UserError, match=r"predictors for 7 numbers would take 0\.0 gigabytes"):
        Decoupled(gigabytes=1e-6).extend(layers(), key=KEY)
    both = MODELS["lstm"](hidden=4, bidirectional=True).build(2, 1, key=KEY)
    with pytest.raises(UserError, match=r"Decoupled: .*must read a sequence whole; take bptt"):
        Decoupled().extend(both, key=KEY)
    with pytest.raises(UserError, match=r"give what `rule\.extend\(network, key=key\)` returns"):
        Decoupled().begin(layers(), (1,), key=None)
    with pytest.raises(UserError, match="MLPModel: layers must be at least 1, got 0"):
        MODELS["mlp"](layers=0)
