"""What the journal keeps, and what it does with a file it cannot read."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tests.fakes.jobs import MODEL, draw
from webui.core.errors import DataFolderInUse, ErrorInfo, NotFound, SetupError, StorageError
from webui.core.results import SavedImage
from webui.jobs import Job, Journal

JOB = Job(
    id="a",
    request=draw('a "red" circle\nέ'),
    model=MODEL,
    owner="ann",
    created=1.5,
    order=3,
    priority=2,
    attempts=1,
    losses=1,
    parent="p",
)


def image(index: int) -> SavedImage:
    return SavedImage(f"i{index}", "/out/a.png", index, 7, 16, 16, "text", 1.0, 0.5)


def test_a_job_comes_back_as_it_was(tmp_path: Path) -> None:
    failed = replace(JOB, id="b", state="failed", error=ErrorInfo("model", "No.", "x"), finished=9)
    with_images = replace(JOB, images=(image(0), image(1)))
    journal = Journal(tmp_path)
    journal.put(JOB, failed)
    journal.put_image(JOB, image(1))
    journal.put_image(JOB, image(0))
    journal.put_image(JOB, image(0))
    journal.close()
    reopened = Journal(tmp_path)
    assert [replace(j, progress=JOB.progress) for j in reopened.load()] == [with_images, failed]
    assert reopened.problems == ()
    reopened.forget(["a"])
    assert [j.id for j in reopened.load()] == ["b"]
    reopened.close()
    db = sqlite3.connect(tmp_path / "jobs.sqlite")
    assert db.execute("SELECT count(*) FROM images").fetchone() == (0,)
    assert db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    db.close()


def test_a_file_of_an_older_version_is_brought_up_to_date(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.put(JOB, replace(JOB, id="b", order=4))
    journal.put_image(JOB, image(0))
    journal.close()
    path = tmp_path / "jobs.sqlite"
    for column in ("placed", "once"):
        _run_sql(path, f"ALTER TABLE jobs DROP COLUMN {column}")
    _run_sql(path, "PRAGMA user_version = 2")
    reopened = Journal(tmp_path)
    assert reopened.problems == ()
    found = reopened.load()
    assert [(j.id, j.order, j.placed, j.once, len(j.images)) for j in found] == [
        ("a", 3, False, "", 1),
        ("b", 4, False, "", 0),
    ]
    reopened.put_places(replace(JOB, order=9, placed=True))
    reopened.close()
    again = Journal(tmp_path)
    assert {j.id: (j.order, j.placed) for j in again.load()} == {"a": (9, True), "b": (4, False)}
    again.close()


@pytest.mark.parametrize("damage", ["text", "torn", "newer", "foreign", "folder"])
def test_an_unreadable_file_is_set_aside_with_a_sentence(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "jobs.sqlite"
    journal = Journal(tmp_path)
    journal.put(*(replace(JOB, id=f"j{i}", request=draw("x" * 3000)) for i in range(20)))
    journal.close()
    if damage == "text":
        path.write_text("this is no database, " * 500)
    elif damage == "torn":
        whole = path.read_bytes()
        path.write_bytes(whole[:8000] + b"\xff" * 8000 + whole[16000:30000])
    elif damage == "newer":
        _run_sql(path, "PRAGMA user_version = 99")
    elif damage == "foreign":
        path.unlink()
        _run_sql(path, "CREATE TABLE jobs (x); PRAGMA user_version = 1")
    else:
        path.unlink()
        path.mkdir()
    reopened = Journal(tmp_path)
    assert reopened.load() == []
    (sentence,) = reopened.problems
    assert "set aside" in sentence
    assert len(list(tmp_path.glob("jobs.sqlite.unreadable-*"))) >= 1
    reopened.put(JOB)
    assert [j.id for j in reopened.load()] == ["a"]
    reopened.close()


def test_a_file_on_a_disk_that_is_not_there_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "jobs.sqlite"
    path.symlink_to(tmp_path / "unplugged" / "jobs.sqlite")
    with pytest.raises(StorageError, match=r"cannot be opened: unable to open .*--data-dir"):
        Journal(tmp_path)
    assert path.is_symlink()
    (tmp_path / "unplugged").mkdir()
    journal = Journal(tmp_path)
    assert journal.problems == ()
    journal.close()


def test_one_unreadable_row_costs_only_that_job(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.put(JOB, replace(JOB, id="b"))
    journal.close()
    _run_sql(
        tmp_path / "jobs.sqlite", """UPDATE jobs SET request = '{"steps": 0}' WHERE id = 'a'"""
    )
    reopened = Journal(tmp_path)
    assert [j.id for j in reopened.load()] == ["b"]
    assert "dropped" in reopened.problems[0]
    assert "Sampling steps" in reopened.problems[0]
    reopened.close()


def test_a_second_instance_is_refused_and_told_who_has_the_folder(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.describe("http://127.0.0.1:7860")
    with pytest.raises(DataFolderInUse, match=r"process \d+, http://127.0.0.1:7860.*--data-dir"):
        Journal(tmp_path)
    code = "import pathlib, sys; from webui.jobs import Journal; Journal(pathlib.Path(sys.argv[1]))"
    other = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert other.returncode == 1
    assert "DataFolderInUse: Another Easel (process" in other.stderr.replace(
        "webui.core.errors.", ""
    )
    journal.put(JOB)
    journal.close()
    journal.close()
    after = Journal(tmp_path)
    assert len(after.load()) == 1
    after.close()


def test_a_data_folder_that_cannot_be_made_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SetupError, match=r"cannot be written .*--data-dir"):
        Journal(tmp_path / "file" / "data")


def test_a_refusing_disk_is_a_storage_error_and_changes_nothing(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.put(JOB)
    size = Path(tmp_path / "jobs.sqlite").stat().st_size // 4096
    journal._db.execute(f"PRAGMA max_page_count = {max(size, 1)}")
    with pytest.raises(StorageError, match="full"):
        journal.put(*(replace(JOB, id=f"j{i}", request=draw("x" * 9000)) for i in range(50)))
    assert [j.id for j in journal.load()] == ["a"]
    journal.close()
    with pytest.raises(StorageError):
        journal.put(JOB)


def test_inputs_lie_beside_the_rows_by_their_hash(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    content = b"\x89PNG" * 1000
    name = journal.put_input(content)
    assert journal.put_input(content) == name
    assert journal.get_input(name) == content
    assert [p.name for p in (tmp_path / "inputs").iterdir()] == [name]
    for bad in ("0" * 64, "../jobs.sqlite", "", name.upper()):
        with pytest.raises(NotFound):
            journal.get_input(bad)
    journal.close()


def _run_sql(path: Path, sql: str) -> None:
    db = sqlite3.connect(path)
    db.executescript(sql)
    db.close()
