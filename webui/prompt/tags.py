"""Lists of tags with how often each is used, searched by how a tag begins.

The format is the one tag completion has for A1111: ``tag,category,count,"alias,alias"``.
"""

from __future__ import annotations

import csv
import io
import re
from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass
from heapq import nsmallest

_LAST = chr(0x10FFFF)
_WORD = re.compile(r"[^\W_]{2}")
_BRACKET = re.compile(r"([()\[\]\\])")


@dataclass(frozen=True, slots=True)
class Tag:
    """A tag as its file writes it, its category's number and how often it is used."""

    name: str
    category: int = 0
    count: int = 0
    aliases: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """The tag as a prompt writes it: spaces for underscores, and brackets that are text.

        Faces such as ``^_^`` keep their underscores.
        """
        plain = self.name.replace("_", " ") if _WORD.search(self.name) else self.name
        return _BRACKET.sub(r"\\\1", plain)


@dataclass(frozen=True, slots=True)
class Match:
    """A found tag, and the alias it was found by (None: its own name)."""

    tag: Tag
    alias: str | None = None


def read_tags(text: str) -> tuple[Tag, ...]:
    """The tags of a file; rows that are none (headers, damage) are left out."""
    found: list[Tag] = []
    try:
        for row in csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline="")):
            name = row[0].strip() if row else ""
            numbers = [cell.strip() for cell in row[1:3]]
            if not name or not all(n.isascii() and n.isdigit() and len(n) < 16 for n in numbers):
                continue
            category, count = (*map(int, numbers), 0, 0)[:2]
            aliases = row[3].split(",") if len(row) > 3 else []
            found.append(Tag(name, category, count, tuple(a for a in map(str.strip, aliases) if a)))
    except csv.Error:
        pass
    return tuple(found)


class TagIndex:
    """Tags ordered so that a search looks at those with the right beginning only."""

    def __init__(self, tags: Iterable[Tag]) -> None:
        entries: list[tuple[str, Match]] = []
        for tag in tags:
            entries.append((_key(tag.name), Match(tag)))
            entries += [(_key(alias), Match(tag, alias)) for alias in tag.aliases]
        entries.sort(key=lambda entry: entry[0])
        self._keys = [key for key, _ in entries]
        self._matches = [match for _, match in entries]

    def __len__(self) -> int:
        return len(self._keys)

    def search(self, beginning: str, limit: int) -> tuple[Match, ...]:
        """At most ``limit`` tags that begin so, the most used first, each once.

        Case does not matter, nor whether spaces or underscores are written. A tag found by its
        name comes before one found by an alias of equal use.
        """
        key = _key(beginning)
        if not key:
            return ()
        first, last = bisect_left(self._keys, key), bisect_left(self._keys, key + _LAST)
        # A tag may be found by several of its names: look at so many more, then drop the doubles.
        best = nsmallest(4 * limit + 16, self._matches[first:last], key=_order)
        once: dict[str, Match] = {}
        for match in best:
            once.setdefault(match.tag.name, match)
        return tuple(once.values())[:limit]


def _order(match: Match) -> tuple[int, bool, int, str]:
    return -match.tag.count, match.alias is not None, len(match.tag.name), match.tag.name


def _key(text: str) -> str:
    return "_".join(text.casefold().replace("_", " ").split())
