"""Rules that go forwards, against backpropagation and against each other."""

import dataclasses
import runpy
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tapehead.cell import Chain
from tapehead.cells import LSTM1997, Dropout, Elman, Embedding, IndRNN, Linear
from tapehead.errors import UserError
from tapehead.learning import (
    BPTT,
    KFRTRL,
    RFLO,
    RTRL,
    RULES,
    UORO,
    Forward,
    NoBackTrack,
    SnAp,
    TruncatedLSTM,
    sequence_gradient,
    stream_gradient,
)
from tapehead.learning.sparsity import colours, sparsity_of
from tapehead.learning.view import View
from tapehead.models import MODELS
from tapehead.testing.rules import (
    INPUTS,
    OUTPUTS,
    as_float64,
    assert_same,
    batch_of,
    by_jax,
    by_rule,
    check_average,
    named,
    squared_error,
)

SMALL = {
    "link_entries": 2,
    "hidden": 4,
    "modes": 2,
    "layers": 1,
    "slots": 4,
    "width": 3,
    "heads": 1,
    "memory": 3,
    "controller_size": 3,
    "depth": 4,
}
"""Settings that make a model small, where it has them."""


def small(name, **settings):
    kind = MODELS[name]
    known = {field.name for field in dataclasses.fields(kind)}
    chosen = {key: value for key, value in SMALL.items() if key in known} | settings
    return as_float64(kind(**chosen).build(INPUTS, OUTPUTS, key=jax.random.key(1)))


def readout(cell, size=4, key=3):
    return as_float64(Chain(cell, Linear(size, OUTPUTS, key=jax.random.key(key))))


def view_of(model):
    return View(model, model.initial_state(()), ())


def distance(found, expected):
    """How far two gradients are apart, as a share of the second's length."""
    ours, theirs = (
        np.concatenate([leaf.ravel() for leaf in named(grads).values()])
        for grads in (found, expected)
    )
    return np.linalg.norm(ours - theirs) / np.linalg.norm(theirs)


# What these read depends on what is nearest, or on where they are: no pattern holds for all of it.
SELECTING = ("dam", "sam", "sdnc", "tape-rnn")


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in MODELS if name != "resnet"])  # needs an image
def test_rtrl_and_snap_of_many_steps_are_exact_for_every_model(x64, name):
    model = small(name)
    exact = by_jax(model, batch_of())[0]
    assert_same(f"{name}, rtrl", by_rule(RTRL(window=3), model, batch_of())[0], exact)
    if name not in SELECTING:
        assert_same(f"{name}, snap", by_rule(SnAp(steps=99), model, batch_of())[0], exact)


def test_uoro_is_unbiased(x64):
    model = readout(Elman(INPUTS, 4, learned_initial_state=True, key=jax.random.key(0)))
    check_average(UORO(), "elman", model)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["lstm", "gru", "ntm"])
def test_unbiased_on_gates_and_memories(x64, name):
    check_average(UORO(traces=4), name, small(name))
    check_average(NoBackTrack(traces=4), name, small(name))


@pytest.mark.slow
def test_units_that_do_not_see_each_other_need_one_step(x64):
    model = readout(IndRNN(INPUTS, 4, key=jax.random.key(0)))
    exact = by_jax(model, batch_of())[0]
    for rule in (SnAp(), RFLO()):
        assert_same("one layer of IndRNN", by_rule(rule, model, batch_of())[0], exact)
    sparsity = sparsity_of("SnAp", view_of(model), 1)
    # One entry for each parameter of a unit, all of D and of I by one product each.
    assert [bucket.given.shape for bucket in sparsity.buckets] == [(4, 1, INPUTS + 2)]
    assert sparsity.pulls.shape == sparsity.pushes.shape == (1, 4)


@pytest.mark.slow
def test_snap_in_a_dense_layer(x64):
    """One step keeps one entry a parameter, and is an approximation; two steps keep all."""
    model = readout(Elman(INPUTS, 4, key=jax.random.key(0)))
    exact = by_jax(model, batch_of())[0]
    assert_same("two steps", by_rule(SnAp(steps=2), model, batch_of())[0], exact)
    near = distance(by_rule(SnAp(), model, batch_of())[0], exact)
    local = distance(by_rule(RFLO(), model, batch_of())[0], exact)
    assert 1e-3 < near < local < 0.5
    assert sparsity_of("SnAp", view_of(model), 1).entries == 4 * (INPUTS + 5)
    assert sparsity_of("SnAp", view_of(model), 2).entries == 4 * 4 * (INPUTS + 5)


def test_truncated_lstm_is_the_gradient_of_1997(x64):
    key = jax.random.key(0)
    cell = LSTM1997(INPUTS, 2, 2, forget_gates=True, spread=1.0, key=key)
    exact = by_jax(readout(cell), batch_of())[0]
    # The rule truncates by itself, whatever the cell does.
    whole = LSTM1997(INPUTS, 2, 2, forget_gates=True, spread=1.0, truncated=False, key=key)
    found = by_rule(TruncatedLSTM(), readout(whole), batch_of())[0]
    for path, grad in named(found).items():
        np.testing.assert_allclose(grad, named(exact)[path], atol=1e-12)
    assert distance(found, by_jax(readout(whole), batch_of())[0]) > 0.01


@pytest.mark.slow
def test_random_feedback_leaves_the_readout_its_own_gradient(x64):
    model = readout(Elman(INPUTS, 4, key=jax.random.key(0)))
    exact = by_jax(model, batch_of())[0]
    found = by_rule(RFLO(feedback="random"), model, batch_of())[0]
    assert_same("readout", found.cells[1], exact.cells[1])
    assert distance(found.cells[0], exact.cells[0]) > 0.1


def test_only_what_reaches_the_state_is_carried():
    model = readout(Elman(INPUTS, 4, learned_initial_state=True, key=jax.random.key(0)))
    view = view_of(model)
    assert view.parameters.size == sum(x.size for x in jax.tree.leaves(model.cells[0]))
    assert view.reach.begins
    # What the cells and gates of 1997 gave counts as constant: only s is followed.
    view = view_of(readout(LSTM1997(INPUTS, 2, 2, key=jax.random.key(0))))
    assert view.size == 4


def test_lines_of_one_colour_share_nothing():
    pattern = np.random.default_rng(0).random((12, 9)) < 0.2
    found = colours(pattern)
    for colour in set(found.tolist()):
        assert pattern[found == colour].sum(axis=0).max() <= 1
    assert len(set(colours(np.ones((5, 2), bool)).tolist())) == 5


def test_tokens_and_streams_and_dropout(x64):
    """An embedding has its influence; what goes on in a second part is the whole; keys agree."""
    keys = jax.random.split(jax.random.key(1), 3)
    model = as_float64(
        Chain(
            Embedding(5, 3, key=keys[0]),
            Elman(3, 4, key=keys[1]),
            Dropout(0.5),
            Linear(4, OUTPUTS, key=keys[2]),
        )
    )
    tokens = jnp.array([[0, 1], [2, 2], [1, 0]] * 2 + [[3, 3]])
    whole = batch_of()._replace(inputs=tokens, mask=None)
    key = jax.random.key(7)
    exact = by_rule(BPTT(), model, whole, key)[0]
    # A unit's own parameters reach it alone, those of any symbol all units.
    buckets = sparsity_of("SnAp", view_of(model), 1).buckets
    assert [bucket.given.shape for bucket in buckets] == [(4, 1, 3 + 4 + 1), (1, 4, 5 * 3)]

    @eqx.filter_jit
    def in_parts(rule):
        carry = rule.begin(model, whole.batch, key=key)
        total = jnp.sum(whole.weights)
        parts = []
        for part in (slice(0, 3), slice(3, 7)):
            piece = jax.tree.map(lambda x, part=part: x[part], whole)
            share = jnp.sum(piece.weights) / total
            grads, carry, _ = stream_gradient(rule, model, carry, piece, squared_error)
            parts.append(jax.tree.map(lambda g, share=share: g * share, grads))
        return jax.tree.map(jnp.add, *parts)

    assert_same("two parts", in_parts(RTRL()), exact)


def test_padding_may_hold_anything():
    model = readout(Elman(INPUTS, 4, key=jax.random.key(0)))
    grads, _ = eqx.filter_jit(sequence_gradient)(
        RTRL(), model, batch_of(5, filler=np.nan)._replace(targets=batch_of().targets),
        squared_error,
    )  # fmt: skip
    assert all(np.isfinite(grad).all() for grad in named(grads).values())


KINDS = ("elman", "lstm", "ntm")
REFUSED = {
    ("decoupled", "ntm"): "is one piece",
    ("truncated-lstm", "elman"): "needs cells that keep a state of their own",
    ("kf-rtrl", "lstm"): "serves nets of one plain recurrent layer",
    ("kf-rtrl", "ntm"): "serves nets of one plain recurrent layer",
    ("rtrl", "ntm"): r"would take [\d.]+ gigabytes for 16 sequences",
    ("snap", "ntm"): r"would have to look at [\d,]+ derivatives",
    ("rflo", "ntm"): r"would have to look at [\d,]+ derivatives",
    ("truncated-lstm", "ntm"): r"would have to look at [\d,]+ derivatives",
    ("cma-es", "ntm"): r"the covariances of [\d,]+ parameters would take [\d.]+ gigabytes",
    ("nobacktrack", "ntm"): r"would have to look at [\d,]+ derivatives",
}
"""Of the models as they come but for 16 units a layer, by rule and model."""


def begin(rule, model):
    def begun(key):
        extended = rule.extend(model.build(8, 3, key=key), key=key)
        return rule.begin(extended, (16,), key=key)

    eqx.filter_eval_shape(begun, jax.random.key(0))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", RULES)
def test_every_pair_is_served_or_refused_in_one_line(name, kind):
    model = MODELS[kind]() if kind == "ntm" else MODELS[kind](hidden=16)
    if (name, kind) not in REFUSED:
        begin(RULES[name](), model)
        return
    with pytest.raises(UserError, match=REFUSED[name, kind]) as refusal:
        begin(RULES[name](), model)
    assert "take " in str(refusal.value)
    assert "\n" not in str(refusal.value)


@pytest.mark.slow
@pytest.mark.parametrize("kind", MODELS)
@pytest.mark.parametrize("name", RULES)
def test_every_pair_of_all(name, kind):
    refusal = ""
    try:
        begin(RULES[name](), MODELS[kind]())
    except UserError as error:
        refusal = str(error)
    assert "\n" not in refusal
    assert not refusal or "take " in refusal


@pytest.mark.parametrize("name", [name for name in RULES if issubclass(RULES[name], Forward)])
def test_whole_readers_and_bad_settings_are_refused(name):
    with pytest.raises(UserError, match="must read a sequence whole; take bptt"):
        begin(RULES[name](), MODELS["lstm"](hidden=4, bidirectional=True))
    with pytest.raises(UserError, match="window must be at least 1, got 0"):
        RULES[name](window=0)
    with pytest.raises(UserError, match="gigabytes must be above 0, got 0"):
        RULES[name](gigabytes=0.0)


def test_settings_of_single_rules_are_refused():
    with pytest.raises(UserError, match="SnAp: steps must be at least 1, got 0"):
        SnAp(steps=0)
    with pytest.raises(UserError, match="UORO: traces must be at least 1, got 0"):
        UORO(traces=0)
    with pytest.raises(UserError, match="RFLO: feedback must be one of symmetric, random"):
        RFLO(feedback="randon")  # pyright: ignore[reportArgumentType]
    learned = MODELS["elman"](hidden=4, learned_initial_state=True)
    with pytest.raises(UserError, match="initial state is not learned"):
        begin(KFRTRL(), learned)


def test_influence_balancing():
    """Truncated BPTT goes the wrong way, UORO the right one."""
    script = runpy.run_path(str(Path(__file__).parents[2] / "examples/influence_balancing.py"))
    ends = {
        name: float(script["learn"](script["RULES"][name][0], steps=8000)[-1])
        for name in ("truncated-bptt, 100", "uoro")
    }
    assert ends["truncated-bptt, 100"] > 0.6
    assert ends["uoro"] == pytest.approx(-1 / 6, abs=0.05)
