"""Data as people have it: every form is read, and says the same."""

import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
from quick_estimators import QUICK, signs, walks

from tapehead.estimators import SequenceClassifier, SequenceRegressor, load
from tapehead.estimators.reading import cut_table, is_ragged, is_text, matrices
from tapehead.estimators.schema import Scale, Schema
from tapehead.estimators.sound import log_mel
from tapehead.tasks.given import Examples, GivenClasses


def long_table(X, kinds=False):
    """The sequences as one table, their rows shuffled."""
    rows = [(f"s{n}", t, *values) for n, x in enumerate(X) for t, values in enumerate(x)]
    table = pd.DataFrame(rows, columns=["who", "when", "a", "b"])
    if kinds:
        table["kind"] = np.where(table.a > 0, "high", "low")
    return table


def learned(sequences, form="steps", **settings):
    return Schema.learn(form, sequences, **{"missing": "mean", "text": "words"} | settings)


def test_scales_are_learned_undone_and_weighted():
    values = np.array([[1.0, 5.0], [3.0, 5.0], [np.nan, 5.0]])
    scale = Scale.of(values)
    np.testing.assert_allclose(scale.mean, [2, 5])
    np.testing.assert_allclose(scale.deviation, [1, 1])  # a constant column is let be
    np.testing.assert_allclose(scale.undo(scale.apply(values)), values)
    heavy = Scale.of(values, np.array([3.0, 1.0, 1.0]))
    np.testing.assert_allclose(heavy.mean, [1.5, 5])


def test_a_scale_is_that_of_the_training_part():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(80, 6))
    model = SequenceRegressor(**QUICK | {"held_out": 0.2}).fit(X, X.mean(axis=1))
    assert model.parts_["held_out"] == 16
    assert not np.isclose(model.schema_.scale.mean[0], X.mean())


def test_missing_values_become_the_mean_with_an_indicator_if_asked():
    x = np.array([[1.0, 0.0], [np.nan, 2.0], [3.0, np.nan]])
    plain, known = learned([x]).encode(x)
    np.testing.assert_allclose(plain, [[-1, -1], [0, 1], [1, 0]])
    assert known.all()
    marked, _ = learned([x], missing="indicator").encode(x)
    np.testing.assert_allclose(marked[:, 2:], [[0, 0], [1, 0], [0, 1]])


def test_steps_of_which_nothing_is_known_are_passed_over():
    X = walks()
    model = SequenceClassifier(**QUICK).fit(X, signs(X))
    gap = [np.insert(x, 1, np.nan, axis=0) for x in X[:5]]
    gap = [np.append(x, [[np.nan, np.nan]], axis=0) for x in gap]
    np.testing.assert_allclose(model.predict_proba(gap), model.predict_proba(X[:5]), rtol=1e-5)


def test_categories_become_indicators_and_unknown_ones_nothing():
    table = pd.DataFrame({"n": [1.0, 3.0], "c": ["x", "y"]})
    schema = learned([table], "table")
    assert schema.features == 3
    encoded, _ = schema.encode(pd.DataFrame({"c": ["y", "z"], "n": [2.0, 2.0]}))
    np.testing.assert_allclose(encoded, [[0, 0, 1], [0, 0, 0]])


def test_texts_are_words_or_characters():
    schema = learned(["a b a", "c"], "text")
    numbers, _ = schema.encode("a new b")
    assert [schema.vocabulary.symbols[n] for n in numbers] == ["a", "<unk>", "b"]
    letters = learned(["abc"], "text", text="characters")
    assert letters.encode("cab")[0].shape == (3,)


def test_a_schema_survives_json():
    table = pd.DataFrame({"n": [1.0, 3.0], "c": ["x", "y"]})
    for schema in (learned([table], "table"), learned(["a b"], "text")):
        assert Schema.from_json(schema.to_json()).to_json() == schema.to_json()


def test_a_long_table_says_what_the_list_says(tmp_path):
    X = walks()
    y = signs(X)
    table = long_table(X).sample(frac=1, random_state=0).sort_values("when", kind="stable")
    order = [int(key[1:]) for key in table.who.unique()]
    model = SequenceClassifier(**QUICK, id="who", time="when").fit(table, y[order])
    plain = SequenceClassifier(**QUICK).fit([X[n] for n in order], y[order])
    found = model.predict_proba(table)
    np.testing.assert_allclose(found, plain.predict_proba([X[n] for n in order]), rtol=1e-4)
    # Answers by id, in any order, and as a column.
    named = pd.Series(y, index=[f"s{n}" for n in range(len(X))]).sample(frac=1, random_state=1)
    by_id = SequenceClassifier(**QUICK, id="who", time="when").fit(table, named)
    np.testing.assert_array_equal(by_id.predict_proba(table), found)
    whole = table.assign(sign=table.who.map(named))
    by_name = SequenceClassifier(**QUICK, id="who", time="when").fit(whole, "sign")
    np.testing.assert_array_equal(by_name.predict_proba(whole), found)
    np.testing.assert_array_equal(by_name.predict_proba(table), found)
    by_name.save(tmp_path / "m")
    np.testing.assert_array_equal(load(tmp_path / "m").predict_proba(table), found)


def test_time_that_is_unsorted_or_uneven_is_named():
    table = pd.DataFrame({"id": ["a"] * 3 + ["b"] * 3, "t": [0, 2, 1, 0, 1, 5], "x": 1.0})
    with pytest.warns(UserWarning, match="^table: ") as seen:
        _, rows = cut_table(table, "id", "t")
    assert [part.tolist() for part in rows] == [[0, 2, 1], [3, 4, 5]]
    told = [str(w.message) for w in seen]
    assert told[0] == "table: rows are not in order of 't' in 'a'; they were sorted"
    assert told[1] == "table: steps of 't' differ in 'b' (from 1 to 4); they are taken as equal"


def test_months_are_even():
    table = pd.DataFrame({"t": pd.date_range("2020-01-01", periods=24, freq="MS"), "x": 1.0})
    cut_table(table, None, "t")  # a warning would be an error


def test_which_form_it_is():
    assert is_text(["a"])
    assert is_text(pd.Series(["a"]))
    assert not is_text(["a"] * 0)
    assert not is_text([[1, 2]])
    assert is_ragged([np.zeros((2, 1)), np.zeros((3, 1))])
    assert is_ragged([[1, 2], [3]])
    assert not is_ragged([[1, 2], [3, 4]])
    assert not is_ragged(np.zeros((3, 2)))
    form, made = matrices([[1, 2], [3]])
    assert (form, [x.shape for x in made]) == ("steps", [(2, 1), (1, 1)])


@pytest.mark.slow
def test_answers_at_every_step():
    X = walks()
    y = [(np.cumsum(x[:, 0]) > 0).astype(int) for x in X]
    model = SequenceClassifier(**QUICK, each_step=True).fit(X, y)
    assert model.score(X, y) > 0.9
    assert [len(p) for p in model.predict(X)] == [len(x) for x in X]
    even = np.array([x[:3] for x in X])
    assert model.predict_proba(even).shape == (40, 3, 2)
    stream = model.stream()
    found = [stream.feed(x) for x in X[0]]
    np.testing.assert_allclose(found, model.predict_proba([X[0]])[0], rtol=1e-4)


@pytest.mark.slow
def test_several_numbers_on_scales_of_their_own():
    X = walks()
    y = np.array([[1e6 + x[:, 0].mean(), 1e-3 * x[:, 1].mean()] for x in X])
    model = SequenceRegressor(**QUICK).fit(X, y)
    assert model.predict(X).shape == (40, 2)
    assert model.score(X, y) > 0.5


def test_examples_have_room_and_give_themselves_back():
    rng = np.random.default_rng(0)
    lengths = [3, 5, 20]
    inputs = [rng.normal(size=(n, 2)) for n in lengths]
    masks = [np.ones(n, bool) for n in lengths]
    ends = [np.eye(n)[-1] for n in lengths]
    targets = [np.array([n]) for n in range(3)]
    two = Examples.of(inputs[:2], masks[:2], targets[:2], ends[:2])
    one = Examples.of(inputs[2:], masks[2:], targets[2:], ends[2:])
    task, data = GivenClasses(2, 3), (two, one)
    assert (task.size(data), two.inputs.shape, one.inputs.shape) == (3, (512, 16, 2), (512, 32, 2))
    batch = task.batch_at(jnp.arange(3), data)
    for number, x in enumerate(inputs):
        np.testing.assert_allclose(batch.inputs[: len(x), number], x, rtol=1e-6)
        assert int(batch.mask[:, number].sum()) == len(x)
        assert int(batch.weights[:, number].argmax()) == len(x) - 1
        assert int(batch.targets[len(x) - 1, number]) == number


def test_a_tone_is_loudest_in_its_band():
    tone = np.sin(2 * np.pi * 1000 * np.arange(4000) / 8000)
    spectrum = log_mel(tone, 8000, bands=20)
    assert spectrum.shape == (30, 20)
    edges = 700 * (10 ** (np.linspace(0, 2595 * np.log10(1 + 4000 / 700), 22) / 2595) - 1)
    loudest = spectrum.mean(axis=0).argmax()
    assert edges[loudest] < 1000 < edges[loudest + 2]
