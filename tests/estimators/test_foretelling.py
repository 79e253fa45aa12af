"""Streams of generators: what may come next, and how surprising what came was."""

import numpy as np
import pytest
from quick_estimators import QUICK

from tapehead.errors import UserError
from tapehead.estimators import SequenceGenerator, load

NAMES = ["anna", "hanna", "johanna", "otto"] * 5


@pytest.fixture(scope="module")
def named(untrained):
    return untrained(SequenceGenerator(**QUICK), NAMES)


def test_symbol_by_symbol_it_is_the_batch(named, tmp_path):
    wanted = [-one for one in named.log_likelihoods(["hanna", "otto"])]
    stream = named.stream()
    assert stream.symbols[:2] == [None, "<unk>"]
    first = stream.log_probabilities
    np.testing.assert_allclose(np.exp(first).sum(), 1, rtol=1e-6)
    found = [stream.feed(letter) for letter in "han"]
    assert stream.steps == 3
    # What was foretold is what it is then measured by.
    np.testing.assert_allclose(found[0].surprise, -first[stream.symbols.index("h")])
    np.testing.assert_allclose(
        found[2].surprise, -found[1].log_probabilities[stream.symbols.index("n")]
    )
    stream.save(tmp_path / "s")
    named.save(tmp_path / "m")
    other = stream.fork()
    stream.feed("x")  # the others go their own ways
    for goes_on in (other, load(tmp_path / "m").stream(path=tmp_path / "s")):
        assert goes_on.steps == 3
        rest = [goes_on.feed(letter) for letter in ["n", "a", None]]
        told = [one.surprise for one in found + rest]
        np.testing.assert_allclose(told, wanted[0], rtol=1e-4)
        # Behind an end another sequence begins.
        np.testing.assert_allclose(goes_on.log_probabilities, first, rtol=1e-5)
        told = [goes_on.feed(letter).surprise for letter in [*"otto", None]]
        np.testing.assert_allclose(told, wanted[1], rtol=1e-4)


@pytest.mark.slow
def test_lanes_side_by_side(named):
    words, stream = ["anna", "otto", "hanna"], named.stream(lanes=3)
    found = [stream.feed([word[n] if n < len(word) else None for word in words]) for n in range(5)]
    assert found[0].log_probabilities.shape == (3, len(stream.symbols))
    told = np.array([one.surprise for one in found]).T
    for own, wanted in zip(told, named.log_likelihoods(words), strict=True):
        np.testing.assert_allclose(own, -wanted[:5], rtol=1e-4)
    # Two have ended and begun anew; the third goes on.
    last = stream.feed(["o", "a", None]).surprise
    np.testing.assert_allclose(last[2], -named.log_likelihoods(["hanna"])[0][5], rtol=1e-4)
    np.testing.assert_allclose(last[1], -named.log_likelihoods(["a"])[0][0], rtol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("X", "settings", "sequence"),
    [
        ([["up", "down"], ["down", "down", "up"]] * 10, {}, ["up", "down", "sideways"]),
        (["the cat sat.", "the dog sat."] * 10, {"text": "words"}, ["the", "dog", "ran"]),
        (np.cumsum(np.random.default_rng(0).normal(size=(40, 6)), axis=1), {"levels": 8}, [0.5, 2]),
    ],
    ids=["symbols", "words", "numbers"],
)
def test_other_sequences(X, settings, sequence, untrained):
    model = untrained(SequenceGenerator(**QUICK, **settings), X)
    stream = model.stream()
    found = [stream.feed(one).surprise for one in sequence]
    whole = " ".join(sequence) if "text" in settings else sequence
    wanted = model.log_likelihoods([np.array(whole)[:, None] if "levels" in settings else whole])[0]
    np.testing.assert_allclose(found, -wanted[:-1], rtol=1e-4)


def test_what_it_refuses(named, tmp_path):
    stream = named.stream()
    cases = {
        "stream: expected one character, got 'ab'": lambda: stream.feed("ab"),
        "stream: expected one character, got 3": lambda: stream.feed(3),
        "stream: expected one character, got ''": lambda: stream.feed(""),
        "expected 2 symbols, one for each lane": lambda: named.stream(lanes=2).feed(["a"]),
        "cannot read": lambda: named.stream(path=tmp_path / "none"),
    }
    for words, call in cases.items():
        with pytest.raises(UserError) as raised:
            call()
        assert words in str(raised.value)
    assert stream.steps == 0
