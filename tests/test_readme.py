"""Every command and every piece of Python that the README shows works as it stands."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

README = (Path(__file__).parent.parent / "README.md").read_text()
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", README, re.DOTALL)
SHELL = [line for kind, block in BLOCKS if kind == "sh" for line in block.strip().splitlines()]
PYTHON = [block for kind, block in BLOCKS if kind == "python"]

# Continuous integration makes the environment with the second of these and is itself what it runs.
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


def test_every_command_in_order(tmp_path):
    """As a user would: each in a process of its own, and the main job as the compiler likes it."""
    plain = {name: value for name, value in os.environ.items() if name != "XLA_FLAGS"}
    book = tmp_path / "text.txt"
    book.write_text(README, encoding="utf-8")
    commands = [
        [word.replace("/path/to/a/text.txt", str(book)) for word in words]
        for words in tapehead_commands()
    ]
    assert commands[0] == ["train", "copy", "dnc"]
    for words in commands:
        done = subprocess.run(
            [sys.executable, "-m", "tapehead", *words],
            cwd=tmp_path,
            env=plain if words == commands[0] else os.environ,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, f"tapehead {shlex.join(words)}: {done.stderr}"
        if words == commands[0]:
            assert "solved at update" in done.stdout + done.stderr
            assert (tmp_path / "runs/copy-dnc-1/report.html").stat().st_size > 10_000


@pytest.mark.parametrize("block", PYTHON, ids=range(len(PYTHON)))
def test_python(block):
    exec(compile(block, "README.md", "exec"), {"__name__": "readme"})
