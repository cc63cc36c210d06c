"""The index's tables and how older ones become these."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

from webui.core.errors import StorageError
from webui.library import terms
from webui.library.row import COLUMNS, NAMES, Row, to_row, to_text

VERSION = 2
_FIRST = """
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
CREATE INDEX images_path ON images (path)
"""
# ``place`` is the time in milliseconds, made unique: the order of the library, and the row's number
# in the search index, which is thereby read in that order.
_SECOND = f"""
ALTER TABLE images ADD COLUMN favourite INTEGER NOT NULL DEFAULT 0;
ALTER TABLE images ADD COLUMN tags TEXT NOT NULL DEFAULT '[]';
ALTER TABLE images ADD COLUMN deleted REAL;
ALTER TABLE images ADD COLUMN missing INTEGER NOT NULL DEFAULT 0;
ALTER TABLE images ADD COLUMN imported INTEGER NOT NULL DEFAULT 0;
ALTER TABLE images ADD COLUMN loras TEXT NOT NULL DEFAULT '[]';
ALTER TABLE images ADD COLUMN place INTEGER;
CREATE TABLE boards (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    key TEXT NOT NULL,
    owner TEXT NOT NULL,
    created REAL NOT NULL,
    UNIQUE (owner, key)
);
CREATE TABLE board_images (
    board TEXT NOT NULL,
    image INTEGER NOT NULL,
    PRIMARY KEY (board, image)
) WITHOUT ROWID;
CREATE INDEX board_images_image ON board_images (image);
CREATE TABLE counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL);
INSERT INTO counters VALUES ('revision', 1);
CREATE VIRTUAL TABLE search USING fts5 (
    {", ".join(terms.COLUMNS)}, tokenize = 'ascii', prefix = '1 2', columnsize = 0
)
"""  # noqa: S608
_AFTER_SECOND = """
CREATE UNIQUE INDEX images_place ON images (place);
CREATE INDEX images_order ON images (deleted, place);
CREATE INDEX images_owned ON images (deleted, owner, place);
CREATE INDEX images_facets ON images
    (deleted, owner, model, sampler, width, height, loras, tags)
"""


def migrate(db: sqlite3.Connection, version: int) -> None:
    """Bring the tables from ``version`` (0: none) to :data:`VERSION`, within a transaction."""
    try:
        if version < 1:
            _run(db, _FIRST)
        if version < 2:
            _run(db, _SECOND)
            _fill(db)
            _run(db, _AFTER_SECOND)
    except sqlite3.OperationalError as error:
        if "fts5" in str(error):
            raise StorageError(
                "This Python's SQLite has no full-text search (FTS5), which the library needs; use "
                "another build of Python."
            ) from None
        if "no such" in str(error):  # a table that this version should have
            raise sqlite3.DatabaseError(str(error)) from None
        raise
    db.execute(f"PRAGMA user_version = {VERSION}")


def is_complete(db: sqlite3.Connection) -> bool:
    """Whether every column that is used is there."""
    columns = {name for _, name, *_ in db.execute("PRAGMA table_info(images)")}
    searched = {name for _, name, *_ in db.execute("PRAGMA table_info(search)")}
    boards = {name for _, name, *_ in db.execute("PRAGMA table_info(boards)")}
    return (
        columns >= {*NAMES, "place", "loras"}
        and searched >= set(terms.COLUMNS)
        and boards >= {"id", "name", "key", "owner"}
    )


def index_text(db: sqlite3.Connection, number: int, place: int, row: Row) -> None:
    """Let the row of that number be found by what it says now."""
    boards = [b for (b,) in db.execute("SELECT board FROM board_images WHERE image = ?", (number,))]
    marks = ", ".join("?" for _ in terms.COLUMNS)
    db.execute("DELETE FROM search WHERE rowid = ?", (place,))
    db.execute(
        f"INSERT INTO search (rowid, {', '.join(terms.COLUMNS)}) VALUES (?, {marks})",  # noqa: S608
        (place, *terms.document(row, boards)),
    )


def _run(db: sqlite3.Connection, statements: str) -> None:
    for statement in statements.split(";"):
        db.execute(statement)


def _fill(db: sqlite3.Connection) -> None:
    """Give every row of the first version its place, its LoRAs and its words."""
    place = 0
    for number, row in _rows(db):
        place = max(place + 1, int(row.created * 1000))
        values = (place, to_text(row.loras), number)
        db.execute("UPDATE images SET place = ?, loras = ? WHERE number = ?", values)
        index_text(db, number, place, row)


def _rows(db: sqlite3.Connection) -> Iterator[tuple[int, Row]]:
    query = f"SELECT number, {COLUMNS} FROM images ORDER BY created, number"  # noqa: S608
    for number, *values in db.execute(query).fetchall():
        yield number, to_row(values)
