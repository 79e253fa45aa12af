"""Networks learn what they are for: commands of the results pages, run until they reach a score."""

import os

import pytest

from tapehead.training import Run

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    "words",
    [
        "reber lstm-1997",
        "reber lstm",
        "temporal-order lstm-1997",
        "temporal-order mingru",
        "adding mingru",
        "long-lag mingru",
        "anbn lstm-1997",
        "anbncn lstm-1997",
        "parity-check elman --batch 32 --curriculum",
        "reverse-string stack-rnn --batch 32",
    ],
)
def test_it_solves_its_task(tapehead, tmp_path, words):
    folder = tmp_path / "run"
    assert tapehead("train", *words.split(), "--quiet", "--out", folder).status == 0
    assert Run.open(folder).outcome == "solved"


def test_a_tape_serves_for_longer_strings_than_those_of_training(tapehead, tmp_path):
    folder = tmp_path / "run"
    words = "reverse-string tape-rnn --batch 32 --updates 1000 --test-size 64"
    assert tapehead("train", *words.split(), "--quiet", "--out", folder).status == 0
    found = [line for line in Run.open(folder).metrics() if line.get("set") == "lengths 41 to 500"]
    (score,) = found[-1]["metrics"]["accuracy"]
    assert score >= 0.99


@pytest.mark.skipif("TAPEHEAD_DATA" not in os.environ, reason="TAPEHEAD_DATA names no data sets")
@pytest.mark.parametrize(
    ("words", "measure", "sign", "least"),
    [
        ("mnist-rows gru --updates 1500", "accuracy", 1, 0.975),
        (
            "cluttered-mnist mlp --task.side 28 --task.clutter 0 --rule decoupled --rule.layers 0 "
            "--rule.labels --batch 128 --updates 1000 --optimizer.learning-rate 3e-4 "
            "--optimizer.schedule cosine",
            *("accuracy", 1, 0.94),
        ),
        ("imdb lstm --updates 500", "accuracy", 1, 0.83),
        ("shakespeare lstm --model.hidden 128 --updates 1500", "bits_per_character", -1, 2.8),
        ("jsb-chorales gru --updates 600", "loss", -1, 9.5),
    ],
)
def test_it_learns_from_real_data(tapehead, tmp_path, words, measure, sign, least):
    folder = tmp_path / "run"
    assert tapehead("train", *words.split(), "--quiet", "--out", folder).status == 0
    tests = [line for line in Run.open(folder).metrics() if line.get("set") == "test"]
    (reached,) = tests[-1]["metrics"][measure]
    assert sign * reached >= sign * least
