"""Evaluations as a table on stdout."""

from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.table import Table

from tapehead.inspection.measures import Lines
from tapehead.inspection.report.story import evaluation_rows


def evaluation_table(lines: Lines) -> Table:
    """A row for each test set, with the last evaluation of it that `lines` hold.

    `lines` are as in `metrics.jsonl`; the numbers are those of the run's report.
    """
    rows, metrics = evaluation_rows(lines)
    spread = any(spread for row in rows for _, spread in row.cells.values())
    table = Table(caption="median (lowest to highest) of the networks" if spread else None)
    table.add_column("test set")
    for metric in metrics:
        table.add_column(metric, justify="right")
    for row in rows:
        cells = [row.cells.get(metric, ("–", "")) for metric in metrics]
        table.add_row(row.name, *(f"{text} ({span})" if span else text for text, span in cells))
    return table


def plain_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> Table:
    """A table of texts, the first column to the left and the others to the right."""
    table = Table()
    for position, column in enumerate(columns):
        table.add_column(column, justify="right" if position else "left")
    for cells in rows:
        table.add_row(*cells)
    return table


def show(table: Table) -> None:
    """Print a table; where stdout is not a terminal, as wide as it needs to be."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=1000)
    console.print(table)
