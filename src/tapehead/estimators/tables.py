"""Tables from CSV and Parquet files, with errors that name what is wrong with them."""

import csv
import io
from pathlib import Path
from typing import Any

import pandas as pd

from tapehead.datasets.reading import read_text
from tapehead.errors import UserError

SUFFIXES = (".csv", ".csv.gz", ".parquet")


def read_table(path: Path | str) -> pd.DataFrame:
    """The table in a CSV file in UTF-8, gzipped or not, or in a Parquet file.

    **Raises:** `UserError` if it is missing, empty, in a broken encoding, or a row of it has more
    or fewer fields than the head.
    """
    path = Path(path)
    if not path.name.endswith(SUFFIXES):
        raise UserError(f"{path}: expected a file whose name ends in {', '.join(SUFFIXES)}")
    if not path.is_file():
        raise UserError(f"{path}: is no file")
    if path.suffix == ".parquet":
        try:
            table = pd.read_parquet(path)
        except Exception as error:  # each engine fails in its own way on a damaged file
            raise UserError(f"{path}: not a Parquet file ({type(error).__name__})") from None
    else:
        table = _read_csv(path)
    if not len(table):
        raise UserError(f"{path}: has no rows")
    return table


def _read_csv(path: Path) -> pd.DataFrame:
    text = read_text(path).removeprefix("\ufeff")
    if not text.strip():
        raise UserError(f"{path}: is empty")
    head: list[str] = []
    try:
        for row in (reader := csv.reader(io.StringIO(text))):
            if not head:
                head = row
                continue
            if row and len(row) != len(head):
                raise UserError(
                    f"{path}: line {reader.line_num} has {len(row)} fields where the head has "
                    f"{len(head)}"
                )
    except csv.Error as error:
        raise UserError(f"{path}: not CSV ({error})") from None
    twice = {name for name in head if head.count(name) > 1}
    if twice:
        raise UserError(f"{path}: has two columns '{min(twice)}'")
    try:
        return pd.read_csv(io.StringIO(text))
    except (ValueError, OverflowError) as error:
        raise UserError(f"{path}: not CSV ({' '.join(str(error).split())})") from None


def written(table: pd.DataFrame, path: Path | str | None) -> str:
    """A table as CSV: the text, or what says where it was written, if there is a `path`.

    **Raises:** `UserError` if it cannot be written.
    """
    if path is None:
        return table.to_csv(index=False)
    try:
        table.to_csv(path, index=False)
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror or error}") from None
    return f"predictions: {path}\n"


def described(table: pd.DataFrame) -> tuple[list[str], list[list[str]]]:
    """What the columns of a table hold, as a table of texts."""
    rows = []
    for name in table.columns:
        column: Any = table[name]
        if pd.api.types.is_numeric_dtype(column):
            shown = f"{column.min():.5g} to {column.max():.5g}, mean {column.mean():.5g}"
        else:
            shown = f"{column.nunique()} different"
        rows.append([str(name), str(column.dtype), str(int(column.isna().sum())), shown])
    return ["column", "type", "missing", "values"], rows
