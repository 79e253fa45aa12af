"""Traces of real memory networks, and what reports and figures make of them."""

import jax
import numpy as np
import pytest

from tapehead.cell import Cell, Chain
from tapehead.cells import Linear
from tapehead.inspection import figures, trace
from tapehead.inspection.report.memory import memory_frames, memory_groups
from tapehead.inspection.trace import Trace
from tapehead.memory.dnc import DNC
from tapehead.memory.ntm import NTM

QUICK = {"xla_backend_optimization_level": 0}
STEPS, BATCH = 4, 2
INPUTS = jax.random.normal(jax.random.key(0), (STEPS, BATCH, 3))
SIZES = {"slots": 6, "width": 4, "read_heads": 2, "write_heads": 2, "controller_size": 5}
MODELS = {
    "dnc": lambda key: DNC(3, 2, **SIZES, key=key),
    "dnc without links": lambda key: DNC(3, 2, **SIZES, links="none", key=key),
    "ntm": lambda key: NTM(3, 2, **SIZES, key=key),
}


@pytest.fixture(scope="module", params=MODELS)
def traced(request) -> tuple[str, Cell, Trace]:
    """A network whose second member is the memory cell, and its trace."""
    keys = jax.random.split(jax.random.key(1), 2)
    model = Chain(Linear(3, 3, key=keys[0]), MODELS[request.param](keys[1]))
    quickly = jax.jit(lambda xs: trace(model, xs), compiler_options=QUICK)
    return request.param, model, quickly(INPUTS)


def test_equals_stepping_by_hand(traced):
    _, model, seen = traced
    state = model.initial_state((BATCH,))
    stepped = jax.jit(
        lambda state, x: (model.observe(state, x)["1"], model.step(state, x)),
        compiler_options=QUICK,
    )
    for t in range(STEPS):
        shown, (state, y) = stepped(state, INPUTS[t])
        held = {
            "outputs": (seen.outputs, y),
            "memory": (seen.find("1.memory.memory"), state[1].memory.memory),
            "read weights": (seen.find("1.memory.read_weights"), state[1].memory.read_weights),
            "hidden": (seen.find("controller.hidden"), state[1].controller.hidden),
            "reads": (seen.find("reads"), state[1].reads),
            "erase": (seen.find("interface.erase"), shown["interface"]["erase"]),
        }
        for name, (recorded, expected) in held.items():
            np.testing.assert_allclose(recorded[t], expected, rtol=2e-5, atol=1e-6, err_msg=name)


def test_every_field_leads_with_time_and_batch(traced):
    _, _, seen = traced
    assert all(values.shape[:2] == (STEPS, BATCH) for values in seen.fields.values())


TITLES = {
    "dnc": [
        *("Write weights, head 1", "Write weights, head 2", "Write gates", "Allocation gates"),
        *("Read weights, head 1", "Read weights, head 2", "Read modes"),
        *("Usage", "Allocation, head 1", "Allocation, head 2", "Free gates"),
    ],
    "dnc without links": [
        *("Write weights, head 1", "Write weights, head 2", "Write gates", "Allocation gates"),
        *("Read weights, head 1", "Read weights, head 2"),
        *("Usage", "Allocation, head 1", "Allocation, head 2", "Free gates"),
    ],
    "ntm": [
        *("Write weights, head 1", "Write weights, head 2"),
        *("Interpolation gates", "Shifts", "Sharpness"),
        *("Read weights, head 1", "Read weights, head 2"),
        *("Interpolation gates", "Shifts", "Sharpness"),
    ],
}


def test_a_report_has_a_panel_for_all_of_it(traced):
    name, _, seen = traced
    one = jax.tree.map(np.asarray, seen.lane(0))
    groups = memory_groups(one)
    assert [panel["title"] for group in groups for panel in group["panels"]] == TITLES[name]
    for group in groups:
        for panel in group["panels"]:
            steps, rows = panel["data"]["shape"]
            assert steps == STEPS
            assert panel["names"] is None or len(panel["names"]) == rows
    contents, *links = memory_frames(one)
    assert contents["data"]["shape"] == [STEPS, 4, 6]
    assert [frame["title"] for frame in links] == (
        ["Temporal links, head 1", "Temporal links, head 2"] if name == "dnc" else []
    )


def test_figures_of_it_can_be_drawn(traced):
    pytest.importorskip("matplotlib")
    name, _, seen = traced
    one = seen.lane(1)
    assert len(figures.heads(one).axes) == 8  # four heads and their colour bars
    assert figures.gates(one).axes
    assert figures.memory(one).axes
    if name == "dnc":
        drawn = figures.links(one).axes[0].images[0].get_array()
        np.testing.assert_array_equal(drawn, one.find("link")[-1, 0])


def test_recording_little_gives_the_same_numbers(traced):
    _, model, seen = traced
    little = trace(model, INPUTS, fields=("memory.memory", "*_weights"))
    assert "1.memory.memory" in little.names
    assert not little.find_all("interface.*")
    expected = seen.find("1.memory.memory")
    np.testing.assert_allclose(little.find("1.memory.memory"), expected, rtol=1e-5, atol=1e-6)
