"""The long-lag tasks: solvers with random settings, noise, criteria, and mistakes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from quick import draw, measure

from tapehead.errors import UserError
from tapehead.tasks import (
    DelayedXor,
    FirstSymbol,
    LongLag,
    Multiplication,
    Parity,
    TwoSequence,
)
from tapehead.testing.tasks import check_sequences, check_solver, check_task

SETTINGS = {
    "first-symbol": st.builds(FirstSymbol, st.integers(3, 9), st.sampled_from(["2a", "2b"])),
    "long-lag": st.builds(LongLag, st.integers(1, 5), st.integers(1, 9)),
    "two-sequence": st.builds(
        # With five informative numbers, noise turns their sum over once in a million times.
        TwoSequence,
        st.integers(6, 20),
        st.just(5),
        st.sampled_from(["3a", "3b", "3c"]),
        st.just(True),
    ),
    # The shortest ones often have their first step marked.
    "multiplication": st.builds(Multiplication, st.integers(4, 30)),
    "delayed-xor": st.builds(DelayedXor, st.integers(2, 30)),
    "parity": st.lists(st.integers(1, 9), min_size=2, max_size=2).map(
        lambda lengths: Parity(*sorted(lengths))
    ),
}


@pytest.mark.parametrize("name", SETTINGS)
@settings(max_examples=2)
@given(data=st.data())
def test_solvers_with_random_settings(name, data):
    task = data.draw(SETTINGS[name])
    sequences = draw(task, 16, data.draw(st.integers(0, 2**32 - 1)))
    check_sequences(task, sequences, 16)
    check_solver(task, sequences)


def test_random_symbols_between_conform():
    check_task(FirstSymbol(4, "2b"))


def test_the_middle_of_2a_is_always_the_same_and_that_of_2b_never():
    same, random = (draw(FirstSymbol(20, v), 8).inputs[1:] for v in ("2a", "2b"))
    assert bool((same == same[:, :1]).all())
    assert len({tuple(row) for row in random.argmax(-1).T}) == 8
    assert set(random.argmax(-1).ravel()) == set(range(2, 21))


def test_2b_is_judged_at_its_last_step_only():
    task = FirstSymbol(5, "2b")
    batch = draw(task, 4)
    right = 100 * (batch.targets - 0.5)
    for step, accuracy in ((0, 1.0), (-1, 0.0)):
        outputs = right.copy()
        outputs[step, :, 3] = 0
        found = measure(task, outputs, batch)
        np.testing.assert_array_equal(found["accuracy"], accuracy)


def test_an_output_that_is_not_a_number_is_an_error():
    task = LongLag(2, 3)
    batch = draw(task, 4)
    assert not bool(
        measure(task, np.full(batch.targets.shape, np.nan, np.float32), batch)["accuracy"].any()
    )


def test_the_largest_error_decides():
    task = LongLag(2, 3)
    batch = draw(task, 4)
    for chance, right in ((0.81, 1.0), (0.79, 0.0)):
        logit = np.float32(np.log(chance / (1 - chance)))
        found = measure(task, np.where(batch.targets > 0, logit, np.float32(-50)), batch)
        np.testing.assert_array_equal(found["accuracy"], right)
        np.testing.assert_allclose(found["largest_error"], 1 - chance, rtol=1e-5)


def test_distractors_end_with_a_chance_of_one_in_ten():
    batch = draw(LongLag(2, 7), 4000)
    more = batch.mask.sum(axis=0) - 3 - 7
    assert more.min() == 0
    assert abs(more.mean() - 9) < 0.6
    assert abs((more == 0).mean() - 0.1) < 0.02


def test_noise_falls_where_the_variant_says():
    drawn = {v: draw(TwoSequence(8, 1, v), 4000) for v in ("3a", "3b", "3c")}
    inputs = {v: batch.inputs[..., 0] for v, batch in drawn.items()}
    for v in "3a", "3c":
        assert set(inputs[v][0]) == {-1.0, 1.0}
    classes = drawn["3b"].targets[-1, :, 0] > 0.5
    assert abs((inputs["3b"][0] - (2 * classes - 1)).var() - 0.2) < 0.02
    # One in 78 sequences of 3b with one informative number looks like the other class.
    assert 0.005 < (classes != (inputs["3b"][0] > 0)).mean() < 0.022
    for numbers in inputs.values():
        assert abs(numbers[1:].var() - 0.2) < 0.01
    expected = np.where(inputs["3c"][0] > 0, 0.8, 0.2)
    off = drawn["3c"].targets[-1, :, 0] - expected
    assert abs(off.var() - 0.1) < 0.02
    assert TwoSequence(variant="3c").validation() == TwoSequence(variant="3c", exact_targets=True)
    assert TwoSequence(variant="3a").validation() == TwoSequence(variant="3a")


@pytest.mark.parametrize(
    ("task", "accuracy", "error", "solved"),
    [
        (TwoSequence(variant="3a"), 1.0, 0.009, True),
        (TwoSequence(variant="3a"), 1.0, 0.01, False),
        (TwoSequence(variant="3a"), 0.999, 0.001, False),
        (TwoSequence(variant="3b"), 0.981, 0.039, True),
        (TwoSequence(variant="3b"), 0.98, 0.001, False),
        (TwoSequence(variant="3c"), 1.0, 0.014, True),
        (TwoSequence(variant="3c"), 1.0, 0.015, False),
        (Multiplication(), 0.994, 1.0, True),
        (Multiplication(), 0.993, 0.0, False),
    ],
)
def test_criteria(task, accuracy, error, solved):
    assert task.solved({"accuracy": accuracy, "error": error}) is solved


def test_the_exclusive_or_is_balanced_and_far_apart():
    batch = draw(DelayedXor(50), 2000)
    assert 0.45 < float(batch.targets[-1].mean()) < 0.55
    marks = batch.inputs[..., 1]
    assert set(np.flatnonzero(marks.any(axis=1))) == {*range(5), *range(45, 50)}
    assert (marks.sum(axis=0) == 2).all()


def test_parity_has_lessons_up_to_itself():
    assert [task.max_length for task in Parity(1, 40).lessons()] == [2, 4, 8, 16, 32, 40]
    assert Parity(5, 5).lessons() == (Parity(5, 5),)


MISTAKES = [
    (lambda: FirstSymbol(2), "FirstSymbol: p must be at least 3, got 2"),
    (
        lambda: FirstSymbol(variant="2c"),
        "FirstSymbol: variant must be one of 2a, 2b, got '2c'; did you mean '2b'?",
    ),
    (lambda: FirstSymbol().resized(3), "FirstSymbol: comes in one size only, so not in 3"),
    (lambda: LongLag(p=0), "LongLag: p must be at least 1, got 0"),
    (lambda: LongLag(q=0), "LongLag: q must be at least 1, got 0"),
    (lambda: LongLag().resized(-1), "LongLag: q must be at least 1, got -1"),
    (lambda: TwoSequence(informative=0), "TwoSequence: informative must be at least 1, got 0"),
    (lambda: TwoSequence(3), "TwoSequence: length must be above informative (3), got 3"),
    (
        lambda: TwoSequence(variant="3d"),
        "TwoSequence: variant must be one of 3a, 3b, 3c, got '3d'; did you mean '3c'?",
    ),
    (lambda: Multiplication(3), "Multiplication: length must be at least 4, got 3"),
    (lambda: DelayedXor(1), "DelayedXor: length must be at least 2, got 1"),
    (lambda: Parity(0), "Parity: min_length must be at least 1, got 0"),
    (lambda: Parity(5, 4), "Parity: max_length must be at least min_length, got 4 and 5"),
]


@pytest.mark.parametrize(("mistake", "message"), MISTAKES, ids=[m for _, m in MISTAKES])
def test_mistakes_are_named(mistake, message):
    with pytest.raises(UserError) as raised:
        mistake()
    assert str(raised.value) == message
