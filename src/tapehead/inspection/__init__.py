"""What a network did: its state over time, figures of it, and the report of a run."""

from tapehead.inspection.trace import Trace, fields_of, trace

__all__ = ["Trace", "fields_of", "trace"]
