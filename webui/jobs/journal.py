"""Jobs on disk: one SQLite file that survives the server being killed."""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import sqlite3
import tempfile
import threading
import time
from collections.abc import Generator, Iterable
from pathlib import Path

from webui.core.errors import NotFound, StorageError
from webui.core.results import SavedImage
from webui.jobs.codec import COLUMNS, RowError, image_text, to_job, to_row
from webui.jobs.lock import FolderLock
from webui.jobs.record import Job

_log = logging.getLogger(__name__)

# What brings a file from version i to i + 1 (``PRAGMA user_version``). Only ever appended to.
_MIGRATIONS = (
    """
    CREATE TABLE jobs (
        id TEXT PRIMARY KEY, state TEXT NOT NULL, place INTEGER NOT NULL, priority INTEGER NOT NULL,
        parent TEXT, owner TEXT NOT NULL, attempts INTEGER NOT NULL, losses INTEGER NOT NULL,
        stopping INTEGER NOT NULL, created REAL NOT NULL, started REAL, finished REAL,
        kind TEXT NOT NULL, request TEXT NOT NULL, model TEXT NOT NULL, error TEXT
    );
    CREATE TABLE images (
        job TEXT NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
        place INTEGER NOT NULL, record TEXT NOT NULL, PRIMARY KEY (job, place)
    ) WITHOUT ROWID;
    """,
    "ALTER TABLE jobs ADD COLUMN scores TEXT;",
    "ALTER TABLE jobs ADD COLUMN once TEXT;",
    "ALTER TABLE jobs ADD COLUMN placed INTEGER NOT NULL DEFAULT 0;",
)
_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR}
_PUT = (
    f"INSERT INTO jobs ({', '.join(COLUMNS)}) VALUES ({', '.join('?' * len(COLUMNS))}) "  # noqa: S608
    f"ON CONFLICT (id) DO UPDATE SET {', '.join(f'{c} = excluded.{c}' for c in COLUMNS[1:])}"
)


class Journal:
    """The jobs of one data folder, in ``jobs.sqlite``; larger inputs lie beside it by their hash.

    Opening takes the folder for this process (``DataFolderInUse`` if another has it, ``SetupError``
    if it cannot be written). A damaged file is set aside, ``problems`` says so in sentences; one
    that the disk does not give out is a ``StorageError``. Every method may be called from any
    thread.
    """

    def __init__(self, data: Path, *, url: str = "") -> None:
        self.problems: tuple[str, ...] = ()
        self._data = data
        self._lock = threading.Lock()
        self._folder = FolderLock(data, url=url)
        try:
            self._db = self._open(data / "jobs.sqlite")
        except BaseException:
            self._folder.close()
            raise

    def describe(self, url: str) -> None:
        """Say at which address this instance is, for whoever finds the folder taken."""
        self._folder.describe(url)

    def load(self) -> list[Job]:
        """Every job that is kept, the oldest first; unreadable rows go to ``problems``."""
        with self._writing() as db:
            pictures: dict[str, list[str]] = {}
            for job, record in db.execute("SELECT job, record FROM images ORDER BY job, place"):
                pictures.setdefault(job, []).append(record)
            rows = db.execute(f"SELECT {', '.join(COLUMNS)} FROM jobs ORDER BY created, place")  # noqa: S608
            jobs: list[Job] = []
            for row in rows.fetchall():
                try:
                    jobs.append(to_job(row, pictures.get(row[0], ())))
                except RowError as error:
                    self._tell(f"A job in the journal cannot be read and was dropped ({error}).")
                    db.execute("DELETE FROM jobs WHERE id = ?", (row[0],))
            return jobs

    def put(self, *jobs: Job) -> None:
        """Write these jobs, all or none; on return they outlive the process.

        ``StorageError`` where the disk refuses.
        """
        with self._writing() as db:
            db.executemany(_PUT, [to_row(job) for job in jobs])

    def put_places(self, *jobs: Job) -> None:
        """Write where these jobs stand in the queue, and nothing else of them."""
        with self._writing() as db:
            db.executemany(
                "UPDATE jobs SET place = ?, priority = ?, placed = ? WHERE id = ?",
                [(job.order, job.priority, job.placed, job.id) for job in jobs],
            )

    def put_image(self, job: Job, image: SavedImage) -> None:
        """Write one picture of a job; one of the same index is replaced."""
        with self._writing() as db:
            db.execute(
                "INSERT OR REPLACE INTO images (job, place, record) VALUES (?, ?, ?)",
                (job.id, image.index, image_text(image)),
            )

    def forget(self, ids: Iterable[str]) -> None:
        """Remove these jobs."""
        with self._writing() as db:
            db.executemany("DELETE FROM jobs WHERE id = ?", [(i,) for i in ids])

    def put_input(self, content: bytes) -> str:
        """Keep a larger input (a picture to start from) and return its name, which is its hash."""
        digest = hashlib.sha256(content).hexdigest()
        path = self._data / "inputs" / digest
        if path.exists():
            return digest
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            Path(file.name).replace(path)
        except OSError as error:
            raise StorageError(
                f"An input could not be written to {path.parent}: {error.strerror or error}."
            ) from None
        return digest

    def get_input(self, digest: str) -> bytes:
        """A kept input by its name; ``NotFound`` if there is none (also for other names)."""
        if len(digest) != 64 or not set(digest) <= set("0123456789abcdef"):
            raise NotFound("There is no such input.")
        try:
            return (self._data / "inputs" / digest).read_bytes()
        except FileNotFoundError:
            raise NotFound("There is no such input.") from None
        except OSError as error:
            raise StorageError(f"An input could not be read: {error.strerror or error}.") from None

    def close(self) -> None:
        """Close the file and give the folder back; again is harmless."""
        with self._lock:
            self._db.close()
            self._folder.close()

    @contextlib.contextmanager
    def _writing(self) -> Generator[sqlite3.Connection]:
        """One transaction, by one thread at a time."""
        with self._lock:
            try:
                with self._db as db:
                    db.execute("BEGIN IMMEDIATE")
                    yield db
            except sqlite3.Error as error:
                raise StorageError(
                    f"The job journal in {self._data} could not be written: {error}."
                ) from error

    def _open(self, path: Path) -> sqlite3.Connection:
        try:
            return _connect(path)
        except sqlite3.Error as error:
            if not _is_damaged(error, path):
                raise StorageError(
                    f"The job journal {path} cannot be opened: {error}; mend that or choose "
                    "another folder with --data-dir."
                ) from None
            reason = str(error)
        aside = _set_aside(path)
        self._tell(
            f"The job journal {path} could not be read ({reason}); it was set aside as "
            f"{aside.name} and a new one begun."
        )
        try:
            return _connect(path)
        except sqlite3.Error as error:
            raise StorageError(f"The job journal {path} could not be made: {error}.") from None

    def _tell(self, sentence: str) -> None:
        _log.warning("%s", sentence)
        self.problems += (sentence,)


def _connect(path: Path) -> sqlite3.Connection:
    """An open, checked, migrated file."""
    db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=5)
    try:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = NORMAL")
        db.execute("PRAGMA foreign_keys = ON")
        (verdict,) = db.execute("PRAGMA quick_check(1)").fetchone()
        if verdict != "ok":
            raise sqlite3.DatabaseError(str(verdict))
        _migrate(db)
        db.execute(f"SELECT {', '.join(COLUMNS)} FROM jobs LIMIT 1")  # noqa: S608
        db.execute("SELECT job, place, record FROM images LIMIT 1")
    except BaseException:
        db.close()
        raise
    return db


def _migrate(db: sqlite3.Connection) -> None:
    (version,) = db.execute("PRAGMA user_version").fetchone()
    if version > len(_MIGRATIONS):
        raise sqlite3.DatabaseError(f"it was written by a newer Easel, version {version}")
    for number, script in enumerate(_MIGRATIONS[version:], start=version + 1):
        db.executescript(f"BEGIN IMMEDIATE; {script}; PRAGMA user_version = {number}; COMMIT;")


def _is_damaged(error: sqlite3.Error, path: Path) -> bool:
    """Whether the file itself is at fault: a full or absent disk, or a lock, passes by itself."""
    code = getattr(error, "sqlite_errorcode", None)  # ours have none
    return code is None or (code & 0xFF) in _DAMAGED or path.is_dir()


def _set_aside(path: Path) -> Path:
    aside = path.with_name(f"{path.name}.unreadable-{time.time_ns() // 1_000_000}")
    for suffix in ("", "-wal", "-shm"):
        part = path.with_name(path.name + suffix)
        try:
            part.replace(aside.with_name(aside.name + suffix))
        except FileNotFoundError:
            continue
        except OSError as error:
            raise StorageError(
                f"The job journal {path} could not be read, nor set aside: {error}."
            ) from None
    return aside
