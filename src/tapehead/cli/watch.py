"""`tapehead watch MODEL`: scores and alarms for observations as they come in on stdin."""

import csv
import json
import math
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any

from tapehead.cli.options import Parser
from tapehead.errors import UserError, nearest


def parser() -> Parser:
    """The parser of this command."""
    made = Parser(
        "watch",
        "MODEL [options]",
        "Read observations from stdin, a line each: CSV with a head, JSON objects, or plain "
        "numbers. Print, as CSV and at once, the score of each, whether it is an alarm, and the "
        "columns that caused it. Lines that cannot be read are named on stderr and passed over. "
        "With a model of several series (--id) each id is watched by itself.",
    )
    made.add_argument("model", metavar="MODEL", type=Path, help="the folder of a detector")
    made.option("--alarms", action="store_true", help="print alarms only")
    made.option(
        "--state",
        metavar="FILE",
        type=Path,
        help="go on from what FILE holds, if it is there, and write it when the input ends",
    )
    return made


def run(args: Sequence[str]) -> int:
    """The command; returns the exit status."""
    given = parser().read(args)
    from tapehead.estimators import AnomalyDetector, load

    model = load(given.model)
    if not isinstance(model, AnomalyDetector):
        raise UserError(f"watch: {given.model} is a {model.kind}; expected a detector")
    if given.state is not None and model.id is not None:
        raise UserError("watch: --state is for models of one series, without an id")
    path = given.state if given.state is not None and given.state.exists() else None
    watcher = Watcher(model, model.stream(path=path), given.alarms)
    try:
        watcher.watch(sys.stdin.buffer)
    except KeyboardInterrupt:
        pass  # the usual end of watching
    finally:
        if given.state is not None:
            watcher.stream.save(given.state)
    return 0


class Watcher:
    """A detector's stream, or one for each id, and where to say what it finds."""

    def __init__(self, model: Any, stream: Any, alarms: bool):
        self.model, self.stream, self.alarms = model, stream, alarms
        self.fresh, self.streams = stream.fork(), {}
        self.out = csv.writer(sys.stdout, lineterminator="\n")
        # What says which observation it was is passed through.
        self.marks = [str(name) for name in (model.id, model.time) if name is not None]

    def watch(self, lines: IO[bytes]) -> None:
        """Read lines until they end."""
        self.tell(["line", *self.marks, "score", "alarm", "columns"])
        for number, observation in observations(lines):
            try:
                if isinstance(observation, UserError):
                    raise observation
                self.feed(number, observation)
            except UserError as error:
                print(f"tapehead: line {number}: {error}", file=sys.stderr, flush=True)

    def tell(self, cells: list[Any]) -> None:
        """Print a line at once."""
        self.out.writerow(cells)
        sys.stdout.flush()

    def feed(self, number: int, observation: list[Any] | dict[str, Any]) -> None:
        """Judge an observation: cells by name, or in the order of the model's columns."""
        schema, stream, marks, key = self.model.schema_, self.stream, [], None
        if isinstance(observation, dict):
            marks = [observation.get(name, "") for name in self.marks]
        if self.model.id is not None:
            key = observation.get(str(self.model.id)) if isinstance(observation, dict) else None
            if key in (None, ""):
                raise UserError(f"has no '{self.model.id}'")
            stream = self.streams.get(str(key)) or self.fresh.fork()
        cells = row(observation, schema)
        verdict = stream.feed(cells if schema.form == "table" else list(cells.values()))
        if key is not None:
            self.streams[str(key)] = stream
        if self.alarms and not verdict.alarm:
            return
        columns = " ".join(self.model.blamed(verdict.surprise[None])) if verdict.alarm else ""
        score = "" if math.isnan(verdict.score) else f"{verdict.score:.6g}"
        self.tell([number, *(marks or [""] * len(self.marks)), score, int(verdict.alarm), columns])


def row(observation: list[Any] | dict[str, Any], schema: Any) -> dict[str, Any]:
    """The model's columns of an observation; others are passed over.

    **Raises:** `UserError` for one that is missing, and for what should be a number and is none.
    """
    # Rows of numbers are sequences of one column, whatever the head calls it.
    names = ["value"] if schema.form == "scalars" else schema.names
    if isinstance(observation, dict) and schema.form != "table":
        observation = list(observation.values())
    if isinstance(observation, list):
        if len(observation) != len(names):
            raise UserError(f"has {len(observation)} fields, expected {len(names)}")
        observation = dict(zip(names, observation, strict=True))
    made: dict[str, Any] = {}
    for name in names:
        if name not in observation:
            raise UserError(f"has no column '{name}'{nearest(name, observation)}")
        value = observation[name]
        if value is None or (isinstance(value, str) and not value.strip()):
            value = None if name in schema.categories else math.nan
        elif name in schema.categories:
            value = str(value)
        else:
            value = number_of(value, name)
        made[name] = value
    return made


def number_of(value: Any, name: str) -> float:
    """A cell as a number."""
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        raise UserError(f"{value!r} in column '{name}' is not a number") from None


def observations(lines: IO[bytes]) -> Iterator[tuple[int, Any]]:
    """The number of each line and what it holds: cells, by name if there is a head, or an error.

    A line that is no JSON is CSV; the first of these is the head, unless all in it are numbers.
    """
    head: list[str] | None = None
    for number, content in enumerate(iter(lines.readline, b""), 1):
        try:
            text = content.decode().strip().removeprefix("\ufeff")
        except UnicodeDecodeError as error:
            yield number, UserError(f"not UTF-8: byte 0x{content[error.start]:02x}")
            continue
        if not text:
            continue
        if text[0] in "{[":
            yield number, _json(text)
            continue
        try:
            (cells,) = csv.reader([text], strict=True)
        except (csv.Error, ValueError) as error:
            yield number, UserError(f"not CSV ({error})")
            continue
        if head is None:
            head = [] if all(map(_is_number, cells)) else [cell.strip() for cell in cells]
            if head:
                continue
        if head and len(cells) != len(head):
            fields = f"{len(cells)} fields where the head has {len(head)}"
            yield number, UserError(f"has {fields}")
        else:
            yield number, dict(zip(head, cells, strict=True)) if head else list(cells)


def _json(text: str) -> Any:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        return UserError(f"not JSON ({error})")
    return found


def _is_number(cell: str) -> bool:
    try:
        float(cell or "nan")
    except ValueError:
        return False
    return True
