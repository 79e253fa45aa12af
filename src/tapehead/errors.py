"""The one exception for mistakes a user can mend."""

import difflib
from collections.abc import Iterable


class UserError(ValueError):
    """A mistake in what the user gave: one line that names it, what was expected and the mend.

    The command line prints the message and exits with status 2; library users catch it as a
    `ValueError`.
    """


def nearest(name: str, known: Iterable[str]) -> str:
    """`"; did you mean 'copy'?"` for the known name nearest to `name`, or an empty string."""
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f"; did you mean '{close[0]}'?" if close else ""


def at_least(owner: str, minimum: float, **values: float) -> None:
    """Refuse any of the named `values` that is below `minimum`.

    Raises `UserError`, e.g. `DNC: slots must be at least 1, got 0`.
    """
    for name, value in values.items():
        if not value >= minimum:
            raise UserError(f"{owner}: {name} must be at least {minimum}, got {value}")


def within(owner: str, low: float, high: float, **values: float) -> None:
    """Refuse any of the named `values` outside the closed interval [low, high]."""
    for name, value in values.items():
        if not low <= value <= high:
            raise UserError(f"{owner}: {name} must be between {low} and {high}, got {value}")


def above(owner: str, low: float, **values: float) -> None:
    """Refuse any of the named `values` that is not above `low`.

    Raises `UserError`, e.g. `LRU: phase must be above 0, got 0`.
    """
    for name, value in values.items():
        if not value > low:
            raise UserError(f"{owner}: {name} must be above {low}, got {value}")


def between(owner: str, low: float, high: float, **values: float) -> None:
    """Refuse any of the named `values` outside the open interval (low, high).

    Raises `UserError`, e.g. `Ponder: epsilon must be above 0 and below 1, got 1.0`.
    """
    for name, value in values.items():
        if not low < value < high:
            raise UserError(f"{owner}: {name} must be above {low} and below {high}, got {value}")


def among(owner: str, known: Iterable[str], **values: str) -> None:
    """Refuse any of the named `values` that is not one of the `known` words.

    Raises `UserError`, e.g. `Elman: activation must be one of tanh, relu, got 'rely'; did you mean
    'relu'?`.
    """
    known = tuple(known)
    for name, value in values.items():
        if value not in known:
            raise UserError(
                f"{owner}: {name} must be one of {', '.join(known)}, got '{value}'"
                f"{nearest(str(value), known)}"
            )


def multiple_of(owner: str, unit: str, size: int, **values: int) -> None:
    """Refuse any of the named `values` that is not a multiple of `size`, which `unit` names.

    Raises `UserError`, e.g. `SLSTM: hidden must be a multiple of heads, got 6 and 4`.
    """
    for name, value in values.items():
        if value % size:
            raise UserError(f"{owner}: {name} must be a multiple of {unit}, got {value} and {size}")
