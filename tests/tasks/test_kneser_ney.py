"""The count-based baseline: probabilities, the formula by hand, and mistakes."""

import doctest
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tapehead.errors import UserError
from tapehead.tasks.language import kneser_ney
from tapehead.tasks.language.kneser_ney import KneserNey

TEXT = np.random.default_rng(0).integers(0, 4, 300) % 3


def test_example():
    failed, tried = doctest.testmod(kneser_ney)
    assert tried > 0
    assert failed == 0


@pytest.mark.parametrize("order", [1, 2, 4])
def test_probabilities_sum_to_1(order):
    model = KneserNey(TEXT, 5, order=order)
    for context in ((), (0,), (1, 2), (2, 1, 0, 1), (4, 4, 4), (0, 3)):
        total = sum(np.exp(model.log_probability((*context, w))) for w in range(5))
        np.testing.assert_allclose(total, 1, rtol=1e-9)


def test_the_formula_by_hand():
    # 0 1 0 1 2: the bigrams 01 twice, 10 once, 12 once; before 0 came {1}, before 1 {0}, before 2
    # {1}: one kind each.
    model = KneserNey(np.array([0, 1, 0, 1, 2]), 3, order=2)
    bigram, unigram = 2 / (2 + 2 * 1), 3 / (3 + 0)
    lower = (1 - unigram) / 3 + unigram * 3 / 3 * (1 / 3)
    after_1 = (1 - bigram) / 2 + bigram * 2 / 2 * lower
    np.testing.assert_allclose(np.exp(model.log_probability((1, 2))), after_1)
    after_0 = (2 - bigram) / 2 + bigram * 1 / 2 * lower
    np.testing.assert_allclose(np.exp(model.log_probability((0, 1))), after_0)


def test_it_learns_what_repeats():
    repeats = np.tile([0, 1, 2, 0, 2], 60)
    nats = -KneserNey(repeats, 3, order=4).log_probabilities(repeats).mean()
    assert nats < 0.05
    assert len(KneserNey(repeats, 3).log_probabilities(repeats)) == len(repeats) - 1


def test_mistakes_are_named():
    with pytest.raises(UserError, match=r"^KneserNey: order must be at least 1, got 0$"):
        KneserNey(TEXT, 3, order=0)
    with pytest.raises(UserError, match=r"^KneserNey: needs at least 5 symbols, got 2$"):
        KneserNey(TEXT[:2], 3)


def test_the_example_script(tmp_path):
    book = tmp_path / "book.txt"
    book.write_text("to be or not to be. " * 30, encoding="utf-8")
    script = Path(__file__).parents[2] / "examples" / "ngram_baseline.py"
    words = [sys.executable, script, "text", "--file", book, "--order", "4"]
    shown = subprocess.run(words, capture_output=True, text=True, check=True)
    assert shown.stdout.splitlines()[0] == "text: 4-grams counted in 510 symbols"
    assert float(shown.stdout.split()[-8]) < 0.5
