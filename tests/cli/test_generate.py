"""`tapehead generate`: text is printed, music is written; mistakes are named."""

import os
import shlex

import pytest

from tapehead.cli import main

TINY = shlex.split(
    "--model.hidden 4 --batch 2 --updates 4 --log-every 2 --evaluate-every 4 --quiet"
)
real = pytest.mark.skipif("TAPEHEAD_DATA" not in os.environ, reason="TAPEHEAD_DATA is not set")


@pytest.fixture(scope="module")
def writer(tmp_path_factory):
    """A run taught on a small text, with its report."""
    folder = tmp_path_factory.mktemp("text")
    book = folder / "book.txt"
    book.write_text("the cat sat on the mat.\n" * 60, encoding="utf-8")
    words = ["train", "text", "elman", "--task.file", str(book), "--model.embedding", "3"]
    assert main([*words, *TINY, "--task.length", "8", "--out", str(folder / "run")]) == 0
    book.unlink()
    return folder / "run"


def test_a_text_goes_on_from_its_prompt(tapehead, writer):
    shown = tapehead("generate", writer, "--prompt", "the c", "--length", "12")
    assert shown.status == 0
    assert shown.out.startswith("the c")
    assert len(shown.out) == len("the c") + 12 + 1
    assert set(shown.out) <= set("the cat sat on the mat.\n")
    assert tapehead("generate", writer, "--prompt", "the c", "--length", "12").out == shown.out
    other = tapehead("generate", writer, "--prompt", "the c", "--length", "12", "--seed", "1")
    assert other.out != shown.out


def test_at_temperature_0_the_likeliest_follows(tapehead, writer):
    settings = ("--temperature", "0", "--length", "30")
    one, other = (tapehead("generate", writer, *settings, "--seed", n).out for n in (0, 1))
    assert one == other


def test_the_report_shows_text(writer):
    page = (writer / "report.html").read_text(encoding="utf-8")
    for said in ("Temperature 0.5", "Held-out text", "What surprised it", ' bits"'):
        assert said in page


def test_mistakes_are_named(tapehead, writer, run, tmp_path):
    cases = {
        ("--prompt", ""): "generate: the prompt is empty; give some text or leave --prompt out",
        ("--prompt", "Q"): "vocabulary: 'Q' is not one of the 12 characters the network knows; "
        "leave it out",
        ("--length", "-1"): "generate: length must be at least 0, got -1",
        ("--temperature", "-1"): "generate: temperature must be at least 0, got -1.0",
        ("--network", "2"): "generate: network must be between 1 and 1, got 2",
        (
            "--out",
            "x.mid",
        ): "generate: --out is for music; a text is printed: add > FILE to keep it",
    }
    for words, message in cases.items():
        assert tapehead("generate", writer, *words) == (2, "", f"tapehead: error: {message}\n")
    shown = tapehead("generate", run)
    assert shown.status == 2
    assert "was taught to answer, not to go on" in shown.err
    (writer / "model" / "vocabulary.json").rename(tmp_path / "kept")
    try:
        shown = tapehead("generate", writer)
        assert shown.status == 2
        assert "has no vocabulary.json" in shown.err
    finally:
        (tmp_path / "kept").rename(writer / "model" / "vocabulary.json")


@real
def test_music_is_written_and_drawn(tapehead, tmp_path, monkeypatch):
    words = ["train", "jsb-chorales", "gru", *TINY, "--task.max-length", "20"]
    assert main([*words, "--out", str(tmp_path / "run")]) == 0
    data = os.environ["TAPEHEAD_DATA"]
    monkeypatch.setenv("TAPEHEAD_DATA", str(tmp_path))
    shown = tapehead("generate", tmp_path / "run", "--length", "16", "--data-dir", data)
    assert shown.status == 0
    assert (tmp_path / "run" / "generated.mid").read_bytes().startswith(b"MThd")
    assert (tmp_path / "run" / "generated.png").read_bytes().startswith(b"\x89PNG")
    shown = tapehead("generate", tmp_path / "run", "--prompt", "a")
    assert shown.err == "tapehead: error: generate: --prompt is for text; leave it out for music\n"
    shown = tapehead("generate", tmp_path / "run", "--out", tmp_path / "none" / "a.mid")
    assert shown.status == 2
    assert "cannot write" in shown.err
