"""The library's index: one SQLite row per picture, and the words it is found by."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from webui.core.errors import StorageError
from webui.library import schema
from webui.library.files import sentence
from webui.library.row import COLUMNS, NAMES, Row, storable, to_row, to_text, to_values

FILE_NAME = "library.sqlite"
AT_ONCE = 500
"""Ids in one query."""

_SPARE_READERS = 4


class Index:
    """Rows in ``folder/library.sqlite``; safe to use from several threads.

    Readers never wait for a writer. Every change makes :attr:`revision` grow, whichever process
    made it. A file that is no database any more is set aside under another name, with a sentence in
    ``warnings``, and a new one begun.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / FILE_NAME
        self.warnings: list[str] = []
        self._lock = threading.Lock()
        self._lock_of_readers = threading.Lock()
        self._readers: list[sqlite3.Connection] = []
        self._closed = False
        self._last_place = (0, 0)
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StorageError(sentence(error, folder)) from error
        self._db = self._open()

    @property
    def revision(self) -> int:
        """Grows with every change."""
        with self.read() as db:
            return revision_of(db)

    def put(self, *rows: Row) -> None:
        """Add rows, or replace those of the same ``id``; all of them or none."""
        with self.write() as db:
            for row in rows:
                self._put(db, row)

    def get(self, image_id: str) -> Row | None:
        """The row of that id."""
        return self._one("id = ?", image_id)

    def of_job(self, job_id: str, image_index: int) -> Row | None:
        """The row of that picture of a job."""
        return self._one("job_id = ? AND image_index = ?", job_id, image_index)

    def all_of_job(self, job_id: str, owner: str | None) -> list[Row]:
        """The rows of a job's pictures, in their order; of one ``owner`` only unless None."""
        query = (
            f"SELECT {COLUMNS} FROM images WHERE job_id = ?1 AND (?2 IS NULL OR owner = ?2) "  # noqa: S608
            "ORDER BY image_index"
        )
        with self.read() as db:
            return [to_row(values) for values in db.execute(query, storable((job_id, owner)))]

    def many(self, ids: Iterable[str]) -> dict[str, Row]:
        """The rows of those ids that there are."""
        wanted = list(dict.fromkeys(storable(ids)))
        found: dict[str, Row] = {}
        with self.read() as db:
            for start in range(0, len(wanted), AT_ONCE):
                some = wanted[start : start + AT_ONCE]
                query = f"SELECT {COLUMNS} FROM images WHERE id IN ({_marks(some)})"  # noqa: S608
                found.update((row.id, row) for row in map(to_row, db.execute(query, some)))
        return found

    def boards_of(self, ids: Iterable[str]) -> dict[str, list[str]]:
        """The ids of the boards that each of these pictures is on."""
        wanted = list(ids)
        found: dict[str, list[str]] = {image_id: [] for image_id in wanted}
        with self.read() as db:
            for start in range(0, len(wanted), AT_ONCE):
                some = wanted[start : start + AT_ONCE]
                query = (
                    "SELECT i.id, b.board FROM images i JOIN board_images b ON b.image = i.number "  # noqa: S608
                    f"WHERE i.id IN ({_marks(some)}) ORDER BY b.board"
                )
                for image_id, board in db.execute(query, some):
                    found[image_id].append(board)
        return found

    def paths(self) -> set[str]:
        """The path of every row."""
        with self.read() as db:
            return {path for (path,) in db.execute("SELECT path FROM images")}

    def ids(self) -> set[str]:
        """The id of every row."""
        with self.read() as db:
            return {image_id for (image_id,) in db.execute("SELECT id FROM images")}

    def trashed(self, before: float, owner: str | None = None) -> list[Row]:
        """Rows deleted before that time, of one owner if given."""
        query = f"SELECT {COLUMNS} FROM images WHERE deleted < ?1 AND (?2 IS NULL OR owner = ?2)"  # noqa: S608
        with self.read() as db:
            return list(map(to_row, db.execute(query, (before, owner))))

    def recent(self, limit: int, before: str | None, owner: str | None = None) -> list[Row]:
        """Rows, newest first; older than the one with the id ``before``, of one owner if given."""
        query = (
            f"SELECT {COLUMNS} FROM images WHERE deleted IS NULL AND (?1 IS NULL OR place < "  # noqa: S608
            "(SELECT place FROM images WHERE id = ?1)) AND (?3 IS NULL OR owner = ?3) "
            "ORDER BY place DESC LIMIT ?2"
        )
        with self.read() as db:
            return list(map(to_row, db.execute(query, (before, limit, owner))))

    def delete(self, *ids: str) -> None:
        """Take rows away, where they are there."""
        with self.write() as db:
            for image_id in ids:
                found = db.execute("SELECT number, place FROM images WHERE id = ?", (image_id,))
                for number, place in found.fetchall():
                    db.execute("DELETE FROM search WHERE rowid = ?", (place,))
                    db.execute("DELETE FROM board_images WHERE image = ?", (number,))
                    db.execute("DELETE FROM images WHERE number = ?", (number,))

    def close(self) -> None:
        """Close the file."""
        with self._lock, self._lock_of_readers:
            self._closed = True
            self._db.close()
            for reader in self._readers:
                reader.close()
            self._readers.clear()

    @contextmanager
    def write(self) -> Iterator[sqlite3.Connection]:
        """A connection for one transaction that changes something."""
        with self._lock, self._sentences(), self._db:
            before = self._db.total_changes
            yield self._db
            if self._db.total_changes != before:
                self._db.execute("UPDATE counters SET value = value + 1 WHERE name = 'revision'")

    @contextmanager
    def read(self) -> Iterator[sqlite3.Connection]:
        """A connection that sees one state for as long as it is held; writes go on meanwhile."""
        with self._sentences():
            db = self._reader()
            try:
                db.execute("BEGIN")
                yield db
            finally:
                if db.in_transaction:
                    db.rollback()
                self._spare(db)

    def reindex(self, db: sqlite3.Connection, numbers: Iterable[int]) -> None:
        """Let pictures be found by the boards they are on now; within a transaction."""
        query = f"SELECT place, {COLUMNS} FROM images WHERE number = ?"  # noqa: S608
        for number in numbers:
            place, *values = db.execute(query, (number,)).fetchone()
            schema.index_text(db, number, place, to_row(values))

    def _put(self, db: sqlite3.Connection, row: Row) -> None:
        known = db.execute("SELECT number, place, created FROM images WHERE id = ?", (row.id,))
        number, place, created = known.fetchone() or (None, 0, None)
        if created != row.created:
            db.execute("DELETE FROM search WHERE rowid = ?", (place,))
            place = self._free_place(db, row.created)
        names = (*NAMES, "loras", "place")
        values = (*to_values(row), to_text(row.loras), place)
        if number is None:
            insert = f"INSERT INTO images ({', '.join(names)}) VALUES ({_marks(names)})"  # noqa: S608
            number = db.execute(insert, values).lastrowid or 0
        else:
            changes = ", ".join(f"{name} = ?" for name in names)
            update = f"UPDATE images SET {changes} WHERE number = ?"  # noqa: S608
            db.execute(update, (*values, number))
        schema.index_text(db, number, place, row)

    def _free_place(self, db: sqlite3.Connection, created: float) -> int:
        """The time in milliseconds; of several pictures of the same one, each a later one."""
        wanted = place = int(created * 1000)
        if self._last_place[0] == wanted:
            place = self._last_place[1] + 1
        taken = db.execute("SELECT place FROM images WHERE place >= ? ORDER BY place", (place,))
        for (other,) in taken:
            if other != place:
                break
            place += 1
        self._last_place = (wanted, place)
        return place

    def _one(self, where: str, *values: str | int) -> Row | None:
        with self.read() as db:
            query = f"SELECT {COLUMNS} FROM images WHERE {where}"  # noqa: S608
            found = db.execute(query, storable(values)).fetchone()
        return to_row(found) if found else None

    @contextmanager
    def _sentences(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise StorageError(f"The library {self.path} failed ({error}).") from error

    def _reader(self) -> sqlite3.Connection:
        with self._lock_of_readers:
            if self._closed:
                raise sqlite3.ProgrammingError("it is closed")
            if self._readers:
                return self._readers.pop()
        db = sqlite3.connect(self.path, timeout=10, check_same_thread=False, isolation_level=None)
        db.execute("PRAGMA query_only = 1")
        return db

    def _spare(self, db: sqlite3.Connection) -> None:
        with self._lock_of_readers:
            if not self._closed and len(self._readers) < _SPARE_READERS:
                self._readers.append(db)
                return
        db.close()

    def _open(self) -> sqlite3.Connection:
        try:
            return self._connect()
        except sqlite3.OperationalError as error:
            raise StorageError(
                f"The library {self.path} cannot be opened ({error}); make its folder writable or "
                "choose another with --data-dir."
            ) from error
        except sqlite3.DatabaseError as error:
            self._set_aside(str(error))
        try:
            return self._connect()
        except sqlite3.Error as error:
            raise StorageError(f"The library {self.path} cannot be made ({error}).") from error

    def _connect(self) -> sqlite3.Connection:
        db = sqlite3.connect(self.path, timeout=10, check_same_thread=False)
        try:
            db.execute("PRAGMA journal_mode = WAL")
            db.execute("PRAGMA synchronous = NORMAL")
            self._migrate(db)
        except (sqlite3.Error, StorageError):
            db.close()
            raise
        return db

    def _migrate(self, db: sqlite3.Connection) -> None:
        """Bring the tables to this version; ``DatabaseError`` when they are not what they should
        be."""
        db.execute("BEGIN IMMEDIATE")
        (version,) = db.execute("PRAGMA user_version").fetchone()
        if version > schema.VERSION:
            raise StorageError(
                f"The library {self.path} was made by a newer Easel; update, or choose another "
                "data folder."
            )
        if version < schema.VERSION:
            schema.migrate(db, version)
        db.commit()
        (state,) = db.execute("PRAGMA quick_check(1)").fetchone()
        if state != "ok" or not schema.is_complete(db):
            raise sqlite3.DatabaseError(state if state != "ok" else "its tables are not complete")

    def _set_aside(self, why: str) -> None:
        aside = self.path.with_name(f"{FILE_NAME}.broken-{time.strftime('%Y%m%d-%H%M%S')}")
        try:
            self.path.replace(aside)
            for ending in ("-wal", "-shm"):
                Path(f"{self.path}{ending}").unlink(missing_ok=True)
        except OSError as error:
            raise StorageError(sentence(error, self.path.parent)) from error
        self.warnings.append(
            f"The library was damaged ({why}) and lies now at {aside}; it was begun anew from the "
            "pictures in the output folder."
        )


def revision_of(db: sqlite3.Connection) -> int:
    """The revision that a connection sees."""
    return db.execute("SELECT value FROM counters WHERE name = 'revision'").fetchone()[0]


def _marks(values: Iterable[object]) -> str:
    return ", ".join("?" for _ in values)
