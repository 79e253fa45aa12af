"""Settings classes become options, and words become values."""

import argparse
import dataclasses
from typing import Literal

import pytest

from tapehead.cli.options import Parser, meanings, reading, summary, written
from tapehead.errors import UserError


@dataclasses.dataclass(frozen=True)
class Base:
    """Settings of something.

    More about it, which the help page leaves out.
    """

    slots: int = 3
    """How many
    there are."""


@dataclasses.dataclass(frozen=True)
class Settings(Base):
    """Settings of something else."""

    rate: float | None = 0.5
    """At 50 % or so."""
    kind: Literal["red", "blue"] = "red"
    sizes: tuple[int, ...] = (1, 2)
    span: tuple[int, int] | None = None
    eager: bool = False
    derived: int = dataclasses.field(default=0, init=False)


DEFAULTS = {f.name: f.default for f in dataclasses.fields(Settings)}


def parser() -> Parser:
    made = Parser("test", "", "A test.")
    made.options_of(Settings, DEFAULTS, prefix="part.")
    return made


@pytest.mark.parametrize(
    ("words", "values"),
    [
        ("", {}),
        ("--part.slots 4", {"slots": 4}),
        ("--part.slots=4", {"slots": 4}),
        ("--part.slots -4", {"slots": -4}),
        ("--part.slots 4 --part.slots 5", {"slots": 5}),
        ("--part.rate 1e-3", {"rate": 1e-3}),
        ("--part.rate none", {"rate": None}),
        ("--part.rate None", {"rate": None}),
        ("--part.kind blue", {"kind": "blue"}),
        ("--part.sizes 4 5 6", {"sizes": [4, 5, 6]}),
        ("--part.sizes", {"sizes": []}),
        ("--part.span 4 5", {"span": [4, 5]}),
        ("--part.span none", {"span": None}),
        ("--part.eager", {"eager": True}),
        ("--no-part.eager", {"eager": False}),
    ],
)
def test_words_become_values(words, values):
    assert vars(parser().read(words.split())) == {f"part.{k}": v for k, v in values.items()}


def test_underscores_are_hyphens():
    made = Parser("test", "", "")
    made.option("--dry-run", action="store_true")
    assert made.read(["--dry_run"]).dry_run


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--part.slots x", "--part.slots: expected a whole number, got 'x'"),
        ("--part.slots 1.5", "--part.slots: expected a whole number, got '1.5'"),
        ("--part.slots", "--part.slots: expected one argument"),
        ("--part.rate x", "--part.rate: expected a finite number or none, got 'x'"),
        ("--part.rate nan", "--part.rate: expected a finite number or none, got 'nan'"),
        ("--part.rate inf", "--part.rate: expected a finite number or none, got 'inf'"),
        ("--part.kind bleu", "expected one of red, blue, got 'bleu'; did you mean 'blue'?"),
        ("--part.span 4", "--part.span: expected 2 values, got 1"),
        ("--part.span 4 none", "--part.span: expected 2 values"),
        ("--part.sizes 4 x", "--part.sizes: expected a whole number, got 'x'"),
        ("--part.derived 4", "unknown option '--part.derived'"),
        ("--slots 4", "unknown option '--slots'; did you mean '--part.slots'?"),
        ("--part.slot 4", "unknown option '--part.slot'; did you mean '--part.slots'?"),
        ("--part.eager=1", "--part.eager"),
        ("word", "unexpected argument 'word'"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(words, message):
    with pytest.raises(UserError) as refused:
        parser().read(words.split())
    text = str(refused.value)
    assert message in text
    assert "\n" not in text
    assert text.endswith("(see 'tapehead test --help')")


def test_help_has_meanings_and_defaults():
    page = " ".join(parser().format_help().split())
    assert "--part.slots N How many there are. (default: 3)" in page
    assert "--part.rate X|none At 50 % or so. (default: 0.5)" in page
    assert "--part.kind {red,blue}" in page
    assert "(default: 1 2)" in page
    assert "--part.eager, --no-part.eager" in page
    assert "Settings of something else." in page


def test_meanings_are_those_of_the_nearest_class():
    assert meanings(Settings)["slots"] == "How many there are."
    assert summary(Base) == "Settings of something."


def test_a_type_without_a_form_is_an_error_of_the_programmer():
    with pytest.raises(TypeError, match="no form on the command line"):
        reading(dict[str, int])


@pytest.mark.parametrize("value", [3, -3, 0.1, 1e-8, "red", None])
def test_what_is_written_is_read_again(value):
    annotation = float | None if value is None else type(value)
    assert reading(annotation)(written(value)[0]) == value


def test_a_reading_refuses_as_argparse_expects():
    with pytest.raises(argparse.ArgumentTypeError):
        reading(int)("x")
