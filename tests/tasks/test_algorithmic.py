"""What the generated tasks draw, and what their papers say of them."""

import collections
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from quick import draw

from tapehead.tasks import (
    TASKS,
    AssociativeRecall,
    Copy,
    DynamicNgrams,
    KeyValue,
    PrioritySort,
    RepeatCopy,
    Reverse,
)
from tapehead.tasks.algorithmic.bits import doubling
from tapehead.tasks.algorithmic.dynamic_ngrams import optimal_probabilities
from tapehead.tasks.algorithmic.key_value import distinct


@pytest.mark.parametrize(
    ("name", "inputs", "outputs", "steps", "bits", "spread"),
    [
        # The table of the 2014 paper's untrained levels, where it has the task.
        ("copy", 9, 8, 41, 84, 8 * 5.77),
        ("reverse", 9, 8, 41, 84, 8 * 5.77),
        ("repeat-copy", 10, 9, 112, 9 * 31.25, 9 * 24),
        ("associative-recall", 8, 6, 32, 18, 0),
        ("key-value", 14, 6, 50, 108, 12 * 4.32),
        ("dynamic-ngrams", 1, 1, 200, 200, 0),
        ("priority-sort", 10, 8, 37, 128, 0),
    ],
)
def test_widths_steps_and_the_cost_of_knowing_nothing(name, inputs, outputs, steps, bits, spread):
    task = TASKS[name]()
    sequences = draw(task, 2000)
    assert sequences.inputs.shape == (steps, 2000, inputs)
    assert sequences.targets.shape == (steps, 2000, outputs)
    found = jax.jit(task.metrics)(np.zeros_like(sequences.targets), sequences)["bits"]
    found = np.asarray(found)
    # Four standard errors of the mean over 2000 sequences.
    assert np.mean(found) == pytest.approx(bits, abs=4 * spread / 2000**0.5 + 1e-3)


def test_lengths_are_uniform_and_bits_fair():
    sequences = draw(Copy(1, 4, 3), 4000)
    length = sequences.weights.sum(axis=0).astype(int)
    counts = np.bincount(length, minlength=5)
    assert counts[0] == 0
    assert np.all(np.abs(counts[1:] - 1000) < 4 * 27.4)
    ones = sequences.targets.sum() / (3 * length.sum())
    assert abs(ones - 0.5) < 4 * 0.5 / (3 * length.sum()) ** 0.5


def test_padding_is_masked_and_empty():
    for task in (Copy(1, 4, 3), RepeatCopy(1, 3, 1, 3, 2), AssociativeRecall(2, 4, 2, 3),
                 KeyValue(1, 4, 4)):  # fmt: skip
        sequences = draw(task, 64)
        ends = sequences.mask.sum(axis=0)
        assert len(set(ends.tolist())) > 1
        for b, end in enumerate(ends):
            assert sequences.mask[:end, b].all()
            assert sequences.weights[end - 1, b] == 1, "a sequence ends with what is asked"
            assert not sequences.inputs[end:, b].any()
            assert not sequences.targets[end:, b].any()


def test_nothing_is_shown_while_answering():
    for task in (Copy(1, 4, 3), Reverse(1, 4, 3), RepeatCopy(1, 3, 1, 3, 2),
                 AssociativeRecall(2, 4, 2, 3), PrioritySort(5, 3, 3)):  # fmt: skip
        sequences = draw(task, 16)
        assert not sequences.inputs[sequences.weights > 0].any()


def test_the_repeat_channel_has_mean_0_and_variance_1():
    sequences = draw(RepeatCopy(2, 2, 1, 10, 1), 5000)
    shown = sequences.inputs[2, :, 2]
    assert abs(shown.mean()) < 4 / 5000**0.5
    assert abs(shown.var() - 1) < 4 / 5000**0.5
    # The same number means the same repeats in a test of more repeats.
    longer = RepeatCopy(2, 2, 1, 10, 1).evaluations()["length 2 repeats 20"]
    assert draw(longer, 1).inputs[2, 0, 2] == pytest.approx((20 - 5.5) / 8.25**0.5)
    assert draw(RepeatCopy(2, 2, 1, 10, 1).lessons()[0], 1).inputs[2, 0, 2] in shown


def test_the_end_marker_comes_once_after_the_last_repeat():
    sequences = draw(RepeatCopy(1, 3, 1, 3, 2), 32)
    marker = sequences.targets[:, :, -1]
    assert (marker.sum(axis=0) == 1).all()
    last = sequences.mask.sum(axis=0) - 1
    assert (marker[last, np.arange(32)] == 1).all()


def test_any_item_but_the_last_is_queried():
    sequences = draw(AssociativeRecall(4, 4, 1, 16), 600)
    items, query = sequences.inputs[1:8:2, :, :16], sequences.inputs[9, :, :16]
    position = np.argmax((items == query).all(axis=-1), axis=0)
    counts = np.bincount(position, minlength=4)
    assert counts[3] == 0
    assert (counts[:3] > 150).all()


def test_of_two_equal_items_the_first_is_meant():
    task = AssociativeRecall(5, 5, 1, 1)
    inputs = np.zeros((5 * 2 + 4, 1, 3), np.float32)
    inputs[0:10:2, 0, 1] = 1
    inputs[[10, 12], 0, 2] = 1
    inputs[1:11:2, 0, 0] = [0, 1, 0, 1, 1]
    inputs[11, 0, 0] = 1
    sequences = draw(task, 1)._replace(inputs=inputs)
    assert task.solve(sequences)[13, 0, 0] == 0
    # And so the sampler has it: with one bit, most lists hold the query more than once.
    many = draw(task, 64)
    np.testing.assert_array_equal(task.solve(many)[-1], many.targets[-1])


def test_distinct_numbers_are_distinct_and_uniform():
    drawn = np.asarray(jax.jit(distinct, static_argnums=(1, 2, 3))(jax.random.key(0), 3, 12000, 4))
    counts = collections.Counter(map(tuple, drawn.T.tolist()))
    orders = set(itertools.permutations(range(4), 3))
    assert set(counts) == orders
    expected = 12000 / len(orders)
    assert all(abs(n - expected) < 5 * expected**0.5 for n in counts.values())


def test_all_keys_can_be_used_up():
    sequences = draw(KeyValue(4, 4, 4), 8)
    for b in range(8):
        assert len({tuple(word) for word in sequences.inputs[:4, b, :2]}) == 4
        assert len({tuple(word) for word in sequences.inputs[:4, b, 2:4]}) == 4


def test_queries_come_in_random_order():
    task = KeyValue(3, 3, 8)
    sequences = draw(task, 600)
    keys = sequences.inputs[:3, :, :4]
    values = sequences.inputs[:3, :, 4:8]
    asked = sequences.inputs[..., :4]
    for queries, stored in ((asked[4:7], keys), (asked[8:11], values)):
        order = (queries[:, None] == stored[None]).all(axis=-1).argmax(axis=1)
        counts = collections.Counter(map(tuple, order.T.tolist()))
        assert set(counts) == set(itertools.permutations(range(3)))
        assert min(counts.values()) > 60


def test_priorities_cover_their_range():
    sequences = draw(PrioritySort(4, 2, 2), 2000)
    priority = sequences.inputs[:4, :, 2]
    assert priority.min() >= -1
    assert priority.max() <= 1
    assert abs(priority.mean()) < 4 * 0.577 / 8000**0.5
    assert abs(priority.var() - 1 / 3) < 0.02


def test_equal_priorities_keep_their_order():
    task = PrioritySort(3, 3, 1)
    sequences = draw(task, 1)
    inputs = np.zeros_like(sequences.inputs)
    inputs[:3, 0, 0], inputs[:3, 0, 1], inputs[3, 0, 2] = [1, 0, 1], [0.5, 0.5, 0.75], 1
    assert task.solve(sequences._replace(inputs=inputs))[4:, 0, 0].tolist() == [1, 1, 0]


def test_the_optimal_estimator_reaches_the_known_bound():
    """133.25 bits (standard deviation of a sequence about 35), of which 5 for the first 5 bits."""
    task = DynamicNgrams()
    sequences = draw(task, 4000)
    found = jax.jit(task.metrics)(np.zeros_like(sequences.targets), sequences)["optimal_bits"]
    found = np.asarray(found, float)
    assert np.mean(found) == pytest.approx(133.25, abs=4 * np.std(found) / 4000**0.5)


def test_no_other_pseudo_count_does_better():
    """The estimator is optimal for Beta(1/2, 1/2): counts other than 1/2 cost more."""
    task = DynamicNgrams(order=3, length=60)
    sequences = draw(task, 2000)
    bits = sequences.targets[..., 0]
    p = np.asarray(optimal_probabilities(jnp.asarray(bits), 3), float)

    context = 2 * bits[:-2] + bits[1:-1]
    same = (context[:, None] == context[None]) & np.tri(58, k=-1, dtype=bool)[..., None]
    ones = (same * bits[None, 2:]).sum(axis=1)
    seen = same.sum(axis=1)

    def cost(p):
        return -np.log2(np.where(bits[2:] > 0.5, p, 1 - p)).sum(axis=0).mean()

    np.testing.assert_allclose(p[2:], (ones + 0.5) / (seen + 1))
    best = cost(p[2:])
    for count in (0.25, 0.35, 0.7, 1.0):
        assert cost((ones + count) / (seen + 2 * count)) > best


def test_probabilities_follow_the_arcsine_law():
    """With no context the share of ones is the one probability: Beta(1/2, 1/2), variance 1/8."""
    share = draw(DynamicNgrams(order=1, length=100), 4000).targets.mean(axis=(0, 2))
    assert abs(share.mean() - 0.5) < 4 * 0.3536 / 4000**0.5
    assert abs(share.var() - (1 / 8 + 1 / 800)) < 0.008
    # A third of the law lies below sin^2(pi / 6) = 1/4.
    assert abs((share < 0.25).mean() - 1 / 3) < 0.04


def test_ngrams_count_as_solved_within_a_bit_of_the_optimum():
    task = DynamicNgrams()
    assert task.solved({"bits": 134.0, "optimal_bits": 133.1})
    assert not task.solved({"bits": 134.2, "optimal_bits": 133.1})
    assert not task.solved({"bits": float("nan"), "optimal_bits": 133.1})


def test_other_tasks_are_solved_when_no_bit_is_wrong():
    assert Copy().solved({"sequence_accuracy": 1.0})
    assert not Copy().solved({"sequence_accuracy": 0.999})
    assert not Copy().solved({"sequence_accuracy": float("nan")})


def test_lessons_double():
    assert doubling(1, 20) == (5, 10, 20)
    assert doubling(2, 6) == (3, 6)
    assert doubling(8, 8) == (8,)
    assert doubling(1, 2) == (2,)
    assert [lesson.max_length for lesson in Copy().lessons()] == [5, 10, 20]
    assert all(lesson.min_length == 1 for lesson in Copy().lessons())
    easy, whole = RepeatCopy().lessons()
    assert (easy.max_length, easy.max_repeats) == (5, 5)
    assert whole == RepeatCopy()
    assert [t.items for t in PrioritySort().lessons()] == [5, 10, 20]


def test_the_tests_of_generalisation():
    assert [t.max_length for t in Copy().evaluations().values()] == [10, 20, 30, 50, 100, 120]
    cases = [(t.min_length, t.min_repeats) for t in RepeatCopy().evaluations().values()]
    assert cases == [(10, 10), (20, 10), (10, 20)]
    assert list(KeyValue().evaluations()) == ["pairs 16", "pairs 24"]
    assert list(KeyValue(2, 4, 4).evaluations()) == ["pairs 4"]
    assert list(PrioritySort().evaluations()) == ["items 30"]
    assert PrioritySort().resized(30).sorted_items == 24
