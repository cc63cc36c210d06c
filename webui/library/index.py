"""The library's index: one SQLite row per picture."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import astuple, dataclass, fields
from pathlib import Path

from webui.core.errors import StorageError
from webui.library.files import sentence

FILE_NAME = "library.sqlite"
VERSION = 1
_SCHEMA = """
CREATE TABLE images (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    job_id TEXT,
    image_index INTEGER NOT NULL,
    path TEXT NOT NULL,
    format TEXT NOT NULL,
    created REAL NOT NULL,
    seconds REAL NOT NULL,
    width INTEGER NOT NULL,
    height INTEGER NOT NULL,
    seed INTEGER NOT NULL,
    prompt TEXT NOT NULL,
    negative_prompt TEXT NOT NULL,
    model TEXT NOT NULL,
    sampler TEXT NOT NULL,
    infotext TEXT NOT NULL,
    owner TEXT NOT NULL,
    UNIQUE (job_id, image_index)
);
CREATE INDEX images_path ON images (path);
"""


@dataclass(frozen=True, slots=True)
class Row:
    """One picture in the index. ``path`` is relative to the output folder, with ``/``."""

    id: str
    job_id: str | None
    image_index: int
    path: str
    format: str
    created: float
    seconds: float
    width: int
    height: int
    seed: int
    prompt: str
    negative_prompt: str
    model: str
    sampler: str
    infotext: str
    owner: str


_COLUMNS = ", ".join(f.name for f in fields(Row))
_MARKS = ", ".join("?" for _ in fields(Row))


class Index:
    """Rows in ``folder/library.sqlite``; safe to use from several threads.

    A file that is no database any more is set aside under another name, with a sentence in
    ``warnings``, and a new one begun.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / FILE_NAME
        self.warnings: list[str] = []
        self._lock = threading.Lock()
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StorageError(sentence(error, folder)) from error
        self._db = self._open()

    def put(self, row: Row) -> None:
        """Add a row, or replace the one of the same ``id``."""
        with self._use() as db:
            db.execute(
                f"INSERT INTO images ({_COLUMNS}) VALUES ({_MARKS}) ON CONFLICT (id) DO UPDATE SET "  # noqa: S608
                + ", ".join(f"{f.name} = excluded.{f.name}" for f in fields(Row)),
                _storable(astuple(row)),
            )

    def get(self, image_id: str) -> Row | None:
        """The row of that id."""
        return self._one("id = ?", image_id)

    def of_job(self, job_id: str, image_index: int) -> Row | None:
        """The row of that picture of a job."""
        return self._one("job_id = ? AND image_index = ?", job_id, image_index)

    def paths(self) -> set[str]:
        """The path of every row."""
        with self._use() as db:
            return {path for (path,) in db.execute("SELECT path FROM images")}

    def recent(self, limit: int, before: str | None, owner: str | None = None) -> list[Row]:
        """Rows, newest first; older than the one with the id ``before``, of one owner if given."""
        with self._use() as db:
            cursor = db.execute(
                f"SELECT {_COLUMNS} FROM images WHERE (?1 IS NULL OR number < "  # noqa: S608
                "(SELECT number FROM images WHERE id = ?1)) AND (?3 IS NULL OR owner = ?3) "
                "ORDER BY number DESC LIMIT ?2",
                (before, limit, owner),
            )
            return [Row(*values) for values in cursor]

    def delete(self, image_id: str) -> None:
        """Take the row away, if it is there."""
        with self._use() as db:
            db.execute("DELETE FROM images WHERE id = ?", (image_id,))

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._db.close()

    def _one(self, where: str, *values: str | int) -> Row | None:
        with self._use() as db:
            query = f"SELECT {_COLUMNS} FROM images WHERE {where}"  # noqa: S608
            found = db.execute(query, _storable(values)).fetchone()
        return Row(*found) if found else None

    @contextmanager
    def _use(self) -> Iterator[sqlite3.Connection]:
        """The connection, for one transaction."""
        with self._lock:
            try:
                with self._db:
                    yield self._db
            except sqlite3.Error as error:
                raise StorageError(f"The library {self.path} failed ({error}).") from error

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
        if version > VERSION:
            raise StorageError(
                f"The library {self.path} was made by a newer Easel; update, or choose another "
                "data folder."
            )
        if version == 0:
            for statement in _SCHEMA.split(";"):
                db.execute(statement)
            db.execute(f"PRAGMA user_version = {VERSION}")
        db.commit()
        (state,) = db.execute("PRAGMA quick_check(1)").fetchone()
        columns = {name for _, name, *_ in db.execute("PRAGMA table_info(images)")}
        if state != "ok" or not columns >= {f.name for f in fields(Row)}:
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


def _storable(values: Iterable[object]) -> tuple[object, ...]:
    """Values as SQLite takes them: texts without lone surrogates."""
    return tuple(
        value.encode("utf-8", "replace").decode("utf-8") if isinstance(value, str) else value
        for value in values
    )
