"""Networks that read both ways and weights for parts, on the command line."""

import pytest

from tapehead.cli.configure import command_of
from tapehead.cli.train import configured
from tapehead.errors import UserError

PARTS = "--l2-parts hidden_weight=0.0001 cells.1=0.5 --l1-parts bias=1e-05"


def test_parts_by_name():
    words = f"copy lstm {PARTS}".split()
    config, _ = configured(words)
    assert config.l2_parts == {"hidden_weight": 1e-4, "cells.1": 0.5}
    assert config.l1_parts == {"bias": 1e-5}
    again, _ = configured(command_of(config).split()[2:])
    assert again == config
    assert configured([*words, "--l2-parts", "none"])[0].l2_parts is None


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--l2-parts hidden_weigth=1", "l2_parts: the model has no part 'hidden_weigth'; did you"),
        ("--l1-parts bias", "--l1-parts: expected NAME=X with a finite number or none, got 'bias'"),
        ("--l1-parts =1", "--l1-parts: expected NAME=X"),
        ("--l1-parts bias=nan", "--l1-parts: expected NAME=X"),
        ("--l1-parts bias=-1", "training: l1_parts of bias must be at least 0, got -1.0"),
        ("--model.bidirectional --rule truncated-bptt", "TruncatedBPTT: cuts time into windows"),
    ],
)
def test_refuses(words, message):
    with pytest.raises(UserError, match=message):
        configured(["copy", "lstm", *words.split()])
