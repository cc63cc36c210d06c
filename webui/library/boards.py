"""Boards: named collections of pictures, each its owner's."""

from __future__ import annotations

import secrets
import sqlite3
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from webui.core.errors import Conflict, InvalidRequest, NotFound
from webui.library import terms
from webui.library.index import Index

MAX_NAME_CHARS = 100
MAX_BOARDS = 1000
"""Of one owner."""


@dataclass(frozen=True, slots=True)
class Board:
    """A board; ``count`` and ``cover`` (the newest picture's id) leave out pictures in the
    trash."""

    id: str
    name: str
    owner: str
    count: int = 0
    cover: str | None = None


class Boards:
    """The boards in an index. ``owner`` of None means everybody's."""

    def __init__(self, index: Index, now: Callable[[], float] = time.time) -> None:
        self._index = index
        self._now = now

    def all(self, owner: str | None) -> tuple[Board, ...]:
        """The boards by name."""
        with self._index.read() as db:
            query = "SELECT id, name, owner FROM boards WHERE ?1 IS NULL OR owner = ?1 ORDER BY key"
            return tuple(_counted(db, Board(*v)) for v in db.execute(query, (owner,)).fetchall())

    def get(self, board_id: str, owner: str | None) -> Board:
        """The board of that id; ``NotFound`` if there is none, or it is somebody else's."""
        with self._index.read() as db:
            return _counted(db, _board(db, board_id, owner))

    def create(self, name: object, owner: str) -> Board:
        """A new, empty board; ``Conflict`` if the owner has one of that name."""
        name = checked_name(name)
        board = Board(secrets.token_hex(8), name, owner)
        with self._index.write() as db:
            _free(db, name, owner)
            owned = db.execute("SELECT count(*) FROM boards WHERE owner = ?", (owner,))
            if owned.fetchone()[0] >= MAX_BOARDS:
                raise Conflict(f"There are {MAX_BOARDS} boards already; delete one first.")
            values = (board.id, name, _key(name), owner, self._now())
            db.execute("INSERT INTO boards VALUES (?, ?, ?, ?, ?)", values)
        return board

    def rename(self, board_id: str, name: object, owner: str | None) -> Board:
        """Give a board another name."""
        name = checked_name(name)
        with self._index.write() as db:
            board = _board(db, board_id, owner)
            _free(db, name, board.owner, but=board.id)
            values = (name, _key(name), board.id)
            db.execute("UPDATE boards SET name = ?, key = ? WHERE id = ?", values)
            return _counted(db, Board(board.id, name, board.owner))

    def delete(self, board_id: str, owner: str | None) -> None:
        """Delete a board; its pictures stay."""
        with self._index.write() as db:
            board = _board(db, board_id, owner)
            found = db.execute("SELECT image FROM board_images WHERE board = ?", (board.id,))
            numbers = [number for (number,) in found]
            db.execute("DELETE FROM boards WHERE id = ?", (board.id,))
            db.execute("DELETE FROM board_images WHERE board = ?", (board.id,))
            self._index.reindex(db, numbers)

    def put(
        self, board_id: str, image_ids: Iterable[str], owner: str | None, *, on: bool
    ) -> list[str]:
        """Put pictures on a board (``on``) or take them off it; the ids of those that changed."""
        change = (
            "INSERT OR IGNORE INTO board_images VALUES (?, ?)"
            if on
            else "DELETE FROM board_images WHERE board = ? AND image = ?"
        )
        changed: dict[str, int] = {}
        with self._index.write() as db:
            board = _board(db, board_id, owner)
            for image_id in image_ids:
                found = db.execute("SELECT number FROM images WHERE id = ?", (image_id,)).fetchone()
                if found and db.execute(change, (board.id, found[0])).rowcount > 0:
                    changed[image_id] = found[0]
            self._index.reindex(db, changed.values())
        return list(changed)

    def named(self, db: sqlite3.Connection, text: str, owner: str | None) -> list[str]:
        """The ids of the boards whose name is ``text``, or else begins with it."""
        query = "SELECT id, key FROM boards WHERE ?1 IS NULL OR owner = ?1"
        key = _key(text)
        found = [(i, k) for i, k in db.execute(query, (owner,)) if key and k.startswith(key)]
        exact = [i for i, k in found if k == key]
        return exact or [i for i, _ in found]


def checked_name(name: object) -> str:
    """A board's name without spaces around it; ``InvalidRequest`` if it cannot be one."""
    text = name.strip() if isinstance(name, str) else ""
    if not text or len(text) > MAX_NAME_CHARS or not text.isprintable():
        raise InvalidRequest(
            f"A board's name is a line of 1 to {MAX_NAME_CHARS} characters.", field="name"
        )
    return text


def _board(db: sqlite3.Connection, board_id: str, owner: str | None) -> Board:
    query = "SELECT id, name, owner FROM boards WHERE id = ?1 AND (?2 IS NULL OR owner = ?2)"
    plain = board_id if board_id.isascii() and len(board_id) <= 64 else ""
    found = db.execute(query, (plain, owner)).fetchone()
    if found is None:
        raise NotFound("There is no such board.", field="board")
    return Board(*found)


def _free(db: sqlite3.Connection, name: str, owner: str, but: str = "") -> None:
    query = "SELECT 1 FROM boards WHERE owner = ? AND key = ? AND id <> ?"
    if db.execute(query, (owner, _key(name), but)).fetchone():
        raise Conflict(f"There is a board called {name!r} already; choose another name.")


def _counted(db: sqlite3.Connection, board: Board) -> Board:
    match = f"facts:{terms.LIVE} AND facts:{terms.board_fact(board.id)}"
    (count,) = db.execute("SELECT count(*) FROM search WHERE search MATCH ?", (match,)).fetchone()
    newest = db.execute(
        "SELECT id FROM images WHERE place = "
        "(SELECT rowid FROM search WHERE search MATCH ? ORDER BY rowid DESC LIMIT 1)",
        (match,),
    ).fetchone()
    return Board(board.id, board.name, board.owner, count, newest[0] if newest else None)


def _key(name: str) -> str:
    return " ".join(name.casefold().split())
