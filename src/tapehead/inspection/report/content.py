"""`Content`: all that a report says and shows, before it is made into a page."""

from dataclasses import dataclass, field
from typing import Any, Literal


@dataclass(frozen=True)
class Tile:
    """One number worth knowing.

    **Attributes:** `label` says what it is, `value` is the number as people read it, and `note`
    puts it in place.
    """

    label: str
    value: str
    note: str = ""


@dataclass(frozen=True)
class Row:
    """One evaluation: the set's name, and under each metric's name a text and its spread."""

    name: str
    cells: dict[str, tuple[str, str]]


@dataclass(frozen=True)
class Passage:
    """A text with a shade behind every piece.

    **Attributes:**

    - `title`: what it is.
    - `pieces`: of each the text, a shade from -1 to 1, and what that says in words.
    """

    title: str
    pieces: list[tuple[str, float, str]]


@dataclass(frozen=True)
class Thought:
    """A text with the sub-steps that were taken over every symbol of it.

    **Attributes:**

    - `title`: what it is.
    - `taken`: every symbol as text, and its sub-steps.
    """

    title: str
    taken: list[tuple[str, float]]


@dataclass(frozen=True)
class Content:
    """All that a report says and shows.

    Charts, sequences and cards are plain data for the page's script (`charts.py`, `panels.py`,
    `examples.py`); whatever is empty is left out of the page.

    **Attributes:**

    - `title`: task and model; `kicker`: the small line above it.
    - `outcome`: how it ended, in one sentence; `standing` colours it.
    - `tiles`: the numbers worth knowing.
    - `learning`, `generalisation`: charts, one for each metric.
    - `axis`: what grows in the generalisation curve.
    - `evaluations`: the table, `metrics` its columns.
    - `shown`: which network the examples come from, as a sentence.
    - `examples`: sequences with input, target and output.
    - `cards`: classified inputs; `confusion`: how often each class was taken for each; `classes`:
        their names.
    - `sightings`: a chart of accuracy by sighting; the cards are then those of one episode.
    - `passages`: texts shaded by what the network made of them; `samples`: texts it made up;
        `thoughts`: texts with how long it thought over every symbol.
    - `memory`: sequences with what the memory held; `external`: whether it is an external memory.
    - `settings`: tables by title.
    - `command`: repeats the run; `versions`: of the libraries that made it.
    """

    title: str
    kicker: str
    outcome: str
    standing: Literal["solved", "failed", ""]
    tiles: list[Tile]
    learning: list[dict[str, Any]]
    generalisation: list[dict[str, Any]]
    axis: str
    evaluations: list[Row]
    metrics: list[str]
    shown: str
    settings: dict[str, dict[str, str]]
    command: str
    versions: dict[str, str]
    examples: list[dict[str, Any]] = field(default_factory=list)
    cards: list[dict[str, Any]] = field(default_factory=list)
    confusion: list[list[int]] = field(default_factory=list)
    classes: list[str] = field(default_factory=list)
    sightings: list[dict[str, Any]] = field(default_factory=list)
    passages: list[Passage] = field(default_factory=list)
    samples: list[Passage] = field(default_factory=list)
    thoughts: list[Thought] = field(default_factory=list)
    memory: list[dict[str, Any]] = field(default_factory=list)
    external: bool = False
