"""Text: vocabularies, tokens, language models and IMDB, on made-up data and on the real one."""

import doctest
import itertools
import math
import os

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from quick import batch_at

from tapehead.errors import UserError
from tapehead.tasks import TASKS, Imdb, PtbCharacters, PtbWords, Shakespeare, TextFile, vocabulary
from tapehead.tasks.language import tokenize
from tapehead.tasks.language.imdb import buckets
from tapehead.tasks.vocabulary import Vocabulary
from tapehead.testing.tasks import check_task

STREAMS = ("shakespeare", "ptb-words", "ptb-characters", "text8", "enwik8", "text")
real = pytest.mark.skipif("TAPEHEAD_DATA" not in os.environ, reason="TAPEHEAD_DATA is not set")


@pytest.fixture
def book(tmp_path):
    path = tmp_path / "book.txt"
    path.write_text("In the beginning was the word.\n" * 40, encoding="utf-8")
    return path


@pytest.mark.parametrize("module", [vocabulary, tokenize])
def test_examples(module):
    failed, tried = doctest.testmod(module)
    assert tried > 0
    assert failed == 0


@pytest.mark.parametrize("name", STREAMS)
def test_streams_conform(name, book):
    settings = {"file": str(book)} if name == "text" else {}
    task = TASKS[name](length=6, **settings)
    symbols = np.random.default_rng(0).integers(0, task.input_size, 200)
    check_task(task, batch=3, data=jnp.asarray(symbols))


def reviews(count=12):
    rng = np.random.default_rng(0)
    texts = [rng.integers(2, 30, n % 9) for n in range(count)]
    return buckets(texts, rng.integers(0, 2, count), 3)


def test_imdb_conforms():
    check_task(Imdb(words=30), batch=12, data=jax.tree.map(jnp.asarray, reviews()))


def test_buckets_hold_every_review_once():
    data = reviews(40)
    assert len(data) == 3
    lengths = np.concatenate([bucket.lengths for bucket in data])
    assert sorted(lengths) == sorted(max(n % 9, 1) for n in range(40))
    for shorter, longer in itertools.pairwise(data):
        assert shorter.lengths.max() < longer.lengths.min()
    for bucket in data:
        assert bucket.words.shape == (len(bucket.labels), bucket.lengths.max())
        filled = np.arange(bucket.words.shape[1]) < bucket.lengths[:, None]
        np.testing.assert_array_equal(bucket.words > 0, filled)


def test_a_review_keeps_its_label_and_words():
    task = Imdb(words=30)
    data = jax.tree.map(jnp.asarray, reviews())
    whole = batch_at(task, range(12), data)
    read = jax.jit(task.bucket_at, static_argnums=0)
    begun = 0
    for number, count in enumerate(task.bucket_sizes(data)):
        part = jax.tree.map(np.asarray, read(number, np.arange(count), data))
        steps = part.inputs.shape[0]
        lanes = slice(begun, begun + count)
        np.testing.assert_array_equal(part.inputs, whole.inputs[:steps, lanes])
        np.testing.assert_array_equal(part.targets[0], whole.targets[0, lanes])
        np.testing.assert_array_equal(part.mask, whole.mask[:steps, lanes])
        assert not whole.mask[steps:, lanes].any()
        begun += count


def test_scores_follow_from_the_loss():
    means = {"loss": 2 * math.log(2), "accuracy": 0.5}
    assert Shakespeare().summary(means) == {**means, "bits_per_character": pytest.approx(2)}
    assert PtbWords().summary(means) == {**means, "perplexity": pytest.approx(4)}


@real
def test_tiny_shakespeare():
    task = Shakespeare()
    text = task.vocabulary().decode(task.validation().data())
    assert text.startswith("First Citizen:\nBefore we proceed any further, hear me speak.")
    assert len(task.vocabulary()) == task.input_size
    held_out = task.evaluations()["test"]
    assert len(held_out.data()) == 111_540


@real
def test_penn_treebank():
    words = PtbWords(split="validation")
    assert words.vocabulary().decode(words.data()[:6]) == "consumers may want to move their "
    assert len(words.vocabulary()) == words.input_size
    letters = PtbCharacters(split="validation")
    assert letters.vocabulary().decode(letters.data()[:19]) == "consumers may want "
    assert len(letters.vocabulary()) == letters.input_size
    assert len(letters.data()) == 393_042


@real
def test_imdb():
    task = Imdb(split="validation")
    data = task.data()
    assert task.size(data) == 2500
    assert sum(int(bucket.labels.sum()) for bucket in data) == 1250
    assert task.vocabulary().symbols[2:5] == ("the", ".", ",")
    assert max(bucket.words.shape[1] for bucket in data) == task.longest


def test_a_file_is_cut_into_three_parts(book):
    task = TextFile(file=str(book))
    pieces = [task.validation(), task, *task.evaluations().values()]
    text = "".join(task.vocabulary().decode(piece.data()) for piece in pieces)
    assert text == book.read_text(encoding="utf-8")
    book.write_text("Another book, with Q in it. " * 40, encoding="utf-8")
    assert "Q" in task.vocabulary().symbols


def test_bytes_that_are_cut_become_a_mark():
    letters = Vocabulary.of_bytes()
    assert letters.decode(letters.encode("naïve €")) == "naïve €"
    assert letters.decode(letters.encode("€")[:2]) == "�"


def written(tmp_path, content):
    path = tmp_path / "text.txt"
    path.write_bytes(content)
    return path


MISTAKES = [
    (lambda _: TextFile().data(), "TextFile: needs a text to learn from: give --task.file PATH"),
    (
        lambda tmp: TextFile(file=str(tmp / "none.txt")).data(),
        "TextFile: cannot read {tmp}/none.txt: No such file or directory",
    ),
    (
        lambda tmp: TextFile(file=str(written(tmp, b"abc"))).data(),
        "{tmp}/text.txt: expected a text of at least 100 characters, got 3",
    ),
    (
        lambda tmp: TextFile(file=str(written(tmp, b"caf\xe9 " * 50))).data(),
        "{tmp}/text.txt: expected text in UTF-8, got byte 0xe9 at position 3; convert it, for "
        "instance with iconv -t UTF-8",
    ),
    (lambda _: Shakespeare(length=0), "Shakespeare: length must be at least 1, got 0"),
    (
        lambda _: PtbWords(split="tset"),
        "PtbWords: split must be one of train, validation, test, got 'tset'; did you mean 'test'?",
    ),
    (
        lambda _: Shakespeare().sample(jax.random.key(0), 2),
        "Shakespeare: sample needs the task's data: sample(key, n, task.data())",
    ),
    (lambda _: Imdb(words=2), "Imdb: words must be at least 3, got 2"),
    (lambda _: Imdb(longest=0), "Imdb: longest must be at least 1, got 0"),
    (lambda _: Imdb(shapes=0), "Imdb: shapes must be at least 1, got 0"),
    (
        lambda _: Vocabulary.of("ab").encode("abc"),
        "vocabulary: 'c' is not one of the 2 characters the network knows; leave it out",
    ),
    (
        lambda _: Vocabulary(("a", "b"), "words").encode("a dog"),
        "vocabulary: 'dog' is not one of the 2 words the network knows; leave it out",
    ),
    (
        lambda _: buckets([np.array([2])], np.array([0, 1]), 2),
        "buckets: expected a label for each text, got 1 texts and 2 labels",
    ),
    (lambda _: Vocabulary(()), "Vocabulary: needs at least one symbol, got none"),
    (
        lambda _: Vocabulary.from_json({"level": "words"}),
        "vocabulary: expected an object with level and symbols",
    ),
]


@pytest.mark.parametrize(("mistake", "message"), MISTAKES, ids=[m for _, m in MISTAKES])
def test_mistakes_are_named(mistake, message, tmp_path):
    with pytest.raises(UserError) as raised:
        mistake(tmp_path)
    assert str(raised.value) == message.format(tmp=tmp_path)
