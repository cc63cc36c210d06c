"""Pictures saved: whole files under free names, rows to find them, nothing left of a failure."""

from __future__ import annotations

import errno
import os
import random
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from webui.core.errors import NotFound, StorageError
from webui.core.requests import Txt2Img
from webui.core.results import Pixels, SavedImage
from webui.library import Library
from webui.library.files import publish
from webui.metadata import infotext, read_infotext
from webui.settings import Saving

PIXELS = Pixels(16, 8, random.Random(0).randbytes(3 * 16 * 8))
NOON = 1_790_000_000.0
TEXT = infotext(
    Txt2Img(prompt="a cat", negative_prompt="a dog", checkpoint="m", width=16, height=16),
    seed=5,
    model_hash=None,
    version="easel-0.1.0",
)


def save(library: Library, index: int = 0, job_id: str = "job", **changes: Any) -> SavedImage:
    values: dict[str, Any] = {
        "infotext": TEXT,
        "seed": 5 + index,
        "prompt": "a cat",
        "model": "m",
        "seconds": 1.5,
    }
    pixels = changes.pop("pixels", PIXELS)
    return library.save(pixels, job_id=job_id, index=index, **values | changes)


def files_in(folder: Path) -> list[str]:
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*"))


Opener = Callable[..., Library]


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Opener]:
    """Opens libraries on the same folders and closes them in the end."""
    made: list[Library] = []

    def open_one(saving: Saving | None = None, **more: Any) -> Library:
        options: dict[str, Any] = {"now": lambda: NOON} | more
        outputs = options.pop("outputs", tmp_path / "outputs")
        made.append(Library(outputs, tmp_path / "data", saving or Saving(), **options))
        return made[-1]

    yield open_one
    for library in made:
        library.close()


def test_a_picture_is_saved_and_found_again(opened: Opener, tmp_path: Path) -> None:
    library = opened()
    saved = save(library)
    assert (saved.seed, saved.width, saved.height, saved.index) == (5, 16, 8, 0)
    assert (saved.infotext, saved.created, saved.seconds) == (TEXT, NOON, 1.5)
    path = library.file(saved.id)
    assert path == Path(saved.path)
    assert path.parent.parent == tmp_path / "outputs"
    assert path.name == "00000-5.png"
    with Image.open(path) as image:
        assert image.tobytes() == PIXELS.data
    assert read_infotext(path) == TEXT
    assert library.get(saved.id) == saved
    library.close()
    assert opened().get(saved.id) == saved


@pytest.mark.parametrize(
    ("saving", "suffix", "kind"),
    [
        (Saving(), ".png", "PNG"),
        (Saving(format="jpeg", quality=80), ".jpg", "JPEG"),
        (Saving(format="webp", quality=80), ".webp", "WEBP"),
    ],
)
def test_formats(opened: Opener, saving: Saving, suffix: str, kind: str) -> None:
    path = Path(save(opened(saving)).path)
    assert path.suffix == suffix
    with Image.open(path) as image:
        assert image.format == kind
    assert read_infotext(path) == TEXT


def test_metadata_can_be_left_out_of_the_file(opened: Opener) -> None:
    saved = save(opened(Saving(embed_metadata=False)))
    assert read_infotext(Path(saved.path)) is None
    assert saved.infotext == TEXT


def test_numbers_go_on_where_the_folder_left_off(opened: Opener) -> None:
    library = opened()
    names = [Path(save(library, i).path).name for i in range(3)]
    assert names == ["00000-5.png", "00001-6.png", "00002-7.png"]
    folder = Path(save(library, 3).path).parent
    (folder / "00041-1.png").write_bytes(b"someone else's")
    (folder / "00004-9.png").write_bytes(b"someone else's")
    assert Path(save(library, 4).path).name == "00005-9.png"
    assert Path(save(opened(), 5).path).name == "00042-10.png"


def test_a_name_that_is_taken_is_never_replaced(opened: Opener) -> None:
    library = opened(Saving(name_pattern="[seed]"))
    first = save(library, seed=1)
    second = save(library, 1, seed=1)
    assert [Path(s.path).name for s in (first, second)] == ["1.png", "1-1.png"]
    folder = Path(first.path).parent
    (folder / "2.png").write_bytes(b"mine")
    assert Path(save(library, 2, seed=2).path).name == "2-1.png"
    assert (folder / "2.png").read_bytes() == b"mine"


def test_two_libraries_and_many_threads_never_meet(opened: Opener, tmp_path: Path) -> None:
    libraries = [opened(), opened()]
    with ThreadPoolExecutor(8) as pool:
        saved = list(
            pool.map(lambda i: save(libraries[i % 2], i, seed=1, job_id=f"j{i % 2}"), range(40))
        )
    assert len({s.path for s in saved}) == len({s.id for s in saved}) == 40
    assert all(read_infotext(Path(s.path)) == TEXT for s in saved)
    assert {s.id for s in libraries[0].recent(100)} == {s.id for s in saved}
    assert not [name for name in files_in(tmp_path / "outputs") if name.endswith(".tmp")]


def test_saving_the_same_picture_again_replaces_it(opened: Opener, tmp_path: Path) -> None:
    library = opened()
    first = save(library)
    other = Pixels(16, 8, bytes(3 * 16 * 8))
    second = save(library, pixels=other, infotext="new text")
    assert (second.id, second.path) == (first.id, first.path)
    assert library.get(first.id).infotext == "new text"
    with Image.open(second.path) as image:
        assert image.tobytes() == other.data
    assert len(library.recent(10)) == 1
    third = save(opened(Saving(format="webp")))
    assert third.id == first.id
    assert files_in(tmp_path / "outputs")[1:] == [
        Path(third.path).relative_to(tmp_path / "outputs").as_posix()
    ]
    Path(third.path).unlink()
    assert Path(save(library).path).is_file()


def test_recent_pictures_come_in_pages(opened: Opener) -> None:
    library = opened()
    saved = [save(library, i) for i in range(5)]
    page = library.recent(2)
    assert [s.id for s in page] == [saved[4].id, saved[3].id]
    assert [s.id for s in library.recent(10, before=page[-1].id)] == [s.id for s in saved[2::-1]]
    assert library.recent(0) == ()
    assert library.recent(5, before="unknown") == ()


def test_deleting_takes_file_and_row(opened: Opener, tmp_path: Path) -> None:
    library = opened()
    saved, kept = save(library), save(library, 1)
    library.delete(saved.id)
    assert not Path(saved.path).exists()
    assert [s.id for s in library.recent()] == [kept.id]
    for ask in (library.get, library.file, library.delete):
        with pytest.raises(NotFound, match="no such picture"):
            ask(saved.id)


@pytest.mark.parametrize("image_id", ["", "x", "../../etc/passwd", "' OR 1=1 --", "x" * 10**6])
def test_unknown_ids_are_not_found(opened: Opener, image_id: str) -> None:
    library = opened()
    save(library)
    with pytest.raises(NotFound):
        library.file(image_id)


def test_ids_cannot_be_guessed(opened: Opener) -> None:
    library = opened()
    ids = [save(library, i).id for i in range(5)]
    assert all(len(i) >= 24 for i in ids)
    assert len({i[:6] for i in ids}) == 5


def test_files_outside_the_output_folder_are_never_given(opened: Opener, tmp_path: Path) -> None:
    library = opened()
    secret = tmp_path / "secret.png"
    secret.write_bytes(b"secret")
    saved = [save(library, i) for i in range(4)]
    Path(saved[3].path).unlink()
    Path(saved[3].path).symlink_to(secret)
    with sqlite3.connect(tmp_path / "data" / "library.sqlite") as db:
        for image, path in zip(saved, ("../secret.png", str(secret), "a\0b"), strict=False):
            db.execute("UPDATE images SET path = ? WHERE id = ?", (path, image.id))
    db.close()
    for image in saved:
        with pytest.raises(NotFound, match="no longer in the output folder"):
            library.file(image.id)
        library.delete(image.id)
    assert secret.read_bytes() == b"secret"


def test_a_file_taken_away_by_its_owner_is_not_found(opened: Opener) -> None:
    library = opened()
    saved = save(library)
    Path(saved.path).unlink()
    with pytest.raises(NotFound, match="no longer in the output folder"):
        library.file(saved.id)
    assert library.get(saved.id) == saved


def test_names_stay_inside_whatever_the_prompt_says(opened: Opener, tmp_path: Path) -> None:
    library = opened(Saving(name_pattern="[prompt_words][model_name]../[job]"))
    for prompt in ("../../../etc", "a" * 5000, "日本 " * 500, "\ud800 <img onerror=x>"):
        path = Path(save(library, prompt=prompt, model="../../m", job_id="../j" + prompt[:3]).path)
        assert path.is_file()
        assert path.parent.parent == tmp_path / "outputs"


# ---- failures


def fails_with(code: int) -> Callable[[int], None]:
    def sync(_: int) -> None:
        raise OSError(code, os.strerror(code))

    return sync


@pytest.mark.parametrize(
    ("code", "says"),
    [
        (errno.ENOSPC, "is full; free some space"),
        (errno.EDQUOT, "is full; free some space"),
        (errno.EROFS, "cannot be written to"),
        (errno.EIO, "failed (Input/output error)"),
    ],
)
def test_a_failed_write_is_a_sentence_and_leaves_nothing(
    opened: Opener, tmp_path: Path, code: int, says: str
) -> None:
    with pytest.raises(StorageError) as error:
        save(opened(sync=fails_with(code)))
    assert says in error.value.message
    assert str(tmp_path / "outputs") in error.value.message
    assert files_in(tmp_path / "outputs") == []
    library = opened()
    assert library.recent() == ()
    assert Path(save(library).path).name == "00000-5.png"


def test_a_failed_replacement_leaves_the_earlier_picture(opened: Opener) -> None:
    saved = save(opened())
    before = Path(saved.path).read_bytes()
    library = opened(sync=fails_with(errno.ENOSPC))
    with pytest.raises(StorageError):
        save(library, infotext="new")
    assert Path(saved.path).read_bytes() == before
    assert library.get(saved.id).infotext == TEXT
    assert len(files_in(Path(saved.path).parent)) == 1


def test_a_failed_row_takes_the_file_with_it(opened: Opener, tmp_path: Path) -> None:
    library = opened()
    save(library)
    with sqlite3.connect(tmp_path / "data" / "library.sqlite") as db:
        db.execute("CREATE TRIGGER no BEFORE INSERT ON images BEGIN SELECT RAISE(ABORT, 'no'); END")
    db.close()
    with pytest.raises(StorageError, match=r"The library .* failed"):
        save(library, 1)
    assert [n for n in files_in(tmp_path / "outputs") if n.endswith(".png")] == [
        Path(library.recent()[0].path).relative_to(tmp_path / "outputs").as_posix()
    ]


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 64 kB, where this process may mount one."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(place)]
    if sys.platform != "linux" or os.getuid() != 0 or subprocess.call(mount, stderr=-3) != 0:
        pytest.skip("needs to mount a disk")
    yield place
    subprocess.call(["umount", str(place)])


def test_a_disk_that_is_really_full(opened: Opener, tiny_disk: Path) -> None:
    library = opened(outputs=tiny_disk / "outputs")
    big = Pixels(256, 256, random.Random(1).randbytes(3 * 256 * 256))
    with pytest.raises(StorageError, match="is full; free some space"):
        save(library, pixels=big)
    assert files_in(tiny_disk / "outputs") == []
    assert Path(save(library).path).is_file()


def test_a_disk_that_is_really_read_only(opened: Opener, tiny_disk: Path) -> None:
    subprocess.check_call(["mount", "-o", "remount,ro", str(tiny_disk)])
    with pytest.raises(StorageError, match="cannot be written to"):
        save(opened(outputs=tiny_disk / "outputs"))


def test_an_output_folder_that_is_a_file(opened: Opener, tmp_path: Path) -> None:
    (tmp_path / "outputs").write_text("not a folder")
    with pytest.raises(StorageError, match="Not a directory"):
        save(opened())


def test_a_data_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(StorageError):
        Library(tmp_path / "outputs", tmp_path / "file" / "data", Saving())


def test_file_systems_without_hard_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_links(*_: object, **__: object) -> None:
        raise OSError(errno.EOPNOTSUPP, "no links here")

    monkeypatch.setattr(os, "link", no_links)
    names = [(0, "a.png"), (1, "b.png")]
    assert publish(tmp_path, names, b"one") == (0, tmp_path / "a.png")
    assert publish(tmp_path, names, b"two") == (1, tmp_path / "b.png")
    with pytest.raises(StorageError, match="no free name"):
        publish(tmp_path, names, b"three")
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == {
        "a.png": b"one",
        "b.png": b"two",
    }


# ---- an index that was lost


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.write_bytes(b"no database at all" * 100),
        lambda path: path.write_bytes(path.read_bytes()[:4096] + b"\xff" * 8192),
        lambda path: _drop_table(path),
    ],
)
def test_a_damaged_index_is_set_aside_and_made_again(
    opened: Opener, tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    library = opened()
    saved = [save(library, i) for i in range(2)]
    (Path(saved[0].path).parent / "broken.png").write_bytes(b"no picture")
    library.close()
    damage(tmp_path / "data" / "library.sqlite")
    again = opened()
    assert len(again.warnings) == 1
    assert "The library was damaged" in again.warnings[0]
    assert len([p for p in (tmp_path / "data").iterdir() if ".broken-" in p.name]) == 1
    found = {s.path: s for s in again.recent()}
    assert set(found) == {s.path for s in saved}
    image = found[saved[0].path]
    assert (image.seed, image.infotext, image.width, image.height) == (5, TEXT, 16, 8)
    assert again.rebuild() == 0
    assert Path(save(again, job_id="next").path).name == "00002-5.png"
    again.close()
    assert opened().warnings == ()


def _drop_table(path: Path) -> None:
    with sqlite3.connect(path) as db:
        db.execute("DROP TABLE images")
    db.close()


def test_an_index_of_a_newer_easel_is_left_alone(opened: Opener, tmp_path: Path) -> None:
    opened().close()
    with sqlite3.connect(tmp_path / "data" / "library.sqlite") as db:
        db.execute("PRAGMA user_version = 99")
    db.close()
    with pytest.raises(StorageError, match="made by a newer Easel"):
        opened()


def test_settings_can_change_between_pictures(opened: Opener) -> None:
    library = opened()
    library.saving = replace(library.saving, format="webp")
    assert save(library).path.endswith(".webp")


def test_pictures_can_be_asked_for_by_owner(opened: Opener) -> None:
    library = opened()
    mine = [save(library, i, owner="ann") for i in range(3)]
    save(library, 9, owner="bob")
    assert [s.id for s in library.recent(owner="ann")] == [s.id for s in mine[::-1]]
    older = library.recent(5, before=mine[1].id, owner="ann")
    assert [s.id for s in older] == [mine[0].id]
    assert len(library.recent()) == 4
    assert library.get(mine[0].id).owner == "ann"
