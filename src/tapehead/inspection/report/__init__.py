"""`write_report`: a run as one page that opens anywhere."""

from pathlib import Path

from tapehead.errors import UserError
from tapehead.inspection.report.collect import collect
from tapehead.inspection.report.content import Content
from tapehead.inspection.report.page import render
from tapehead.training import Run

__all__ = ["Content", "collect", "render", "write_report"]


def write_report(run: Run) -> Path:
    """Write `report.html` into the run's folder: one file that opens offline and loads nothing.

    It shows learning curves, the generalisation curve, evaluations, worked examples, the memory
    (or the hidden state) over time, and the command that repeats the run. An older report is
    replaced.

    **Returns:** where it lies.

    **Raises:** `UserError` if it cannot be written.
    """
    page = render(collect(run))
    path = run.folder / "report.html"
    beside = path.with_suffix(".html.new")
    try:
        try:
            beside.write_text(page, encoding="utf-8")
            beside.replace(path)
        finally:
            beside.unlink(missing_ok=True)
    except OSError as error:
        raise UserError(
            f"report: cannot write {path}: {error.strerror}; make room or mend the folder, then "
            f"run `tapehead report {run.folder}`"
        ) from error
    return path
