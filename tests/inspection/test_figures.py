"""Figures show the numbers they are given."""

import subprocess
import sys

import numpy as np
import pytest
from ideal import copying

from tapehead.errors import UserError
from tapehead.inspection import Trace, figures
from tapehead.sequences import Sequences
from tapehead.tasks import Copy, MnistRows

pytest.importorskip("matplotlib")

TARGETS, WEIGHTS, TRACE = copying(5, slots=8, width=6)


def shown(axes):
    """The numbers of a heat map, as (columns, rows)."""
    return np.asarray(axes.images[0].get_array()).T


def test_heads_shows_write_and_read_weights():
    write, read = figures.heads(TRACE).axes[:2]
    assert (write.get_title(), read.get_title()) == ("Write weights", "Read weights")
    np.testing.assert_array_equal(shown(write), TRACE.find("write_weights")[:, 0])
    np.testing.assert_array_equal(shown(read), TRACE.find("read_weights")[:, 0])
    assert (write.get_xlabel(), write.get_ylabel()) == ("step", "slot")


def test_gates_names_every_gate():
    axes = figures.gates(TRACE).axes[0]
    assert [t.get_text() for t in axes.get_yticklabels()] == [
        "allocation gate",
        "free gate",
        "write gate",
    ]
    np.testing.assert_array_equal(shown(axes)[:, 0], TRACE.find("allocation_gates")[:, 0])


def test_memory_shows_contents_at_the_steps_asked_for():
    first, last = figures.memory(TRACE, steps=[0, 10]).axes[:2]
    contents = TRACE.find("memory.memory")
    np.testing.assert_array_equal(shown(first), contents[0].T)
    np.testing.assert_array_equal(shown(last), contents[10].T)
    assert first.images[0].get_clim() == last.images[0].get_clim()
    with pytest.raises(UserError, match="step must be between 0 and 10, got 11"):
        figures.memory(TRACE, steps=[11])


def test_links_has_the_later_slot_as_row():
    axes = figures.links(TRACE, step=4).axes[0]
    np.testing.assert_array_equal(np.asarray(axes.images[0].get_array()), TRACE.find("link")[4, 0])
    assert axes.get_ylabel() == "slot written later"


def test_fields_shows_what_is_named():
    figure = figures.fields(TRACE, "usage", "controller.*")
    assert [a.get_title() for a in figure.axes[:2]] == ["memory.usage", "controller.hidden"]
    with pytest.raises(UserError, match=r"none of usge names a field .* \(recorded: "):
        figures.fields(TRACE, "usge")


def test_example_crosses_wrong_bits():
    sequence = Sequences(TRACE.inputs, TARGETS, WEIGHTS)
    output = figures.example(Copy(), sequence, TRACE.outputs).axes[2]
    assert output.get_title() == "Output: probability of a 1 (1 of 40 bits wrong)"
    np.testing.assert_array_equal(output.lines[0].get_xydata(), [[8, 2]])
    with pytest.raises(UserError, match="example draws bits, but MnistRows gives classes"):
        figures.example(MnistRows(), sequence, TRACE.outputs)


def test_a_batch_is_refused():
    batch = Trace(TRACE.inputs, TRACE.outputs, {k: v[:, None] for k, v in TRACE.fields.items()})
    with pytest.raises(UserError, match=r"expected the trace of one sequence, .*trace\.lane\(0\)"):
        figures.heads(batch)


LINES = [
    {"kind": "train", "update": u, "metrics": {"loss": [1.0 / u, 2.0 / u, 4.0 / u]}}
    for u in (1, 10, 100)
] + [
    {
        "kind": "evaluation",
        "update": 100,
        "set": f"length {n}",
        "size": n,
        "metrics": {"sequence_accuracy": [1.0, 0.5, 0.25]},
    }
    for n in (10, 40)
]


def test_learning_curves_draw_every_network_and_the_median():
    axes = figures.learning_curves(LINES).axes[0]
    assert len(axes.lines) == 4
    np.testing.assert_allclose(axes.lines[3].get_ydata(), [2.0, 0.2, 0.02])
    assert axes.get_yscale() == "log"
    with pytest.raises(UserError, match="the metrics hold no 'bits' by update"):
        figures.learning_curves(LINES, "bits")


def test_generalisation_curve_shades_what_was_trained_on():
    axes = figures.generalisation_curve(LINES, Copy(min_length=2, max_length=20)).axes[0]
    np.testing.assert_allclose(axes.lines[-1].get_xydata(), [[10, 0.5], [40, 0.5]])
    assert axes.patches[0].get_x() == 2
    assert axes.patches[0].get_width() == 18


def test_without_matplotlib_one_line_says_what_to_install():
    code = (
        "import sys; sys.modules['matplotlib'] = sys.modules['matplotlib.figure'] = None\n"
        "from tapehead.errors import UserError\n"
        "from tapehead.inspection import figures\n"
        "try:\n    figures.learning_curves([{'kind': 'train', 'update': 1, "
        "'metrics': {'loss': [1.0]}}])\n"
        "except UserError as error:\n    print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == (
        "figures: matplotlib is not installed; `pip install 'tapehead[viz]'` brings it"
    )
