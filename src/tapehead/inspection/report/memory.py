"""The memory over time, as the papers show it: heads, gates, usage, contents and links."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from tapehead.inspection.report.pack import pack
from tapehead.inspection.report.panels import Frame, Panel, frames, panel
from tapehead.inspection.trace import Trace

Numbers = tuple[float, float]


@dataclass(frozen=True)
class Shown:
    """One recorded field and how it is told.

    **Attributes:**

    - `field`: its name in the trace, a dotted tail.
    - `title`, `note`: what it is, and what to look for.
    - `rows`: what its last axis counts; `"slot"` gives every head a panel of its own, anything
        else one panel with a row for each head and entry.
    - `entries`: names of the last axis's entries; none for a single number a head.
    - `span`: the ends of its scale; `None` for those of the values.
    """

    field: str
    title: str
    note: str
    rows: Literal["slot", "head"] = "head"
    entries: Callable[[int], list[str]] | None = None
    span: Numbers | None = (0.0, 1.0)


def shift_names(count: int) -> list[str]:
    """Names of shifts: `-1`, `0`, `+1`."""
    return [f"{shift:+d}" if shift else "0" for shift in range(-(count // 2), count // 2 + 1)]


def mode_names(count: int) -> list[str]:
    """Names of read modes: the backward links, by content, then the forward links."""
    half = count // 2
    several = half > 1
    back = [f"back {h + 1}" if several else "back" for h in range(half)]
    return [*back, "content", *(name.replace("back", "forward") for name in back)]


GROUPS: dict[str, tuple[Shown, ...]] = {
    "Writing": (
        Shown(
            "memory.write_weights",
            "Write weights",
            "Where the head wrote: one row a slot, the stronger the more was written. Neat copying "
            "shows as one strong cell a step, each in a slot of its own.",
            rows="slot",
        ),
        Shown(
            "interface.write_gates",
            "Write gates",
            "How much was written at all: 1 writes, 0 leaves the memory alone.",
        ),
        Shown(
            "interface.allocation_gates",
            "Allocation gates",
            "How the place was found: 1 takes a free slot, 0 looks for a slot by its content.",
        ),
        Shown(
            "interface.interpolation_gates",
            "Interpolation gates",
            "1 adds to the rows that the head last read; 0 writes into the slot used least.",
        ),
        Shown(
            "memory.write.gate",
            "Interpolation gates",
            "1 looks for a slot by its content; 0 starts from the place of the step before.",
        ),
        Shown(
            "memory.write.shift",
            "Shifts",
            "How far the head then moves along the slots: +1 goes to the next one.",
            entries=shift_names,
        ),
        Shown(
            "memory.write.sharpness",
            "Sharpness",
            "How strongly the weights are focused in the end: 1 leaves them as they are.",
            span=None,
        ),
    ),
    "Reading": (
        Shown(
            "memory.read_weights",
            "Read weights",
            "Where the head read. Compare with the write weights: recalling in order visits the "
            "same slots in the same order.",
            rows="slot",
        ),
        Shown(
            "interface.read_modes",
            "Read modes",
            "How the place was found: by going back or forward along the order of writing, or by "
            "content.",
            entries=mode_names,
        ),
        Shown(
            "memory.read.gate",
            "Interpolation gates",
            "1 looks for a slot by its content; 0 starts from the place of the step before.",
        ),
        Shown(
            "memory.read.shift",
            "Shifts",
            "How far the head then moves along the slots: +1 goes to the next one.",
            entries=shift_names,
        ),
        Shown(
            "memory.read.sharpness",
            "Sharpness",
            "How strongly the weights are focused in the end: 1 leaves them as they are.",
            span=None,
        ),
    ),
    "Which slots are free": (
        Shown(
            "memory.usage",
            "Usage",
            "How far each slot is in use: it rises when the slot is written and falls when a "
            "read head frees it.",
            rows="slot",
        ),
        Shown(
            "memory.allocation",
            "Allocation",
            "Where the next free slot is: the least used slot is offered to the write head.",
            rows="slot",
        ),
        Shown(
            "interface.free_gates",
            "Free gates",
            "1 gives back what the read head read at the step before; 0 keeps it.",
        ),
    ),
}


FIELDS = (
    "memory.memory",
    "memory.link",
    *(shown.field for fields in GROUPS.values() for shown in fields),
)
"""Everything a report tells of a memory."""


def field_panels(shown: Shown, values: np.ndarray) -> list[Panel]:
    """The panels of one field: `(time, slots)`, `(time, heads)` or with both axes."""
    if shown.rows == "slot":
        if values.ndim == 2:
            values = values[:, None]
        heads = values.shape[1]
        return [
            panel(
                f"{shown.title}, head {head + 1}" if heads > 1 else shown.title,
                values[:, head],
                rows="slot",
                note=shown.note if head == 0 else "",
                span=shown.span,
                slots=True,
            )
            for head in range(heads)
        ]
    if shown.entries is None:
        values = values[..., None]
        entries = [""]
    else:
        entries = shown.entries(values.shape[-1])
    heads = values.shape[1]
    of = [f"head {head + 1}" for head in range(heads)] if heads > 1 else [""]
    names = [f"{head} {entry}".strip() for head in of for entry in entries]
    span = shown.span or (0.0, float(values.max()))
    flat = values.reshape(len(values), -1)
    return [panel(shown.title, flat, rows="head", names=names, note=shown.note, span=span)]


def memory_groups(trace: Trace) -> list[dict[str, Any]]:
    """Panels of all that the trace of one sequence holds, by theme."""
    groups = []
    for title, fields in GROUPS.items():
        panels = [
            drawn
            for shown in fields
            for values in trace.find_all(shown.field).values()
            for drawn in field_panels(shown, np.asarray(values))
        ]
        if panels:
            groups.append({"title": title, "panels": panels})
    return groups


ACTIONS = {
    "stacks": ("push", "pop", "no-op"),
    "tapes": ("stay", "left", "right", "jump left", "jump right"),
}
"""What can be done to memories whose rows move, by the field that holds the rows."""


def moving_groups(trace: Trace) -> list[dict[str, Any]]:
    """Stacks and tapes: what was done to each, and how much every row that was used then held."""
    panels = []
    for kind, actions in ACTIONS.items():
        for rows in trace.find_all(f"memory.{kind}").values():
            held = np.linalg.norm(np.asarray(rows), axis=-1)
            taken = np.asarray(trace.find("interface.actions"))
            for head in range(held.shape[1]):
                of = f", {kind[:-1]} {head + 1}" if held.shape[1] > 1 else ""
                panels.append(
                    panel(
                        f"Actions{of}",
                        taken[:, head],
                        rows="action",
                        names=list(actions[: taken.shape[-1]]),
                        span=(0, 1),
                    )
                )
                panels.append(_held_rows(f"Contents{of}", kind, held[:, head]))
    return [{"title": "Stacks and tapes", "panels": panels}] if panels else []


def _held_rows(title: str, kind: str, held: np.ndarray) -> Panel:
    """The rows ever used of `(time, slots)`: a stack from its top, a tape around its head."""
    note = "The length of each row after the step; the top of the stack comes first."
    if kind == "tapes":
        held = np.roll(held, held.shape[1] // 2, axis=1)
        note = "The length of each row after the step, those to the left of the head before it."
    used = np.flatnonzero(held.max(axis=0) > 1e-3 * held.max())
    first = used[0] if kind == "tapes" and used.size else 0
    shown = held[:, first : used[-1] + 1] if used.size else held[:, :1]
    return panel(title, shown, rows="row", note=note, span=(0, float(held.max()) or 1.0))


def memory_frames(trace: Trace) -> list[Frame]:
    """The memory at every step: its contents, and the temporal links of each write head."""
    drawn = []
    for contents in trace.find_all("memory.memory").values():
        _, slots, width = contents.shape
        drawn += frames(
            "Memory contents",
            np.asarray(contents),
            note=f"{slots} slots, one a row, of {width} numbers each, after the step; beside them "
            "where it wrote and where it read.",
            rows="slot",
            columns="contents",
            heads=True,
        )
    for links in trace.find_all("memory.link").values():
        heads = links.shape[1]
        for head in range(heads):
            drawn += frames(
                f"Temporal links, head {head + 1}" if heads > 1 else "Temporal links",
                np.asarray(links[:, head]),
                note="A strong cell says: the row's slot was written right after the column's. "
                "Reading forward goes from column to row.",
                rows="later slot",
                columns="earlier slot",
                span=(0.0, 1.0),
                square=True,
            )
    return drawn


def head_weights(trace: Trace) -> dict[str, Any]:
    """Where the heads are at every step, and their weights' sums, which rounding would lose."""
    told = {}
    for name, field in (("writes", "write_weights"), ("reads", "read_weights")):
        weights = np.asarray(trace.find(f"memory.{field}"))
        told[name] = {"weights": pack(weights, 0, 1), "sums": pack(weights.sum(axis=-1), 0, 1)}
    return told


def slot_order(trace: Trace) -> list[int]:
    """The slots in the order in which they were first written to; the others after them."""
    written = np.asarray(trace.find("memory.write_weights")).max(axis=1)
    first = np.where((written > 0.5).any(axis=0), (written > 0.5).argmax(axis=0), len(written))
    return np.argsort(first, kind="stable").tolist()


def hidden_groups(trace: Trace) -> list[dict[str, Any]]:
    """The state of a network without external memory: every field that has one row a unit.

    What it holds comes first, then what it shows beside that (gates).
    """
    held = ("cell", "hidden")
    names = sorted(trace.fields, key=lambda name: (name.rsplit(".", 1)[-1] not in held, name))
    panels = [
        panel(
            name.rsplit(".", 1)[-1].replace("_", " ").capitalize(),
            np.asarray(trace.fields[name]),
            rows="unit",
            span=(0.0, 1.0) if name.endswith("_gate") else None,
            note=f"In a trace of this network: {name}.",
        )
        for name in names
        if (values := trace.fields[name]).ndim == 2 and np.issubdtype(values.dtype, np.floating)
    ]
    return [{"title": "State", "panels": panels}] if panels else []
