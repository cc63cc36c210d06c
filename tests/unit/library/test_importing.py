"""Folders of pictures drawn elsewhere, brought into the index where they lie."""

from __future__ import annotations

import json
import os
import shutil
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from tests.unit.library.conftest import Filled
from tests.unit.library.test_thumbnails import make_bomb
from tests.unit.metadata.test_comfy import graph
from webui.core.errors import Conflict, InvalidRequest
from webui.core.results import Pixels
from webui.library.importing import Progress
from webui.metadata import encode

TEXT = (
    "a tower\nNegative prompt: fog\n"
    "Steps: 30, Sampler: DPM++ 2M Karras, CFG scale: 7, Seed: 41, Size: 16x8, Model: v1-5"
)
PIXELS = Pixels(16, 8, bytes(3 * 16 * 8))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Pictures of all kinds, some deeper, and things that are none."""
    place = tmp_path / "old pictures"
    (place / "deeper").mkdir(parents=True)
    for fmt in ("png", "jpeg", "webp", "avif"):
        (place / f"a1111.{fmt}").write_bytes(encode(PIXELS, fmt, 80, TEXT))  # pyright: ignore[reportArgumentType]
    info = PngInfo()
    info.add_text("prompt", json.dumps(graph()))
    Image.new("RGB", (16, 8)).save(place / "deeper" / "日本 comfy.PNG", pnginfo=info)
    exif = Image.Exif()
    exif[0x0110] = "prompt:" + json.dumps(graph())
    Image.new("RGB", (16, 8)).save(place / "deeper" / "comfy.webp", exif=exif)
    Image.new("RGB", (16, 8)).save(place / "plain.png")
    (place / "text.txt").write_text("no picture")
    return place


def imported(shelf: Filled, folder: Path, owner: str = "ann") -> Progress:
    shelf.gallery.importer.start(str(folder), owner)
    thread = shelf.gallery.importer._thread
    assert thread is not None
    thread.join(30)
    return shelf.gallery.importer.progress


def test_a_folder_is_indexed_where_it_lies(shelf: Filled, folder: Path) -> None:
    before = sorted(p.name for p in folder.rglob("*"))
    now = imported(shelf, folder)
    assert (now.state, now.done, now.total, now.added, now.skipped) == ("done", 7, 7, 7, 0)
    assert (now.problems, now.error, now.folder) == ((), None, str(folder))
    assert sorted(p.name for p in folder.rglob("*")) == before
    assert shelf.find("tower seed:41 model:v1", owner="ann") == [TEXT] * 4
    assert len(shelf.find("seed:156680208700286 glass sampler:euler model:v1-5")) == 2
    assert shelf.find("日本")[0].startswith(
        "a glass, bottle\nNegative prompt: watermark\nSteps: 20"
    )
    for picture in shelf.library.recent():
        assert picture.created == Path(picture.path).stat().st_mtime
        assert shelf.library.file(picture.id) == Path(picture.path)
        assert (picture.width, picture.height) == (16, 8)
        assert shelf.gallery.picture(picture.id, "ann").imported
        assert shelf.gallery.thumbnails.get(picture.id, Path(picture.path), 128)


def test_known_files_are_skipped(shelf: Filled, folder: Path) -> None:
    drawn = shelf.save("drawn here")
    imported(shelf, folder)
    encode_again = folder / "new.png"
    encode_again.write_bytes(encode(PIXELS, "png", 80, "new"))
    now = imported(shelf, folder)
    assert (now.done, now.added, now.skipped) == (8, 1, 7)
    now = imported(shelf, shelf.library.outputs)
    assert (now.added, now.skipped) == (0, 1)
    assert not shelf.gallery.picture(drawn.id, None).imported


def test_imported_files_are_never_deleted(shelf: Filled, folder: Path) -> None:
    imported(shelf, folder)
    picture = shelf.library.recent()[0]
    assert shelf.gallery.is_kept(picture.id)
    shelf.gallery.act("delete", [picture.id], "ann")
    assert Path(picture.path).is_file()
    assert len(shelf.find("", deleted=True)) == 1
    shelf.gallery.act("restore", [picture.id], "ann")
    assert len(shelf.find()) == 7
    shelf.gallery.act("delete", [picture.id], "ann")
    assert shelf.gallery.empty_trash(None) == 1
    assert Path(picture.path).is_file()
    assert len(shelf.find()) == 6
    shelf.library.delete(shelf.library.recent()[0].id)
    assert len([p for p in folder.rglob("*") if p.is_file()]) == 8


def test_imported_pictures_in_the_output_folder_are_like_others(shelf: Filled) -> None:
    place = shelf.library.outputs / "mine"
    place.mkdir(parents=True)
    (place / "x.png").write_bytes(encode(PIXELS, "png", 80, TEXT))
    assert imported(shelf, place).added == 1
    [picture] = shelf.library.recent()
    assert not shelf.gallery.is_kept(picture.id)
    shelf.gallery.act("delete", [picture.id], "ann")
    assert not (place / "x.png").exists()
    assert imported(shelf, shelf.library.outputs).added == 0
    shelf.gallery.act("restore", [picture.id], "ann")
    assert (place / "x.png").is_file()


def test_damaged_and_odd_files_are_said_and_the_rest_comes_in(shelf: Filled, folder: Path) -> None:
    (folder / "no picture.png").write_bytes(b"<html>")
    (folder / "empty.jpg").touch()
    shutil.copy(folder / "plain.png", folder / "bomb.png")
    make_bomb(folder / "bomb.png")
    (folder / "link.png").symlink_to("/etc/passwd")
    (folder / ".hidden.png").write_bytes(b"x")
    odd = os.fsencode(folder) + b"/\xff\xfe.png"
    if sys.platform == "linux":
        Path(os.fsdecode(odd)).write_bytes((folder / "plain.png").read_bytes())
    now = imported(shelf, folder)
    assert (now.state, now.added) == ("done", 7)
    said = " ".join(now.problems)
    assert len(now.problems) == (4 if sys.platform == "linux" else 3)
    for name in ("no picture.png is no picture", "empty.jpg is no", "bomb.png is no picture"):
        assert name in said
    if sys.platform == "linux":
        assert "has a name that is no text" in said
    json.dumps(now.problems).encode()


def test_a_file_replaced_by_a_link_is_not_given(
    shelf: Filled, folder: Path, tmp_path: Path
) -> None:
    imported(shelf, folder)
    secret = tmp_path / "secret.png"
    secret.write_bytes(b"secret")
    for picture in shelf.library.recent():
        Path(picture.path).unlink()
        Path(picture.path).symlink_to(secret)
        assert shelf.gallery.files([picture.id], None) == [(Path(picture.path).name, None)]
        with pytest.raises(Exception, match="no longer in the folder it was imported from"):
            shelf.library.file(picture.id)


def test_seeds_of_64_bits(shelf: Filled, tmp_path: Path) -> None:
    place = tmp_path / "seeds"
    place.mkdir()
    for seed in (2**64 - 2, 2**63, 2**63 - 1):
        changed: dict[str, Any] = graph()
        changed["3"]["inputs"]["seed"] = seed
        info = PngInfo()
        info.add_text("prompt", json.dumps(changed))
        Image.new("RGB", (8, 8)).save(place / f"{seed}.png", pnginfo=info)
    imported(shelf, place)
    assert sorted(p.seed for p in shelf.library.recent()) == [2**63 - 1, 2**63, 2**64 - 2]
    assert len(shelf.find(f"seed:{2**63}")) == 1


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (None, "path of a folder"),
        (5, "path of a folder"),
        ("", "path of a folder"),
        ("a\0b", "path of a folder"),
        ("x" * 5000, "path of a folder"),
        ("relative/path", "not a whole path"),
        ("~nobody-of-that-name/x", "not a whole path"),
        ("/no/such/folder", "There is no folder /no/such/folder"),
        (__file__, "There is no folder"),
        ("/" + "x" * 300, "cannot be read|There is no folder"),
    ],
)
def test_folders_that_are_none(shelf: Filled, given: object, says: str) -> None:
    with pytest.raises(InvalidRequest, match=says) as error:
        shelf.gallery.importer.start(given, "ann")
    assert error.value.field == "folder"
    assert shelf.gallery.importer.progress.state == "idle"


def test_one_at_a_time_and_it_can_be_stopped(
    shelf: Filled, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go_on = threading.Event(), threading.Event()
    importer = shelf.gallery.importer
    real: Callable[..., Any] = importer._read

    def slow(*args: Any) -> Any:
        begun.set()
        go_on.wait(20)
        return real(*args)

    monkeypatch.setattr(importer, "_read", slow)
    importer.start(str(folder), "ann")
    assert begun.wait(20)
    assert importer.progress.state == "running"
    with pytest.raises(Conflict, match="is being imported"):
        importer.start(str(folder), "ann")
    importer._stop.set()
    go_on.set()
    assert importer.stop().state == "stopped"
    assert importer.progress.added < 7
    monkeypatch.undo()
    assert imported(shelf, folder).state == "done"
    assert len(shelf.find()) == 7
