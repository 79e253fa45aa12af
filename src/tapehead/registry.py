"""Named parts: what a name on the command line or in a config stands for."""

from collections.abc import Iterator, Mapping
from typing import Generic, TypeVar

from tapehead.errors import UserError, nearest

Part = TypeVar("Part")


class Registry(Mapping[str, Part], Generic[Part]):
    """A read-only table from names to parts of one kind, whose errors suggest the nearest name.

    Registering a part is one line in its kind's table; it then appears in the command line, in
    the conformance tests and in the documentation.
    """

    def __init__(self, kind: str, parts: Mapping[str, Part]):
        self.kind = kind
        self._parts = dict(parts)

    def __getitem__(self, name: str) -> Part:
        try:
            return self._parts[name]
        except KeyError:
            known = ", ".join(self._parts)
            raise UserError(
                f"unknown {self.kind} '{name}'{nearest(name, self._parts)} (known: {known})"
            ) from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._parts)

    def __len__(self) -> int:
        return len(self._parts)

    def name_of(self, part: object) -> str:
        """The name under which the type of `part` is registered."""
        for name, registered in self._parts.items():
            if registered is type(part):
                return name
        raise UserError(f"{type(part).__name__} is not a registered {self.kind}")
