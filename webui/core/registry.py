"""Open sets with names and aliases, filled through one door."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from typing import Generic, TypeVar

from webui.core.errors import InvalidRequest, listed

T = TypeVar("T")


class Registry(Generic[T]):
    """Named entries in the order they were added; look-ups ignore case and take aliases.

    ``what`` names the kind of entry in error sentences ("sampler").
    """

    def __init__(self, what: str) -> None:
        self.what = what
        self._entries: dict[str, T] = {}
        self._names: dict[str, str] = {}

    def add(self, name: str, entry: T, *, aliases: Iterable[str] = ()) -> T:
        """Add ``entry``; a name or alias already taken by another entry raises ``ValueError``."""
        spellings = [name, *aliases]
        for spelling in spellings:
            taken = self._names.get(spelling.casefold())
            if taken is not None and taken != name:
                raise ValueError(f"The {self.what} name {spelling!r} is taken by {taken!r}.")
        if name in self._entries:
            raise ValueError(f"There is a {self.what} {name!r} already.")
        self._entries[name] = entry
        self._names.update({s.casefold(): name for s in spellings})
        return entry

    def canonical(self, name: str, *, field: str | None = None) -> str:
        """The entry's own name for any spelling of it; ``InvalidRequest`` if there is none."""
        found = self._names.get(name.strip().casefold())
        if found is None:
            raise InvalidRequest(self._unknown(name), field=field)
        return found

    def get(self, name: str, *, field: str | None = None) -> T:
        """The entry of that name or alias; ``InvalidRequest`` naming near ones if there is none."""
        return self._entries[self.canonical(name, field=field)]

    def names(self) -> tuple[str, ...]:
        """Every entry's own name, in the order they were added."""
        return tuple(self._entries)

    def aliases(self, name: str) -> tuple[str, ...]:
        """The other spellings of an entry, in lower case, as they were added."""
        own = self.canonical(name)
        return tuple(s for s, of in self._names.items() if of == own and s != own.casefold())

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name.strip().casefold() in self._names

    def __iter__(self) -> Iterator[T]:
        return iter(self._entries.values())

    def __len__(self) -> int:
        return len(self._entries)

    def _unknown(self, name: str) -> str:
        shown = name if len(name) <= 60 else name[:57] + "..."
        near = difflib.get_close_matches(shown.casefold(), self._names, n=1, cutoff=0.5)
        known = f"known are {listed(self._entries)}."
        hint = f"did you mean {self._names[near[0]]!r}?" if near else known
        return f"There is no {self.what} {shown!r}; {hint}"
