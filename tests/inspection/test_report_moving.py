"""The report's pictures of stacks and tapes."""

import numpy as np

from tapehead.inspection.report.memory import moving_groups
from tapehead.inspection.trace import Trace


def told(kind, rows, actions):
    fields = {f"memory.{kind}": rows, "interface.actions": actions}
    (group,) = moving_groups(Trace(rows[:, 0], rows[:, 0], fields))
    return group["panels"]


def test_a_stack_is_shown_down_to_its_deepest_row():
    rows = np.zeros((3, 1, 9, 2), np.float32)
    rows[0, 0, 0] = rows[1, 0, 0] = rows[1, 0, 1] = 1
    actions, contents = told("stacks", rows, np.full((3, 1, 3), 1 / 3, np.float32))
    assert actions["names"] == ["push", "pop", "no-op"]
    assert contents["data"]["shape"] == [3, 2]


def test_a_tape_is_shown_around_its_head():
    rows = np.zeros((3, 2, 9, 2), np.float32)
    rows[0, 0, 1] = rows[2, 0, -2] = 1
    first, contents, second, empty = told("tapes", rows, np.full((3, 2, 5), 0.2, np.float32))
    assert (first["title"], second["title"]) == ("Actions, tape 1", "Actions, tape 2")
    assert first["names"][-1] == "jump right"
    # Two rows to the left of the head, its own, and one to the right.
    assert contents["data"]["shape"] == [3, 4]
    assert empty["data"]["shape"] == [3, 1]


def test_other_networks_have_none():
    assert moving_groups(Trace(np.zeros((3, 1)), np.zeros((3, 1)), {})) == []
