"""Pictures found, marked, sorted into boards, deleted and brought back."""

from __future__ import annotations

import os
import sqlite3
import time
from pathlib import Path
from typing import Any

import pytest

from tests.unit.library.conftest import DAY, NOON, Filled
from webui.core.errors import Conflict, InvalidRequest, NotFound, StorageError
from webui.library import Library
from webui.library.finding import Wanted
from webui.library.places import TRASH
from webui.settings import Saving

# ---- finding


@pytest.fixture
def some(shelf: Filled) -> Filled:
    cat = shelf.save(
        "a red cat, café", negative_prompt="blurry hands", model="sdxl/base_v1", sampler="Euler a"
    )
    shelf.save("two cats <lora:fine_line:0.8>", size=(8, 16), seed=777, model="sd15")
    shelf.save("一只红色的猫", sampler="DPM++ 2M", owner="bob")
    shelf.save("a dog and two red cats")
    shelf.gallery.mark(cat.id, None, favourite=True, tags=("old master", "Best"))
    board = shelf.gallery.boards.create("My Cats", "ann")
    shelf.gallery.act("add_to_board", [cat.id], None, board=board.id)
    return shelf


CAT, TWO, CHINESE, DOG = (
    "a red cat, café",
    "two cats <lora:fine_line:0.8>",
    "一只红色的猫",
    "a dog and two red cats",
)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", [DOG, CHINESE, TWO, CAT]),
        ("cat", [DOG, TWO, CAT]),
        ("CA", [DOG, TWO, CAT]),
        ('"cat"', [CAT]),
        ('"two cats"', [TWO]),
        ('"red cat', [DOG, CAT]),
        ("red -dog", [CAT]),
        ("-cat", [CHINESE]),
        ("cafe", [CAT]),
        ("红色", [CHINESE]),
        ("的猫", [CHINESE]),
        ("blurry", [CAT]),
        ("model:sdxl", [CAT]),
        ("model:base_v", [CAT]),
        ("-model:sd", [DOG, CHINESE]),
        ('sampler:"euler a"', [CAT]),
        ("sampler:dpm++", [CHINESE]),
        ("size:8x16", [TWO]),
        ("size:8×16", [TWO]),
        ("seed:777", [TWO]),
        ("777.png", [TWO]),
        ("lora:fine", [TWO]),
        ("tag:best", [CAT]),
        ('tag:"old master"', [CAT]),
        ("tag:master best", []),
        ("board:my", [CAT]),
        ('board:"my cats"', [CAT]),
        ("board:nowhere", []),
        ("-board:my", [DOG, CHINESE, TWO]),
        ("fav:yes", [CAT]),
        ("fav:no", [DOG, CHINESE, TWO]),
        ("-fav:no", [CAT]),
        ("red fav:yes", [CAT]),
        ("!!!", [DOG, CHINESE, TWO, CAT]),
        ("size:big", []),
        ("seed:-1", []),
        ("nothing of the sort", []),
    ],
)
def test_queries(some: Filled, query: str, found: list[str]) -> None:
    assert some.find(query) == found


@pytest.mark.parametrize(
    "query",
    ['"', '""', "'", "*", "a*", "NOT", "AND OR", "NEAR(a b)", "{x} : y", "^a", "(", ")", "\0",
     "\ud800", "-", "--", '-"', "model:", "date:", "board:", "tag:\"", "seed:" + "9" * 30,
     "size:0x0", "a" * 100_000, '"' * 999, "date:9999-12-31", "after:0001", "- - -"],
)  # fmt: skip
def test_no_query_is_an_error(some: Filled, query: str) -> None:
    assert some.gallery.find(Wanted(query)).total >= 0


def test_filters_beside_the_query(some: Filled) -> None:
    [board] = some.gallery.boards.all(None)
    assert some.find(board=board.id) == [CAT]
    assert some.find(tag="BEST") == [CAT]
    assert some.find(tag="old") == []
    assert some.find(favourite=True) == [CAT]
    assert some.find("cat", owner="bob") == []
    assert some.find(owner="bob") == [CHINESE]
    assert some.find("board:my", owner="bob") == []
    assert some.find("cat", oldest_first=True) == [CAT, TWO, DOG]
    assert some.find(oldest_first=True) == [CAT, TWO, CHINESE, DOG]


def test_dates_are_those_of_this_computer(shelf: Filled) -> None:
    day = time.strftime("%Y-%m-%d", time.localtime(NOON))
    after = time.strftime("%Y-%m-%d", time.localtime(NOON + DAY))
    shelf.save("today")
    shelf.time += DAY
    shelf.save("tomorrow")
    assert shelf.find(f"date:{day}") == ["today"]
    assert shelf.find(f"after:{after}") == ["tomorrow"]
    assert shelf.find(f"before:{after}") == ["today"]
    assert shelf.find(f"-date:{day}") == ["tomorrow"]
    assert shelf.find(f"tod after:{after}") == []
    assert shelf.find(f"date:{day[:4]}") == ["tomorrow", "today"]


@pytest.mark.parametrize("query", ["", "cat"])
def test_windows_join_without_gap_or_overlap(shelf: Filled, query: str) -> None:
    saved = [shelf.save(f"cat {n}").id for n in range(7)][::-1]
    shelf.save("dog") if query else None
    for size in (1, 3, 7, 100):
        seen: list[str] = []
        for offset in range(0, 7, size):
            page = shelf.gallery.find(Wanted(query, offset=offset, limit=size))
            assert page.total == 7
            seen += [picture.id for picture in page.pictures]
        assert seen == saved
    assert shelf.gallery.find(Wanted(query, offset=7)).pictures == ()


def test_pictures_of_one_instant_keep_their_order(shelf: Filled) -> None:
    saved = []
    for n in range(5):
        shelf.time = NOON
        saved.append(shelf.save(f"cat {n}").id)
    page = shelf.gallery.find(Wanted("cat"))
    assert [p.id for p in page.pictures] == saved[::-1]
    assert [p.id for p in shelf.library.recent()] == saved[::-1]


def test_counts_follow_every_change(shelf: Filled) -> None:
    first = shelf.save("cat")
    assert shelf.gallery.find(Wanted("cat")).total == 1
    shelf.save("cat")
    before = shelf.gallery.find(Wanted("cat"))
    assert before.total == 2
    shelf.gallery.act("delete", [first.id], None)
    after = shelf.gallery.find(Wanted("cat"))
    assert after.total == 1
    assert after.revision > before.revision


def test_facets(some: Filled) -> None:
    facets = some.gallery.facets("ann")
    assert facets["models"] == [
        {"value": "m", "count": 1},
        {"value": "sd15", "count": 1},
        {"value": "sdxl/base_v1", "count": 1},
    ]
    assert facets["samplers"] == [{"value": "Euler a", "count": 1}]
    assert facets["loras"] == [{"value": "fine_line", "count": 1}]
    assert facets["tags"] == [{"value": "Best", "count": 1}, {"value": "old master", "count": 1}]
    assert facets["sizes"] == [{"value": "16x8", "count": 2}, {"value": "8x16", "count": 1}]
    assert facets["boards"] == [{"value": "My Cats", "count": 1}]
    assert facets["dates"] == {"first": NOON + 1, "last": NOON + 4}
    assert some.gallery.facets("bob")["samplers"] == [{"value": "DPM++ 2M", "count": 1}]
    assert some.gallery.facets("nobody")["dates"] is None


# ---- marks and boards


def test_marks_are_kept(shelf: Filled, tmp_path: Path) -> None:
    saved = shelf.save()
    picture = shelf.gallery.mark(saved.id, "ann", favourite=True, tags=("a", "b"))
    assert (picture.favourite, picture.tags) == (True, ("a", "b"))
    shelf.gallery.mark(saved.id, "ann", favourite=False)
    shelf.library.close()
    again = Library(tmp_path / "outputs", tmp_path / "data", Saving())
    picture = again.gallery.picture(saved.id, "ann")
    assert (picture.favourite, picture.tags) == (False, ("a", "b"))
    again.close()


def test_a_picture_drawn_again_keeps_its_marks(shelf: Filled) -> None:
    saved = shelf.save("cat")
    shelf.gallery.mark(saved.id, None, favourite=True, tags=("x",))
    shelf.count -= 1
    assert shelf.save("dog").id == saved.id
    picture = shelf.gallery.picture(saved.id, None)
    assert (picture.infotext, picture.favourite, picture.tags) == ("dog", True, ("x",))
    assert shelf.find("tag:x") == ["dog"]
    assert shelf.find("cat") == []


def test_a_deleted_picture_drawn_again_is_back_and_replaces_nothing(shelf: Filled) -> None:
    saved = shelf.save("cat")
    shelf.gallery.act("delete", [saved.id], None)
    Path(saved.path).write_bytes(b"somebody else's")
    shelf.count -= 1
    again = shelf.save("cat")
    assert again.id == saved.id
    assert Path(saved.path).read_bytes() == b"somebody else's"
    assert shelf.library.file(saved.id) == Path(again.path)
    assert shelf.find() == ["cat"]
    assert not list((shelf.library.outputs / TRASH).rglob("*.png"))


def test_many_at_once(shelf: Filled) -> None:
    ids = [shelf.save(f"cat {n}").id for n in range(3)]
    other = shelf.save("bob's", owner="bob").id
    wanted = [*ids, other, "unknown", "x" * 10_000]
    done = shelf.gallery.act("tag", wanted, "ann", tag="new one")
    assert done.changed == tuple(ids)
    assert done.missing == (other, "unknown", "x" * 10_000)
    assert shelf.gallery.act("tag", ids, "ann", tag="NEW one").changed == ()
    assert len(shelf.find('tag:"new one"')) == 3
    assert shelf.gallery.act("untag", ids[:1], "ann", tag="New One").changed == (ids[0],)
    assert len(shelf.find(tag="new one")) == 2
    assert shelf.gallery.act("favourite", ids[:2], "ann").changed == tuple(ids[:2])
    assert shelf.gallery.act("favourite", ids, "ann").changed == (ids[2],)
    assert shelf.gallery.act("unfavourite", ids[:1], "ann").changed == (ids[0],)
    assert len(shelf.find("fav:yes")) == 2


def test_boards(shelf: Filled) -> None:
    first, second = shelf.save("one"), shelf.save("two")
    boards = shelf.gallery.boards
    board = boards.create("  Cats ", "ann")
    assert (board.name, board.count, board.cover) == ("Cats", 0, None)
    done = shelf.gallery.act("add_to_board", [first.id, second.id], "ann", board=board.id)
    assert done.changed == (first.id, second.id)
    again = shelf.gallery.act("add_to_board", [first.id], "ann", board=board.id)
    assert again.changed == ()
    [seen] = boards.all("ann")
    assert (seen.count, seen.cover) == (2, second.id)
    assert shelf.gallery.picture(first.id, None).boards == (board.id,)
    shelf.gallery.act("delete", [second.id], "ann")
    assert (boards.get(board.id, "ann").count, boards.get(board.id, "ann").cover) == (1, first.id)
    shelf.gallery.act("restore", [second.id], "ann")
    assert boards.get(board.id, "ann").count == 2
    shelf.gallery.act("remove_from_board", [first.id], "ann", board=board.id)
    assert shelf.find(board=board.id) == ["two"]
    assert boards.rename(board.id, "Dogs", "ann").name == "Dogs"
    assert shelf.find("board:dogs") == ["two"]
    boards.delete(board.id, "ann")
    assert boards.all(None) == ()
    assert shelf.gallery.picture(second.id, None).boards == ()
    assert shelf.find(board=board.id) == []
    assert shelf.find() == ["two", "one"]


def test_boards_are_their_owners(shelf: Filled) -> None:
    boards = shelf.gallery.boards
    mine = boards.create("Cats", "ann")
    with pytest.raises(Conflict, match="'cats' already"):
        boards.create("cats", "ann")
    theirs = boards.create("Cats", "bob")
    assert [b.id for b in boards.all("bob")] == [theirs.id]
    for act in (
        lambda: boards.get(mine.id, "bob"),
        lambda: boards.rename(mine.id, "x", "bob"),
        lambda: boards.delete(mine.id, "bob"),
        lambda: shelf.gallery.act("add_to_board", ["x"], "bob", board=mine.id),
    ):
        with pytest.raises(NotFound, match="no such board"):
            act()
    with pytest.raises(Conflict):
        boards.rename(boards.create("Dogs", "ann").id, "CATS", "ann")
    for name in ("", " ", "x" * 101, "a\nb", 5, None):
        with pytest.raises(InvalidRequest, match="board's name"):
            boards.create(name, "ann")  # pyright: ignore[reportArgumentType]


# ---- trash


def files(shelf: Filled) -> list[str]:
    return sorted(
        p.relative_to(shelf.library.outputs).as_posix()
        for p in shelf.library.outputs.rglob("*")
        if p.is_file()
    )


def test_deleted_pictures_lie_in_the_trash_until_they_are_restored(shelf: Filled) -> None:
    saved = shelf.save()
    data = Path(saved.path).read_bytes()
    shelf.gallery.act("delete", [saved.id], "ann")
    assert not Path(saved.path).exists()
    assert [name.startswith(f"{TRASH}/") for name in files(shelf)] == [True]
    assert shelf.find() == shelf.find("cat") == []
    assert shelf.library.recent() == ()
    assert shelf.find(deleted=True) == shelf.find("cat", deleted=True) == ["a cat"]
    assert shelf.library.file(saved.id).read_bytes() == data
    assert shelf.gallery.picture(saved.id, None).deleted == shelf.time
    assert shelf.gallery.act("delete", [saved.id], "ann").changed == ()
    shelf.gallery.act("restore", [saved.id], "ann")
    assert Path(saved.path).read_bytes() == data
    assert files(shelf) == [Path(saved.path).relative_to(shelf.library.outputs).as_posix()]
    assert shelf.find("cat") == ["a cat"]


def test_restoring_replaces_nothing(shelf: Filled) -> None:
    saved = shelf.save()
    shelf.gallery.act("delete", [saved.id], None)
    Path(saved.path).write_bytes(b"new")
    shelf.gallery.act("restore", [saved.id], None)
    assert Path(saved.path).read_bytes() == b"new"
    back = shelf.library.file(saved.id)
    assert back.name == Path(saved.path).stem + "-1.png"
    assert shelf.gallery.picture(saved.id, None).path == str(back)


def test_what_is_gone_from_the_trash_cannot_be_restored(shelf: Filled) -> None:
    saved = shelf.save()
    shelf.gallery.act("delete", [saved.id], None)
    shelf.library.file(saved.id).unlink()
    with pytest.raises(NotFound, match="is gone"):
        shelf.gallery.act("restore", [saved.id], None)


def test_the_trash_is_emptied_after_thirty_days(shelf: Filled, tmp_path: Path) -> None:
    old, kept, young = (shelf.save(name) for name in ("old", "kept", "young"))
    shelf.gallery.thumbnails.get(old.id, Path(old.path), 128)
    shelf.gallery.act("delete", [old.id], None)
    shelf.time += 10 * DAY
    shelf.gallery.act("delete", [young.id], None)
    shelf.library.close()
    later = shelf.time + 20.1 * DAY
    again = Library(tmp_path / "outputs", tmp_path / "data", Saving(), now=lambda: later)
    page = again.gallery.find(Wanted(deleted=True))
    assert [p.id for p in page.pictures] == [young.id]
    assert again.get(kept.id).id == kept.id
    with pytest.raises(NotFound):
        again.get(old.id)
    assert len(files(shelf)) == 2
    assert not list((tmp_path / "data" / "thumbnails").rglob("*.webp"))
    again.close()


def test_people_empty_their_own_trash(shelf: Filled) -> None:
    mine, theirs = shelf.save("mine"), shelf.save("theirs", owner="bob")
    shelf.gallery.act("delete", [mine.id, theirs.id], None)
    assert shelf.gallery.empty_trash("ann") == 1
    assert shelf.find(deleted=True) == ["theirs"]
    assert len(files(shelf)) == 1
    assert shelf.gallery.empty_trash(None) == 1
    assert files(shelf) == []


def test_the_text_beside_a_picture_goes_along(tmp_path: Path) -> None:
    shelf = Filled(tmp_path)
    shelf.library.saving = Saving(text_file=True)
    saved = shelf.save()
    text = Path(saved.path).with_suffix(".txt")
    shelf.gallery.act("delete", [saved.id], None)
    assert not text.exists()
    shelf.gallery.act("restore", [saved.id], None)
    assert text.read_text() == "a cat\n"
    shelf.gallery.act("delete", [saved.id], None)
    shelf.gallery.empty_trash(None)
    assert files(shelf) == []
    shelf.library.close()


def test_a_folder_that_cannot_be_written_to_loses_nothing(
    shelf: Filled, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = shelf.save("one"), shelf.save("two")
    real = os.link

    def link(source: Any, target: Any, **more: Any) -> None:
        if TRASH in str(target) and Path(source).name == Path(second.path).name:
            raise PermissionError(13, "Permission denied")
        real(source, target, **more)

    monkeypatch.setattr(os, "link", link)
    with pytest.raises(StorageError, match="cannot be written to; change its permissions"):
        shelf.gallery.act("delete", [first.id, second.id], None)
    assert shelf.find() == ["two"]
    assert shelf.find(deleted=True) == ["one"]
    assert Path(second.path).is_file()


# ---- files that go and come


def test_a_file_that_went_is_noticed_and_so_is_its_return(shelf: Filled) -> None:
    saved = shelf.save()
    path = Path(saved.path)
    path.rename(path.with_suffix(".away"))
    with pytest.raises(NotFound, match="no longer in the output folder"):
        shelf.library.file(saved.id)
    assert shelf.gallery.picture(saved.id, None).missing
    assert [p.missing for p in shelf.gallery.find(Wanted()).pictures] == [True]
    path.with_suffix(".away").rename(path)
    assert [p.missing for p in shelf.gallery.find(Wanted()).pictures] == [False]
    assert not shelf.gallery.picture(saved.id, None).missing
    assert shelf.library.file(saved.id) == path


def test_an_output_folder_that_vanished_loses_no_picture(shelf: Filled) -> None:
    shelf.save()
    shelf.library.outputs.rename(shelf.folder / "elsewhere")
    assert [p.missing for p in shelf.gallery.find(Wanted("cat")).pictures] == [True]
    (shelf.folder / "elsewhere").rename(shelf.library.outputs)
    assert [p.missing for p in shelf.gallery.find(Wanted("cat")).pictures] == [False]


def test_who_follows_is_told(shelf: Filled) -> None:
    saved = shelf.save()
    told: list[int] = []
    leave = shelf.gallery.subscribe(told.append)
    shelf.gallery.mark(saved.id, None, favourite=True)
    assert told == [shelf.gallery.revision]
    shelf.gallery.mark(saved.id, None, favourite=True)
    assert len(told) == 1
    leave()
    shelf.gallery.mark(saved.id, None, favourite=False)
    assert len(told) == 1


# ---- older and lost indexes


def first_version(path: Path, rows: int) -> None:
    """An index as the first version made it."""
    with sqlite3.connect(path) as db:
        db.executescript(
            "CREATE TABLE images (number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL "
            "UNIQUE, job_id TEXT, image_index INTEGER NOT NULL, path TEXT NOT NULL, format TEXT "
            "NOT NULL, created REAL NOT NULL, seconds REAL NOT NULL, width INTEGER NOT NULL, "
            "height INTEGER NOT NULL, seed INTEGER NOT NULL, prompt TEXT NOT NULL, negative_prompt "
            "TEXT NOT NULL, model TEXT NOT NULL, sampler TEXT NOT NULL, infotext TEXT NOT NULL, "
            "owner TEXT NOT NULL, UNIQUE (job_id, image_index));"
            "CREATE INDEX images_path ON images (path); PRAGMA user_version = 1;"
        )
        for n in range(rows):
            values = (f"id{n}", "job", n, f"d/{n}.png", "png", NOON, 1.5, 16, 8, n)
            texts = (f"cat {n} <lora:x:1>", "bad", "m", "Euler", f"text {n}", "ann")
            marks = ", ".join("?" * 17)
            db.execute(f"INSERT INTO images VALUES ({marks})", (n + 1, *values, *texts))
    db.close()


def test_an_index_of_the_first_version_is_taken_over(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    first_version(tmp_path / "data" / "library.sqlite", 5)
    shelf = Filled(tmp_path)
    assert shelf.library.warnings == ()
    assert shelf.find("cat owner") == []
    assert shelf.find("cat") == [f"text {n}" for n in (4, 3, 2, 1, 0)]
    assert shelf.find("lora:x seed:3") == ["text 3"]
    assert shelf.gallery.facets(None)["loras"] == [{"value": "x", "count": 5}]
    picture = shelf.library.get("id2")
    assert (picture.index, picture.created, picture.seconds, picture.seed) == (2, NOON, 1.5, 2)
    shelf.gallery.mark("id2", None, favourite=True)
    assert shelf.find("fav:yes") == ["text 2"]
    shelf.library.close()


def test_a_damaged_first_version_is_set_aside(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    with sqlite3.connect(tmp_path / "data" / "library.sqlite") as db:
        db.execute("PRAGMA user_version = 1")
    db.close()
    shelf = Filled(tmp_path)
    assert len(shelf.library.warnings) == 1
    shelf.library.close()


def test_an_index_made_anew_knows_the_trash(shelf: Filled, tmp_path: Path) -> None:
    kept, deleted = shelf.save("kept"), shelf.save("deleted")
    path = Path(deleted.path)
    shelf.gallery.act("delete", [deleted.id], None)
    shelf.library.close()
    for file in (tmp_path / "data").glob("library.sqlite*"):
        file.unlink()
    again = Filled(tmp_path)
    assert again.library.rebuild() == 2
    assert again.library.rebuild() == 0
    assert again.find() == ["kept"]
    assert again.find(deleted=True) == ["deleted"]
    assert again.gallery.file(deleted.id).is_file()
    again.gallery.act("restore", [deleted.id], None)
    assert path.is_file()
    assert kept.id not in [p.id for p in again.library.recent()]  # its id was only in the index
    again.library.close()


def test_readers_do_not_wait_for_a_writer(shelf: Filled) -> None:
    shelf.save()
    with shelf.library._index.write() as db:
        db.execute("UPDATE images SET seconds = 9")
        assert shelf.find("cat") == ["a cat"]
        assert shelf.library.recent()[0].seconds == 0
    assert shelf.library.recent()[0].seconds == 9
