"""Help pages, lists, completion and the version."""

import dataclasses
import shutil
import subprocess
import sys

import pytest

from tapehead.cli import COMMANDS
from tapehead.cli.options import meanings
from tapehead.training.config import PARTS, RunConfig


def test_the_first_page_names_every_command(tapehead):
    shown = tapehead("--help")
    assert shown.status == 0
    assert shown.err == ""
    for name, text in COMMANDS.items():
        assert name in shown.out
        assert text in shown.out


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_a_page(tapehead, command):
    shown = tapehead(command, "--help")
    assert shown.status == 0
    assert shown.err == ""
    assert shown.out.startswith(f"usage: tapehead {command}")


def test_the_page_of_train_names_what_there_is(tapehead):
    page = tapehead("train", "--help").out
    for part in ("task", "model"):
        for name in PARTS[part]:
            assert f"\n  {name} " in page


@pytest.mark.parametrize(("task", "model"), [("copy", "dnc"), ("repeat-copy", "lstm")])
def test_the_page_of_a_task_and_a_model_has_every_setting(tapehead, task, model):
    shown = tapehead("train", task, model, "--help")
    assert shown.status == 0
    page = "".join(shown.out.split())  # lines may be broken anywhere, at hyphens too
    for part, name in {"task": task, "model": model, "optimizer": "adam"}.items():
        cls = PARTS[part][name]
        for field in dataclasses.fields(cls):
            assert f"--{part}.{field.name}".replace("_", "-") in page
            assert "".join(meanings(cls)[field.name].split()) in page
    assert "--task.max-lengthN" in page
    assert "(default:8)" in page


def test_defaults_on_the_page_are_the_presets(tapehead):
    page = " ".join(tapehead("train", "copy", "dnc", "--help").out.split())
    assert "Learning rate, at its highest. (default: 0.01)" in page


@pytest.mark.parametrize(
    "cls",
    [RunConfig, *(cls for registry in PARTS.values() for cls in registry.values())],
    ids=lambda cls: cls.__name__,
)
def test_every_setting_has_a_meaning(cls):
    texts = meanings(cls)
    silent = [f.name for f in dataclasses.fields(cls) if f.init and not texts.get(f.name)]
    assert set(silent) <= set(PARTS)


@pytest.mark.parametrize("kind", ["tasks", "models", "rules", "optimizers"])
def test_lists_have_every_part_with_a_line(tapehead, kind):
    lines = tapehead("list", kind).out.splitlines()
    assert [line.split()[0] for line in lines] == list(PARTS[kind[:-1]])
    assert all(len(line.split()) > 3 for line in lines)


def test_version(tapehead):
    name, number = tapehead("--version").out.split()
    assert name == "tapehead"
    assert number[0].isdigit()


HEAVY = ["evosax", "flax", "huggingface_hub", "matplotlib", "pandas", "pooch", "scipy", "sklearn"]


@pytest.mark.parametrize("words", [["--help"], ["train", "copy", "dnc", "--help"]])
def test_help_is_quick(words):
    """It waits for none of the libraries that only work needs."""
    code = (
        "import sys; from tapehead.cli import main; status = main(sys.argv[1:]); "
        f"sys.exit(status or str([name for name in {HEAVY} if name in sys.modules]))"
    )
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True)
    assert done.stderr.strip() == "[]"


COMPLETIONS = [
    (["tr"], ["train"]),
    (["train", "rep"], ["repeat-copy"]),
    (["train", "copy", "lst"], ["lstm", "lstm-1997"]),
    (["train", "copy", "lstm", "--task.m"], ["--task.min-length", "--task.max-length"]),
    (["train", "copy", "lstm", "--model.hid"], ["--model.hidden"]),
    (["train", "copy", "lstm", "--optimizer.learn"], ["--optimizer.learning-rate"]),
    (["train", "copy", "lstm", "--rule", "tr"], ["truncated-bptt", "truncated-lstm"]),
    (["compare", "copy", "lstm", "mg"], ["mgu"]),
    (["compare", "copy", "lstm", "gru", "--task.b"], ["--task.bits"]),
    (["resume", "--q"], ["--quiet"]),
    (["list", "mo"], ["models"]),
    (["datasets", "ch"], ["check"]),
    (["datasets", "get", "mn"], ["mnist"]),
    (["datasets", "check", "--d"], ["--data-dir"]),
    (["evaluate", "--da"], ["--data-dir"]),
    (["generate", "--da"], ["--data-dir"]),
    (["completion", "b"], ["bash"]),
]


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
def test_bash_completes(tapehead, tmp_path):
    script = tmp_path / "completion.bash"
    script.write_text(tapehead("completion", "bash").out)
    tries = "\n".join(
        f"COMP_WORDS=(tapehead {' '.join(words)}); COMP_CWORD={len(words)}; _tapehead; "
        'echo "${COMPREPLY[*]}"'
        for words, _ in COMPLETIONS
    )
    done = subprocess.run(
        ["bash", "-uc", f"source {script}\n{tries}"], capture_output=True, text=True
    )
    assert done.stderr == ""
    assert [line.split() for line in done.stdout.splitlines()] == [
        expected for _, expected in COMPLETIONS
    ]


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_other_shells_accept_the_script(tapehead, tmp_path, shell):
    script = tmp_path / "completion"
    script.write_text(tapehead("completion", shell).out)
    assert "--optimizer.learning-rate" in script.read_text() or "-l optimizer.learning-rate" in (
        script.read_text()
    )
    if shutil.which(shell):
        subprocess.run([shell, "-n", script], check=True)


@pytest.mark.skipif(shutil.which("fish") is None, reason="needs fish")
def test_fish_completes(tapehead, tmp_path):
    script = tmp_path / "tapehead.fish"
    script.write_text(tapehead("completion", "fish").out)
    tries = "\n".join(f"complete -C 'tapehead {' '.join(w)}'; echo ===" for w, _ in COMPLETIONS)
    done = subprocess.run(
        ["fish", "-c", f"source {script}\n{tries}"], capture_output=True, text=True, check=True
    )
    answers = [
        [line.split("\t")[0] for line in answer.splitlines()]
        for answer in done.stdout.split("===\n")
        if answer
    ]
    assert len(answers) == len(COMPLETIONS)
    for (words, expected), offered in zip(COMPLETIONS, answers, strict=True):
        assert set(expected) <= set(offered), words
