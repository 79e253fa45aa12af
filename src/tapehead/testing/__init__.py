"""Conformance checks, public so that users can run them on parts of their own."""

from tapehead.testing.cells import check_cell
from tapehead.testing.estimators import check_estimator
from tapehead.testing.memory import check_memory
from tapehead.testing.rules import check_rule
from tapehead.testing.tasks import check_task

__all__ = ["check_cell", "check_estimator", "check_memory", "check_rule", "check_task"]
