"""Estimators that learn without answers: vectors, clusters, and sequences that are made up.

Most are slow ones: `python -m pytest -m slow tests/estimators/test_unlabelled.py`.
"""

import json

import numpy as np
import pandas as pd
import pytest
from quick_estimators import QUICK, walks
from sklearn.cluster import HDBSCAN, AgglomerativeClustering
from sklearn.metrics import adjusted_rand_score, homogeneity_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from tapehead.errors import UserError
from tapehead.estimators import SequenceClusterer, SequenceEmbedder, SequenceGenerator, load
from tapehead.estimators.alphabet import Alphabet
from tapehead.estimators.baselines import ngram_bits
from tapehead.testing import check_estimator

EMBEDDER, CLUSTERER = SequenceEmbedder(**QUICK), SequenceClusterer(**QUICK, n_clusters=3)
GENERATOR = SequenceGenerator(**QUICK, levels=8)
NAMES = ["anna", "hanna", "johanna", "otto"] * 10


def waves(count=45):
    """Sequences of different lengths in three groups: that rise, that fall and that do neither."""
    rng = np.random.default_rng(0)
    made, groups = [], np.arange(count) % 3
    for group in groups:
        time = np.linspace(-1, 1, rng.integers(10, 17))[:, None]
        made.append([2, -2, 0][group] * time + 0.1 * rng.normal(size=time.shape))
    return made, groups


@pytest.mark.slow
@parametrize_with_checks([EMBEDDER, CLUSTERER, GENERATOR])
def test_scikit_learns_checks(estimator, check):
    check(estimator)


@pytest.mark.slow
@pytest.mark.parametrize("estimator", [EMBEDDER, CLUSTERER], ids=lambda e: type(e).__name__)
def test_sequences(estimator):
    check_estimator(estimator)


@pytest.fixture(scope="module")
def clustered():
    X, _ = waves()
    return SequenceClusterer(**QUICK).fit(X)


def test_groups_are_found_and_counted(clustered, tmp_path):
    X, groups = waves()
    assert clustered.n_clusters_ == 3
    assert max(clustered.silhouettes_, key=clustered.silhouettes_.get) == 3
    assert adjusted_rand_score(groups, clustered.labels_) > 0.9
    np.testing.assert_array_equal(clustered.predict(X), clustered.labels_)
    # The nearest centre, of the vectors' means.
    vectors = clustered.embed(X)
    centres = np.array([vectors[clustered.labels_ == n].mean(axis=0) for n in range(3)])
    apart = np.linalg.norm(vectors[:, None] - centres, axis=-1)
    np.testing.assert_allclose(clustered.transform(X), apart, rtol=1e-4, atol=1e-5)
    clustered.save(tmp_path / "m")
    again = load(tmp_path / "m")
    np.testing.assert_array_equal(again.predict(X), clustered.labels_)
    assert again.silhouettes_ == clustered.silhouettes_


@pytest.mark.slow
def test_clusters_are_exported_as_distances(clustered, tmp_path):
    import jax

    X, _ = waves()
    clustered.export(tmp_path / "m.stablehlo")
    x, present = np.zeros((len(X), 16, 1), np.float32), np.zeros((len(X), 16), bool)
    for number, one in enumerate(X):
        x[number, : len(one)], present[number, : len(one)] = one, True
    call = jax.export.deserialize(bytearray((tmp_path / "m.stablehlo").read_bytes())).call
    np.testing.assert_allclose(call(x, present)[0], clustered.transform(X), rtol=1e-4, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("clusterer", [AgglomerativeClustering(), HDBSCAN(copy=True)], ids=repr)
def test_other_clusterers_group_the_vectors(clusterer):
    X, groups = waves()
    model = SequenceClusterer(**QUICK, n_clusters=3, clusterer=clusterer).fit(X)
    inside = model.labels_ >= 0
    assert homogeneity_score(groups[inside], model.labels_[inside]) > 0.9
    assert model.predict(X).max() == model.n_clusters_ - 1


@pytest.mark.slow
def test_vectors_of_text_tables_and_ensembles(tmp_path):
    texts = ["good good film", "bad film", "good", "bad bad film bad"] * 5
    model = SequenceEmbedder(**QUICK, ensemble=2, dimensions=3).fit(texts)
    vectors = model.transform(texts)
    assert vectors.shape == (20, 6)
    np.testing.assert_allclose(vectors[:4], vectors[4:8], rtol=1e-5)
    model.save(tmp_path / "m")
    np.testing.assert_array_equal(load(tmp_path / "m").transform(texts), vectors)
    rows = [(n, t, np.sin(n + t), "xy"[n % 2]) for n in range(12) for t in range(5)]
    table = pd.DataFrame(rows, columns=["id", "t", "a", "kind"])
    assert SequenceEmbedder(**QUICK, id="id", time="t").fit_transform(table).shape == (12, 16)
    wide = pd.DataFrame(np.random.default_rng(0).normal(size=(20, 5)), columns=list("abcde"))
    pipeline = make_pipeline(StandardScaler(), SequenceEmbedder(**QUICK, dimensions=2))
    shown = pipeline.set_output(transform="pandas").fit_transform(wide)
    assert list(shown.columns) == ["sequenceembedder0", "sequenceembedder1"]


@pytest.mark.slow
def test_a_vector_tells_its_sequence():
    X, _ = waves()
    model = SequenceEmbedder(**QUICK | {"max_updates": 300}, dimensions=4).fit(X)
    # The variance that is left of sequences whose deviation is 1.
    assert model.curve_[-1]["loss"] < 0.2


# -- making up ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def named():
    return SequenceGenerator(**QUICK).fit(NAMES)


@pytest.mark.slow
def test_names_like_those_that_were_seen(named, tmp_path):
    made = named.generate(8, random_state=1)
    assert set(made) <= {"anna", "hanna", "johanna", "otto", "johann"}
    assert len(set(made)) > 1
    assert named.generate(2, prompt="jo", temperature=0) == ["johanna"] * 2
    assert named.generate(2, prompt="jo", length=3, temperature=0) == ["johan"] * 2
    named.save(tmp_path / "m")
    assert load(tmp_path / "m").generate(8, random_state=1) == made


@pytest.mark.slow
def test_likelihoods_are_those_of_the_symbols(named):
    one, other = named.log_likelihoods(["anna", "otto"])
    assert (one.shape, bool((one <= 0).all())) == ((5,), True)
    np.testing.assert_allclose(named.score_samples(["anna", "otto"]), [one.mean(), other.mean()])
    np.testing.assert_allclose(named.score(["anna", "otto"]), np.r_[one, other].mean())
    assert named.score(["anna"]) > -0.6 > -2 > named.score(["tnao"])
    # All that may come after a beginning has probability 1 in all: `<pad>` is the end.
    symbols = named.alphabet_.vocabulary.symbols[2:]
    first = [np.exp(named.log_likelihoods([s])[0][0]) for s in symbols]
    assert 0.99 < sum(first) <= 1 + 1e-5


@pytest.mark.slow
@pytest.mark.parametrize(
    ("X", "settings"),
    [
        ([["up", "down"], ["down", "down", "up"]] * 10, {}),
        (["the cat sat.", "the dog sat."] * 10, {"text": "words"}),
        ([[1, 2, 3], [3, 1]] * 10, {}),
        (np.cumsum(np.random.default_rng(0).normal(size=(40, 6)), axis=1), {"levels": 8}),
    ],
    ids=["symbols", "words", "few numbers", "many numbers"],
)
def test_other_sequences(X, settings, tmp_path):
    model = SequenceGenerator(**QUICK, **settings).fit(X)
    made = model.generate(3)
    assert len(made) == 3
    assert all(type(one) is type(X[0]) or isinstance(one, np.ndarray) for one in made)
    assert np.isfinite(model.score_samples(X)).all()
    model.save(tmp_path / "m")
    np.testing.assert_array_equal(load(tmp_path / "m").score_samples(X), model.score_samples(X))


def test_an_alphabet_gives_sequences_back():
    letters = Alphabet.learn("text", ["abba", "c"], text="characters", levels=4)
    assert letters.decode(letters.encode("cab")) == "cab"
    assert letters.encode("x").tolist() == [1]
    few = Alphabet.learn("numbers", [[1.0, 5.0], [2.0]], text="words", levels=4)
    assert few.decode(few.encode([5, 1, 2])).tolist() == [5, 1, 2]
    assert few.encode([3.0]).tolist() == [1]
    many = Alphabet.learn("numbers", [np.arange(100.0)], text="words", levels=4)
    assert (many.values, len(many)) == ([12.0, 37.0, 62.0, 87.0], 6)
    assert many.decode(many.encode([-5, 30, 1000])).tolist() == [12, 37, 87]
    for alphabet in (letters, few, many):
        told = json.loads(json.dumps(alphabet.to_json()))
        assert Alphabet.from_json(told) == alphabet


def test_n_grams_by_hand():
    ab = [np.array([0, 1, 2, 1, 2, 0])]
    # Without a context: (n(s) + 1/3) / (5 + 1); after one symbol: (n(c, s) + p(s)) / (n(c) + 1).
    one = {0: (1 + 1 / 3) / 6, 1: (2 + 1 / 3) / 6, 2: (2 + 1 / 3) / 6}
    bits = -np.mean(np.log2([one[s] for s in (1, 2, 1, 2, 0)]))
    np.testing.assert_allclose(ngram_bits(ab, ab, symbols=3, order=1), bits)
    two = [(1 + one[1]) / 2, (2 + one[2]) / 3, (1 + one[1]) / 3, (2 + one[2]) / 3]
    two += [(1 + one[0]) / 3]
    np.testing.assert_allclose(
        ngram_bits(ab, ab, symbols=3, order=2), -np.mean(np.log2(two)), rtol=1e-12
    )


# -- mistakes -----------------------------------------------------------------------------------

X = walks(12)
MISTAKES = {
    "no dimensions": (lambda: SequenceEmbedder(dimensions=0).fit(X), "dimensions must be at least"),
    "no sequences": (lambda: SequenceEmbedder().fit([]), "array"),
    "an empty sequence": (lambda: SequenceEmbedder().fit([*X, X[0][:0]]), "X: sequence 12 is empt"),
    "missing throughout": (
        lambda: SequenceEmbedder().fit([x * np.nan for x in X]),
        "X: column 0 is missing throughout",
    ),
    "no clusters": (lambda: SequenceClusterer(n_clusters=0).fit(X), "n_clusters must be at least"),
    "one cluster at most": (
        lambda: SequenceClusterer(max_clusters=1).fit(X),
        "SequenceClusterer: max_clusters must be at least 2, got 1",
    ),
    "more clusters than sequences": (
        lambda: SequenceClusterer(n_clusters=5)._group(np.zeros((4, 2))),
        "SequenceClusterer: n_clusters is 5, but there are 4 sequences",
    ),
    "too few to choose": (
        lambda: SequenceClusterer()._group(np.zeros((2, 2))),
        "2 sequences are too few to choose a number of clusters by; give n_clusters",
    ),
    "all left out": (
        lambda: SequenceClusterer(clusterer=HDBSCAN(copy=True))._group(np.eye(9)),
        "the clusterer put no sequence into a cluster",
    ),
    "one text": (lambda: SequenceGenerator().fit("anna"), "[text] if it is one"),
    "an empty text": (lambda: SequenceGenerator().fit(["a", ""]), "X: text 1 is empty"),
    "no symbols": (lambda: SequenceGenerator().fit([["a"], []]), "X: sequence 1 is empty"),
    "two columns": (lambda: SequenceGenerator().fit(X), "must have one column each"),
    "no numbers": (lambda: SequenceGenerator().fit([[1.0, np.nan], [2.0]]), "X: sequence 0 conta"),
    "a window of one": (lambda: SequenceGenerator(window=1).fit(NAMES), "window must be at least"),
    "one level": (lambda: SequenceGenerator(levels=1).fit(NAMES), "levels must be at least 2"),
    "an unknown text": (lambda: SequenceGenerator(text="lines").fit(NAMES), "characters"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes_are_told_in_one_line(name):
    call, message = MISTAKES[name]
    with pytest.raises(UserError) as told:
        call()
    assert message in str(told.value)
    assert "\n" not in str(told.value)


@pytest.mark.slow
def test_what_a_fitted_generator_refuses(named):
    wrong = {
        "X has numbers, where fit had text": lambda: named.score([[1.0, 2.0]]),
        "part of the prompt 'anx' did not occur": lambda: named.generate(prompt="anx"),
        "prompt must be of text, as in fit, got 3": lambda: named.generate(prompt=3),
        "temperature must be at least 0": lambda: named.generate(temperature=-1),
        "length must be at least 0": lambda: named.generate(length=-1),
        "n must be at least 1": lambda: named.generate(0),
    }
    for message, call in wrong.items():
        with pytest.raises(UserError, match=message):
            call()
