"""Several models on one task under the same budget: one folder, one table, one figure."""

from tapehead.comparison.comparison import Comparison
from tapehead.comparison.figure import write_figures
from tapehead.comparison.table import markdown, table, write_table

__all__ = ["Comparison", "markdown", "table", "write_figures", "write_table"]
