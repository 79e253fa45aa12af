"""A run folder with a network becomes a page; the example looks inside the same network."""

import dataclasses
import json
import runpy
from pathlib import Path

import equinox as eqx
import jax
import pytest

from tapehead.inspection.report import collect, render
from tapehead.tasks import Copy
from tapehead.training import Run, suggest

EXAMPLE = Path(__file__).parents[2] / "examples" / "inspect_memory.py"
LINES = [
    {
        "kind": "evaluation",
        "update": 30,
        "set": "test",
        "axis": None,
        "size": None,
        "sequences": 100,
        "metrics": {"wrong_bits": [2.0, 0.0], "bit_accuracy": [0.5, 1.0]},
        "solved": [False, True],
    },
    {"kind": "end", "update": 30, "outcome": "budget", "solved_at": [None, 20]},
]


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Run:
    """A run of two small DNCs, as they were drawn: nothing is trained."""
    config = suggest("copy", "dnc")
    model = dataclasses.replace(config.model, slots=5, width=3, controller_size=4)
    task = Copy(max_length=2, bits=2)
    config = dataclasses.replace(config, task=task, model=model, seeds=2)
    made = Run.create(tmp_path_factory.mktemp("runs") / "copy-dnc-1", config, "tapehead train")

    def arrays(key):
        built = model.build(task.input_size, task.output_size, key=key)
        return eqx.filter(built, eqx.is_array)

    quickly = jax.jit(jax.vmap(arrays), compiler_options={"xla_backend_optimization_level": 0})
    made.save_models(quickly(jax.random.split(jax.random.key(0), 2)))
    (made.folder / "metrics.jsonl").write_text("".join(json.dumps(x) + "\n" for x in LINES))
    return made


def test_the_page_holds_the_network_that_solved_the_task(run):
    told = collect(run)
    assert told.shown == "From network 2 of 2."
    assert [one["title"] for one in told.examples] == [
        *("length 2, no. 1", "length 2, no. 2"),
        *("length 5, no. 1", "length 5, no. 2"),
    ]
    assert [one["steps"] for one in told.examples] == [5, 5, 11, 11]
    assert told.external
    assert [one["start"] for one in told.memory] == [2, 5]
    assert [frame["title"] for frame in told.memory[0]["frames"]] == [
        "Memory contents",
        "Temporal links",
    ]
    parameters = run.model(1)
    count = sum(x.size for x in jax.tree.leaves(eqx.filter(parameters, eqx.is_array)))
    assert any(tile.value == f"{count:,}" for tile in told.tiles)
    assert len(render(told)) < 3_000_000


def test_the_example_tells_what_the_memory_did(run, capsys):
    runpy.run_path(str(EXAMPLE))["main"](run.folder)
    told = capsys.readouterr().out
    assert "memory.usage" in told
    steps = [line for line in told.splitlines() if line[:4].strip().isdigit()]
    assert len(steps) == 5
    assert steps[2].split()[:2] == ["3", "..#"]
    assert len(EXAMPLE.read_text(encoding="utf-8").splitlines()) < 100
