"""Pictures found in the index: windows of a search, and what there is to search for."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections import Counter, OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from webui.library import terms
from webui.library.boards import Boards
from webui.library.index import Index, revision_of
from webui.library.query import Search, search
from webui.library.row import COLUMNS, Row, to_row

MAX_WINDOW = 1000
_REMEMBERED = 64


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which pictures are asked for.

    ``query`` is what a person typed, ``board`` a board's id, ``tag`` a whole tag. ``owner`` of None
    means everybody's pictures. ``deleted`` asks for those in the trash. ``offset`` and ``limit``
    choose a window of the pictures in order of time.
    """

    query: str = ""
    board: str | None = None
    tag: str | None = None
    favourite: bool = False
    deleted: bool = False
    oldest_first: bool = False
    offset: int = 0
    limit: int = 100
    owner: str | None = None

    @property
    def is_plain(self) -> bool:
        """Whether everything that is not in the trash is wanted."""
        return not (self.query.strip() or self.board or self.tag or self.favourite or self.deleted)


@dataclass(frozen=True, slots=True)
class Window:
    """A window of what was found: ``total`` counts all of it."""

    rows: tuple[Row, ...]
    total: int
    revision: int


class Finder:
    """Searches of one index; counts and facets are remembered until something changes."""

    def __init__(self, index: Index, boards: Boards) -> None:
        self._index = index
        self._boards = boards
        self._lock = threading.Lock()
        self._known: OrderedDict[tuple[Any, ...], Any] = OrderedDict()

    def find(self, wanted: Wanted) -> Window:
        """A window of the pictures asked for."""
        with self._index.read() as db:
            revision = revision_of(db)
            source, values = self._source(db, wanted)
            total = self._recall(("count", revision, source, *values))
            if total is None:
                (total,) = db.execute(f"SELECT count(*) FROM {source}", values).fetchone()  # noqa: S608
                self._remember(("count", revision, source, *values), total)
            order = "ASC" if wanted.oldest_first else "DESC"
            column = "place" if wanted.is_plain else "rowid"
            found = db.execute(
                f"SELECT {column} FROM {source} ORDER BY {column} {order} LIMIT ? OFFSET ?",  # noqa: S608
                (*values, max(0, min(wanted.limit, MAX_WINDOW)), max(0, wanted.offset)),
            )
            rows = _rows(db, [place for (place,) in found], order)
        return Window(rows, total, revision)

    def ids(self, wanted: Wanted) -> tuple[list[str], int]:
        """The ids of all pictures asked for, whatever the window, and the revision."""
        with self._index.read() as db:
            source, values = self._source(db, wanted)
            order = "ASC" if wanted.oldest_first else "DESC"
            if not wanted.is_plain:
                source = f"images WHERE place IN (SELECT rowid FROM {source})"  # noqa: S608
            found = db.execute(f"SELECT id FROM {source} ORDER BY place {order}", values)  # noqa: S608
            return [image_id for (image_id,) in found], revision_of(db)

    def facets(self, owner: str | None) -> dict[str, Any]:
        """What a search can choose among, most frequent first, and the time of the first and last
        picture (seconds since 1970; None without pictures)."""
        with self._index.read() as db:
            revision = revision_of(db)
            known = self._recall(("facets", revision, owner))
            if known is None:
                known = _facets(db, owner)
                self._remember(("facets", revision, owner), known)
        return {**known, "revision": revision}

    def _source(self, db: sqlite3.Connection, wanted: Wanted) -> tuple[str, tuple[Any, ...]]:
        """What stands behind FROM, with its values."""
        if wanted.is_plain:
            if wanted.owner is None:
                return "images WHERE deleted IS NULL", ()
            return "images WHERE deleted IS NULL AND owner = ?", (wanted.owner,)
        parts, values = ["search MATCH ?"], []
        asked = self._search(db, wanted)
        for limit in asked.ranges:
            inside = [f"rowid >= {limit.start}"] if limit.start is not None else []
            inside += [f"rowid < {limit.end}"] if limit.end is not None else []
            both = " AND ".join(inside)
            parts.append(both if limit.inside else f"NOT ({both})")
        values.append(asked.match)
        return f"search WHERE {' AND '.join(parts)}", tuple(values)

    def _search(self, db: sqlite3.Connection, wanted: Wanted) -> Search:
        facts = [terms.TRASHED if wanted.deleted else terms.LIVE]
        if wanted.owner is not None:
            facts.append(terms.owner_fact(wanted.owner))
        if wanted.favourite:
            facts.append(terms.FAVOURITE)
        if wanted.tag:
            facts.append(terms.tag_fact(wanted.tag))
        if wanted.board:
            facts.append(terms.board_fact(wanted.board))
        return search(
            wanted.query,
            facts=facts,
            boards=lambda name: self._boards.named(db, name, wanted.owner),
        )

    def _recall(self, key: tuple[Any, ...]) -> Any:
        with self._lock:
            return self._known.get(key)

    def _remember(self, key: tuple[Any, ...], value: Any) -> None:
        with self._lock:
            self._known[key] = value
            if len(self._known) > _REMEMBERED:
                self._known.popitem(last=False)


def _rows(db: sqlite3.Connection, places: list[int], order: str) -> tuple[Row, ...]:
    marks = ", ".join("?" for _ in places)
    query = f"SELECT {COLUMNS} FROM images WHERE place IN ({marks}) ORDER BY place {order}"  # noqa: S608
    return tuple(map(to_row, db.execute(query, places)))


def _facets(db: sqlite3.Connection, owner: str | None) -> dict[str, Any]:
    counts: dict[str, Counter[str]] = {
        name: Counter() for name in ("models", "samplers", "loras", "tags", "sizes")
    }
    groups = db.execute(
        "SELECT model, sampler, width, height, loras, tags, count(*) FROM images "
        "WHERE deleted IS NULL AND (?1 IS NULL OR owner = ?1) GROUP BY 1, 2, 3, 4, 5, 6",
        (owner,),
    )
    for model, sampler, width, height, loras, tags, count in groups:
        counts["models"][model] += count
        counts["samplers"][sampler] += count
        counts["sizes"][f"{width}x{height}"] += count
        _add(counts["loras"], loras, count)
        _add(counts["tags"], tags, count)
    first, last = db.execute(
        "SELECT min(place), max(place) FROM images "
        "WHERE deleted IS NULL AND (?1 IS NULL OR owner = ?1)",
        (owner,),
    ).fetchone()
    listed = {name: _listed(counter) for name, counter in counts.items()}
    dates = {"first": first / 1000, "last": last / 1000} if first is not None else None
    return {**listed, "dates": dates}


def _add(counter: Counter[str], names: str, count: int) -> None:
    if names != "[]":
        for name in json.loads(names):
            counter[name] += count


def _listed(counter: Iterable[tuple[str, int]] | Counter[str], limit: int = 500) -> list[Any]:
    """The most frequent values; of equally frequent ones the first in the alphabet."""
    found = [(v, c) for v, c in dict(counter).items() if v]
    found.sort(key=lambda entry: (-entry[1], entry[0].casefold()))
    return [{"value": value, "count": count} for value, count in found[:limit]]
