import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tapehead.cell import Chain
from tapehead.cells import LSTM, Elman, Linear
from tapehead.errors import UserError
from tapehead.learning import (
    BPTT,
    KFRTRL,
    RFLO,
    RTRL,
    RULES,
    UORO,
    Decoupled,
    EvolutionStrategy,
    LearningRule,
    NoBackTrack,
    SnAp,
    SyntheticGradients,
    TruncatedBPTT,
    TruncatedLSTM,
    sequence_gradient,
)
from tapehead.sequences import Sequences
from tapehead.testing.rules import batch_of, by_rule, check_rule, named, small_models

# Every registered rule, with settings that cut the check's sequences of 7 steps.
CASES = {
    "bptt": BPTT(),
    "truncated-bptt": TruncatedBPTT(window=3),
    "synthetic-gradients": SyntheticGradients(window=3),
    "decoupled": Decoupled(window=3),
    "rtrl": RTRL(window=3),
    "snap": SnAp(window=3),
    "rflo": RFLO(window=3),
    "truncated-lstm": TruncatedLSTM(window=3),
    "uoro": UORO(window=3),
    "nobacktrack": NoBackTrack(traces=2, window=3),
    "kf-rtrl": KFRTRL(window=3),
    "evolution-strategy": EvolutionStrategy(window=3, pairs=8),
}


def test_every_rule_is_checked():
    assert CASES.keys() == {name for name in RULES if issubclass(RULES[name], LearningRule)}
    assert all(type(rule) is RULES[name] for name, rule in CASES.items())


@pytest.mark.parametrize("name", ["bptt", pytest.param("truncated-bptt", marks=pytest.mark.slow)])
def test_conformance(name):
    check_rule(CASES[name])


def test_conformance_of_windows():
    check_rule(CASES["truncated-bptt"], models={"elman": small_models()["elman"]})


FORWARD = [name for name in CASES if not name.endswith("bptt")]


@pytest.mark.slow
@pytest.mark.parametrize("name", FORWARD)
def test_conformance_of_what_goes_forwards(name):
    key = jax.random.key(0)
    match name:
        case "kf-rtrl":
            models = {"elman": Chain(Elman(3, 4, key=key), Linear(4, 2, key=key))}
        case "truncated-lstm":
            models = {"lstm": Chain(LSTM(3, 2, key=key), Linear(2, 2, key=key))}
        case "rtrl":
            models = small_models()
        case _:
            models = {kind: small_models()[kind] for kind in ("stateless", "elman")}
    check_rule(CASES[name], models=models)


def test_the_check_sees_a_rule_that_cuts_time_and_claims_not_to():
    class Boastful(TruncatedBPTT):
        exact = "sequence"

    with pytest.raises(AssertionError, match="whole sequence"):
        check_rule(Boastful(window=3), models={"elman": small_models()["elman"]})


def test_the_check_sees_a_rule_that_claims_to_be_cut_and_is_not():
    class Modest(BPTT):
        exact = "window"
        window: int = eqx.field(static=True, default=3)

    # One call per window, each from the initial state: it forgets instead of carrying over.
    with pytest.raises(AssertionError):
        check_rule(Modest(), models={"elman": small_models()["elman"]})


def test_truncated_equals_whole_where_the_window_covers_the_sequence():
    model, sequences = small_models()["elman"], batch_of()
    whole, seen = by_rule(BPTT(), model, sequences)
    for window in (7,):
        cut, cut_seen = by_rule(TruncatedBPTT(window=window), model, sequences)
        for path, grad in named(whole).items():
            np.testing.assert_array_equal(named(cut)[path], grad)
        np.testing.assert_array_equal(cut_seen.outputs, seen.outputs)


compiled_gradient = eqx.filter_jit(sequence_gradient)


def test_truncated_by_hand():
    """h_t = w h_{t-1} + x_t with a loss at the last step, in closed form."""
    key = jax.random.key(0)
    model = Chain(Elman(1, 1, activation="relu", key=key), Linear(1, 1, key=key))
    weights = {
        "input": lambda m: m.cells[0].input_weight,
        "hidden": lambda m: m.cells[0].hidden_weight,
        "bias": lambda m: m.cells[0].bias,
        "readout": lambda m: m.cells[1].weight,
        "offset": lambda m: m.cells[1].bias,
    }
    w = 0.5
    for name, value in (("input", 1.0), ("hidden", w), ("bias", 0.0), ("readout", 1.0)):
        model = eqx.tree_at(weights[name], model, jnp.full_like(weights[name](model), value))
    model = eqx.tree_at(weights["offset"], model, jnp.zeros(1))
    x = np.array([1.0, 2.0, 3.0, 4.0, 5.0])
    h = [0.0]
    for value in x:
        h.append(w * h[-1] + value)
    sequences = Sequences(
        inputs=jnp.asarray(x, jnp.float32)[:, None, None],
        targets=jnp.zeros((5, 1, 1)),
        weights=jnp.zeros((5, 1)).at[-1].set(1.0),
    )

    def slope(window):
        rule = BPTT() if window is None else TruncatedBPTT(window=window)
        grads, _ = compiled_gradient(rule, model, sequences, lambda y, t: y[..., 0] - t[..., 0])
        return float(weights["hidden"](grads)[0, 0])

    # dh_5/dw = h_4 + w h_3 + w² h_2 + w³ h_1 + w⁴ h_0; a window keeps the terms that begin in it.
    terms = [w**k * h[4 - k] for k in range(5)]
    assert slope(None) == pytest.approx(sum(terms))
    assert slope(5) == pytest.approx(sum(terms))
    assert slope(2) == pytest.approx(terms[0])  # windows 1-2, 3-4, 5: the last holds one step
    assert slope(3) == pytest.approx(terms[0] + terms[1])  # windows 1-3, 4-5
    assert slope(4) == pytest.approx(terms[0])


def test_tokens_through_an_embedding():
    from tapehead.cells import Embedding

    keys = jax.random.split(jax.random.key(1), 3)
    model = Chain(Embedding(5, 3, key=keys[0]), Elman(3, 4, key=keys[1]), Linear(4, 2, key=keys[2]))
    sequences = batch_of()._replace(inputs=jnp.array([[0, 1], [2, 2], [1, 0]] * 2 + [[3, 3]]))
    grads, _ = by_rule(BPTT(), model, sequences)
    used = np.abs(grads.cells[0].table).sum(axis=-1) > 0
    assert used.tolist() == [True, True, True, True, False]
    cut, _ = by_rule(TruncatedBPTT(window=3), model, sequences)
    assert np.isfinite(cut.cells[0].table).all()


def test_nothing_is_scored():
    """All weights zero: no loss, and a gradient of zero, not NaN."""
    costly, readout = small_models()["elman"].cells
    model, sequences = Chain(costly.cell, readout), batch_of()
    sequences = sequences._replace(weights=jnp.zeros_like(sequences.weights))
    for rule in (BPTT(), TruncatedBPTT(window=3)):
        grads, seen = by_rule(rule, model, sequences)
        assert float(seen.loss) == 0
        assert all((g == 0).all() for g in named(grads).values())


def test_a_window_below_one_is_refused():
    with pytest.raises(UserError, match="TruncatedBPTT: window must be at least 1, got 0"):
        TruncatedBPTT(window=0)
