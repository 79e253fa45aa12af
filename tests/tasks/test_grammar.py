"""The grammar tasks: strings against regular expressions, measures, generalisation, mistakes."""

import re

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from quick import QUICK, draw, measure

from tapehead.errors import UserError
from tapehead.tasks import AnBn, AnBnCn, ContinualReber, DistantBrackets, Reber
from tapehead.testing.tasks import check_sequences, check_solver

TAIL = "T*V(?:PXT*V)*(?:V|PS)"
EMBEDDED = f"B([TP])B(?:TS*X(?:S|X{TAIL})|P{TAIL})E\\1E"
"""The embedded Reber grammar as a regular expression."""


def texts(batch):
    """Every sequence's symbols, the last one predicted included."""
    shown = np.concatenate([batch.inputs[:1], batch.targets])
    some = np.asarray(shown.any(axis=-1))
    return [
        "".join("BTPSXVE"[i] for i in shown[some[:, b], b].argmax(-1))
        for b in range(shown.shape[1])
    ]


@settings(max_examples=2)
@given(
    st.one_of(
        st.builds(Reber, st.integers(9, 20)),
        st.builds(ContinualReber, st.integers(1, 30)),
        st.builds(
            DistantBrackets,
            st.integers(1, 3),
            st.integers(1, 6),
            st.integers(2, 4),
            st.integers(1, 3),
        ),
    ),
    st.integers(0, 2**32 - 1),
)
def test_solvers_with_random_settings(task, seed):
    sequences = draw(task, 16, seed)
    check_sequences(task, sequences, 16)
    check_solver(task, sequences)


def test_strings_are_of_the_grammar_and_of_all_its_kinds():
    strings = texts(draw(Reber(32), 500))
    assert all(re.fullmatch(EMBEDDED, string) for string in strings)
    lengths = [len(string) for string in strings]
    assert min(lengths) == 9
    assert abs(np.mean(lengths) - 12) < 0.6
    for part in ("BTB", "BPB", "TSSX", "XXV", "VPX", "PS", "TTTV"):
        assert any(part in string for string in strings)
    for longest in (9, 10, 13):
        strings = texts(draw(Reber(longest), 100))
        assert all(re.fullmatch(EMBEDDED, string) for string in strings)
        assert max(map(len, strings)) <= longest


def test_a_stream_is_one_string_after_the_other():
    for stream in texts(draw(ContinualReber(300), 4)):
        assert len(stream) == 301
        strings = 0
        while whole := re.match(EMBEDDED, stream):
            stream = stream[whole.end() :]
            strings += 1
        # What is left over is the beginning of one more string.
        assert strings > 10
        assert re.match("(B([TP](B.*)?)?)?$", stream)
        assert len(stream) < 40


@pytest.mark.parametrize("task", [Reber(), ContinualReber(50)], ids=repr)
def test_legal_symbols_have_to_be_above_all_others(task):
    batch = draw(task, 3)
    best = np.asarray(task.solve(batch))
    right = np.log(best / (1 - best)).astype(np.float32)
    found = measure(task, right, batch)
    np.testing.assert_array_equal(found["legal"], 1)
    np.testing.assert_array_equal(found["error_free"], 1)
    steps = np.asarray(batch.weights.sum(axis=0))
    for wrong in (0 * right[4], np.nan * right[4], -right[4]):
        spoilt = np.concatenate([right[:4], wrong[None], right[5:]])
        found = measure(task, spoilt, batch)
        np.testing.assert_allclose(found["legal"], 1 - 1 / steps, rtol=1e-6)
        np.testing.assert_array_equal(found["error_free"], 0)
        if "until_error" in found:
            np.testing.assert_array_equal(found["until_error"], 4)


def test_the_papers_test_of_a_step_is_weaker():
    """Not to remember whether it was T or P is close, but not right."""
    task = ContinualReber(50)
    batch = draw(task, 3)
    best = np.asarray(task.solve(batch))
    shown = np.asarray(batch.inputs.argmax(-1))
    after_inner = (shown[1:] == 6) & (shown[:-1] != 1) & (shown[:-1] != 2)
    asked = np.concatenate([np.zeros((1, 3), bool), after_inner])
    best[asked] = 1e-15
    best[asked, 1:3] = 0.5
    logits = np.log(best / (1 - best)).astype(np.float32)
    found = measure(task, logits, batch)
    assert asked.any(axis=0).all()
    np.testing.assert_array_equal(found["close"], 1)
    np.testing.assert_array_equal(found["error_free"], 0)
    np.testing.assert_array_equal(found["until_error"], asked.argmax(axis=0))


def strings(task):
    """All strings of a counting task."""
    whole = jax.jit(task.batch_at, compiler_options=QUICK)
    return jax.tree.map(np.array, whole(np.arange(task.size(())), ()))


@pytest.mark.parametrize("kind", [AnBn, AnBnCn])
def test_counting_agrees_with_its_solver(kind):
    for task in (kind(1, 1), kind(2, 5)):
        batch = strings(task)
        check_sequences(task, batch, task.size(()))
        check_solver(task, batch)
        letters = batch.inputs[..., 1:].sum(axis=0)
        n = task.min_n + np.arange(task.size(()))
        np.testing.assert_array_equal(letters, np.stack([n] * kind.letters, axis=1))
    assert set(draw(kind(2, 5), 100).mask.sum(axis=0) - 1) == {
        kind.letters * n for n in range(2, 6)
    }


def test_generalising_to_n_means_all_strings_up_to_n():
    assert AnBn().resized(1000) == AnBn(1, 1000)
    assert AnBn(3, 10).resized(2) == AnBn(2, 2)
    task = AnBn().resized(30)
    assert task.size(()) == 30


def test_one_wrong_step_and_the_string_is_not_accepted():
    task = AnBnCn()
    batch = strings(task)
    outputs = 100 * (batch.targets - 0.5)
    outputs[batch.mask.sum(axis=0)[4] - 1, 4, 0] = -1
    accepted = measure(task, outputs, batch)["sequence_accuracy"]
    np.testing.assert_array_equal(accepted, np.arange(10) != 4)


@pytest.mark.parametrize("task", [DistantBrackets(), DistantBrackets(3, 2, 4, 5)], ids=repr)
def test_distant_brackets_are_lines_of_the_language(task):
    symbols = "|[]abcdefghij"
    batch = draw(task, 50)
    line = rf"\[([a-j]{{{task.kept}}})\][a-j]{{{task.between}}}\[\2\]\|"
    for text in ("".join(symbols[i] for i in batch.targets[:, b]) for b in range(50)):
        assert re.fullmatch(f"({line}){{{task.lines}}}", text)
    shown = batch.inputs.argmax(-1)
    np.testing.assert_array_equal(shown[0], 0)
    np.testing.assert_array_equal(shown[1:], batch.targets[:-1])
    letters = batch.targets[batch.targets > 2]
    assert abs(letters.mean() - 3 - (task.letters - 1) / 2) < 0.1 * task.letters


def test_distant_brackets_cost_what_is_said():
    task = DistantBrackets()
    batch = draw(task, 2)
    assert len(batch.targets) == 10 * (2 * 1 + 5 + 5)
    best = np.log(task.solve(batch)).astype(np.float32)
    found = {name: values.mean() for name, values in measure(task, best, batch).items()}
    assert found["bits"] / len(batch.targets) == pytest.approx(1.661, abs=1e-3)
    assert task.solved(found)
    knowing_nothing = measure(task, 0 * best, batch)
    np.testing.assert_allclose(knowing_nothing["bits"], len(batch.targets) * np.log2(13), rtol=1e-5)
    # To forget what was in brackets costs a letter a line.
    forgotten = best.copy()
    forgotten[9::12] = np.log(np.array([1e-15] * 3 + [0.1] * 10, np.float32))
    lost = {name: values.mean() for name, values in measure(task, forgotten, batch).items()}
    assert lost["bits"] - found["bits"] == pytest.approx(10 * np.log2(10), rel=1e-3)
    assert not task.solved(lost)


MISTAKES = [
    (lambda: Reber(8), "Reber: longest must be at least 9, got 8"),
    (lambda: Reber().resized(3), "Reber: comes in one size only, so not in 3"),
    (lambda: ContinualReber(0), "ContinualReber: length must be at least 1, got 0"),
    (lambda: AnBn(0), "AnBn: min_n must be at least 1, got 0"),
    (lambda: AnBnCn(3, 2), "AnBnCn: max_n must be at least min_n (3), got 2"),
    (lambda: DistantBrackets(kept=0), "DistantBrackets: kept must be at least 1, got 0"),
    (lambda: DistantBrackets(letters=1), "DistantBrackets: letters must be at least 2, got 1"),
    (lambda: AnBn().resized(0), "AnBn: min_n must be at least 1, got 0"),
]


@pytest.mark.parametrize(("mistake", "message"), MISTAKES, ids=[m for _, m in MISTAKES])
def test_mistakes_are_named(mistake, message):
    with pytest.raises(UserError) as raised:
        mistake()
    assert str(raised.value) == message
