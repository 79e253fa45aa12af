"""Every command and every piece of Python that the README shows works as it stands."""

import re
import shlex
from pathlib import Path

import pytest

from tapehead.cli import main

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", README, re.DOTALL)
SHELL = [line for kind, block in BLOCKS if kind == "sh" for line in block.strip().splitlines()]
PYTHON = [block for kind, block in BLOCKS if kind == "python"]

# These two are what continuous integration does to get here: it makes the environment, and runs
# the tests with the README's own line.
INSTALL = "python3 -m venv .venv && .venv/bin/pip install -q "


def tapehead_commands() -> list[list[str]]:
    """The arguments of every `tapehead ...` shown, in order."""
    commands = []
    for line in SHELL:
        for part in line.split("&&"):
            words = shlex.split(part, comments=True)
            if words and words[0] in ("tapehead", ".venv/bin/tapehead"):
                commands.append(words[1:])
    return commands


def test_the_two_setup_commands():
    first, second = [line for line in SHELL if line.startswith("python3 -m venv")]
    assert first.startswith(INSTALL)
    assert first.endswith(".venv/bin/tapehead train copy dnc")
    assert second.startswith(INSTALL)
    assert ".venv/bin/python -m pytest" in second


def test_every_command_in_order(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    commands = tapehead_commands()
    assert commands[0] == ["train", "copy", "dnc"]
    for words in commands:
        assert main(words) == 0, f"tapehead {shlex.join(words)}: {capsys.readouterr().err}"
        if words == ["train", "copy", "dnc"]:
            shown = capsys.readouterr().out
            assert "solved" in shown
            assert (tmp_path / "runs/copy-dnc-1/report.html").stat().st_size > 10_000


@pytest.mark.parametrize("block", PYTHON, ids=range(len(PYTHON)))
def test_python(block, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    exec(compile(block, "README.md", "exec"), {"__name__": "readme"})
