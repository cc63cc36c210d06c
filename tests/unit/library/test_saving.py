"""Pictures on their way to files: formats, folders, texts beside them, grids."""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from webui.core.errors import EaselError, StorageError
from webui.core.requests import Txt2Img
from webui.core.results import Pixels, SavedImage
from webui.library import Library
from webui.library.grids import layout
from webui.metadata import infotext, parse, read_infotext, to_request
from webui.settings import Saving

NOON = 1_790_000_000.0
REQUEST = Txt2Img(
    prompt="a cat, with 日本",
    negative_prompt="a dog",
    steps=9,
    seed=5,
    batch_size=2,
    batch_count=2,
    width=16,
    height=16,
    variation_strength=0.25,
    variation_seed=3,
    tiling=True,
)
TEXT = infotext(REQUEST, seed=5, model_hash="0123456789", version="easel-0.1.0")


def flat(colour: tuple[int, int, int], width: int = 16, height: int = 8) -> Pixels:
    return Pixels(width, height, bytes(colour) * (width * height))


def save(library: Library, index: int = 0, pixels: Pixels | None = None, **more: Any) -> SavedImage:
    values: dict[str, Any] = {
        "infotext": TEXT,
        "job_id": "job",
        "seed": 5 + index,
        "prompt": REQUEST.prompt,
        "model": "m",
        "request": REQUEST,
        "model_hash": "0123456789",
        "job_time": NOON,
        "owner": "ann",
    }
    return library.save(pixels or flat((9, 9, index)), index=index, **values | more)


Opener = Callable[..., Library]


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Opener]:
    """Opens a library with these settings for saving, and closes it in the end."""
    made: list[Library] = []

    def open_one(**settings: Any) -> Library:
        saving = Saving(**settings)
        made.append(Library(tmp_path / "outputs", tmp_path / "data", saving, now=lambda: NOON))
        return made[-1]

    yield open_one
    for library in made:
        library.close()


def names_in(folder: Path) -> list[str]:
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


@pytest.mark.parametrize(
    ("fmt", "suffix"), [("png", ".png"), ("jpeg", ".jpg"), ("webp", ".webp"), ("avif", ".avif")]
)
def test_a_picture_of_each_format_can_be_drawn_again(opened: Opener, fmt: str, suffix: str) -> None:
    saved = save(opened(format=fmt))
    path = Path(saved.path)
    assert path.suffix == suffix
    text = read_infotext(path)
    assert text == TEXT
    again = to_request(parse(text or ""))
    assert (again.prompt, again.seed, again.variation_seed) == (REQUEST.prompt, 5, 3)
    assert (again.variation_strength, again.tiling) == (0.25, True)


def test_without_metadata_the_file_says_nothing(opened: Opener) -> None:
    for index, fmt in enumerate(("png", "jpeg", "webp", "avif")):
        saved = save(opened(format=fmt, embed_metadata=False), index)
        data = Path(saved.path).read_bytes()
        assert read_infotext(data) is None
        assert b"cat" not in data
        assert "cat".encode("utf-16-be") not in data


def test_lossless_webp_keeps_every_pixel(opened: Opener) -> None:
    noise = Pixels(16, 8, random.Random(0).randbytes(3 * 16 * 8))
    lossy, exact = (
        save(opened(format="webp", webp_lossless=lossless), index, noise)
        for index, lossless in enumerate((False, True))
    )
    with Image.open(lossy.path) as a, Image.open(exact.path) as b:
        assert a.tobytes() != noise.data
        assert b.tobytes() == noise.data


def test_a_picture_too_large_for_its_format_becomes_a_png_with_a_note(
    opened: Opener, caplog: pytest.LogCaptureFixture
) -> None:
    wide = flat((1, 2, 3), 16_384, 1)
    with caplog.at_level(logging.WARNING):
        saved = save(opened(format="webp"), pixels=wide)
    assert Path(saved.path).suffix == ".png"
    assert "too large for WEBP, whose longest side is 16383 pixels; it was saved" in caplog.text
    with Image.open(saved.path) as picture:
        assert (picture.format, picture.size) == ("PNG", (16_384, 1))


def test_names_and_folders_follow_their_patterns(opened: Opener, tmp_path: Path) -> None:
    library = opened(
        name_pattern="[prompt_words]-[batch_number] of [batch_size] [model_hash]",
        folder_pattern="[user]/[steps] steps",
        prompt_words=2,
    )
    for index in range(3):
        save(library, index)
    assert names_in(tmp_path / "outputs") == [
        "ann/9 steps/a cat-1 of 2 0123456789-1.png",
        "ann/9 steps/a cat-1 of 2 0123456789.png",
        "ann/9 steps/a cat-2 of 2 0123456789.png",
    ]


def test_pictures_need_no_subfolder(opened: Opener, tmp_path: Path) -> None:
    save(opened(subfolders=False, name_pattern="[none]"))
    save(opened(subfolders=False, name_pattern="[none]"), 1)
    assert names_in(tmp_path / "outputs") == ["00000.png", "00001.png"]


def test_two_libraries_never_take_one_name(tmp_path: Path) -> None:
    saving = Saving(name_pattern="[model_name]", text_file=True)
    libraries = [Library(tmp_path / "outputs", tmp_path / str(i), saving) for i in range(2)]

    def many(n: int) -> list[str]:
        return [save(libraries[n], i, job_id=f"{n}").path for i in range(25)]

    with ThreadPoolExecutor(2) as pool:
        paths = [path for some in pool.map(many, range(2)) for path in some]
    assert len(set(paths)) == 50
    assert all(Path(path).is_file() for path in paths)
    for library in libraries:
        library.close()


# ---- texts beside pictures


def test_a_text_lies_beside_the_picture_and_goes_with_it(opened: Opener) -> None:
    library = opened(text_file=True)
    saved = save(library)
    text = Path(saved.path).with_suffix(".txt")
    assert text.read_text("utf-8") == TEXT + "\n"
    library.delete(saved.id)
    if not Path(saved.path).exists():
        assert not text.exists()


def test_a_text_is_never_another_picture_s(opened: Opener, tmp_path: Path) -> None:
    save(opened(text_file=True, name_pattern="[seed]"), 0, seed=1)
    save(opened(text_file=True, name_pattern="[seed]", format="jpeg"), 1, seed=1, infotext="other")
    files = {Path(name).name for name in names_in(tmp_path / "outputs")}
    assert files == {"1.png", "1.txt", "1-1.jpg", "1-1.txt"}


def test_a_text_that_somebody_changed_stays(opened: Opener) -> None:
    library = opened(text_file=True)
    saved = save(library)
    text = Path(saved.path).with_suffix(".txt")
    text.write_text("a caption")
    library.delete(saved.id)
    assert text.read_text() == "a caption"


def test_a_text_that_cannot_be_written_leaves_no_picture(tmp_path: Path) -> None:
    calls: list[int] = []

    def fails_second(handle: int) -> None:
        calls.append(handle)
        if len(calls) == 2:
            raise OSError(28, "No space left on device")

    library = Library(
        tmp_path / "outputs", tmp_path / "data", Saving(text_file=True), sync=fails_second
    )
    with pytest.raises(StorageError, match="is full"):
        save(library)
    assert names_in(tmp_path / "outputs") == []
    assert library.recent() == ()
    library.close()


# ---- grids


@pytest.mark.parametrize(
    ("count", "options", "shape"),
    [
        (1, {}, (1, 1)),
        (2, {}, (1, 2)),
        (3, {}, (2, 2)),
        (4, {}, (2, 2)),
        (6, {}, (2, 3)),
        (7, {}, (3, 3)),
        (12, {}, (3, 4)),
        (7, {"full": True}, (1, 7)),
        (12, {"full": True}, (3, 4)),
        (8, {"full": True}, (2, 4)),
        (6, {"rows": 0, "batch_size": 3}, (3, 2)),
        (6, {"rows": 4}, (4, 2)),
        (2, {"rows": 9}, (2, 1)),
    ],
)
def test_grids_are_laid_out_as_a1111_s(
    count: int, options: dict[str, Any], shape: tuple[int, int]
) -> None:
    assert layout(count, **options) == shape


def test_a_grid_shows_every_picture_in_its_place(opened: Opener, tmp_path: Path) -> None:
    library = opened(grid=True)
    colours = [(200, 0, 0), (0, 200, 0), (0, 0, 200)]
    saved = [save(library, i, flat(colour)) for i, colour in enumerate(colours)]
    path = library.save_grid(saved, 2)
    assert path is not None
    assert path.name == "grid-0000.png"
    assert path.parent == Path(saved[0].path).parent
    assert read_infotext(path) == TEXT
    with Image.open(path) as grid:
        assert grid.size == (32, 16)
        places = [grid.getpixel((x, y)) for y in (4, 12) for x in (8, 24)]
    assert places == [*colours, (255, 255, 255)]
    again = library.save_grid(saved, 2)
    assert again is not None
    assert again.name == "grid-0001.png"
    assert len(library.recent()) == 3
    assert library.rebuild() == 0


def test_pictures_of_several_sizes_lie_in_the_middle_of_their_places(opened: Opener) -> None:
    library = opened(grid=True, grid_rows=1)
    saved = [save(library, 0, flat((9, 9, 9), 16, 16)), save(library, 1, flat((50, 0, 0), 8, 4))]
    path = library.save_grid(saved, 1)
    assert path is not None
    with Image.open(path) as grid:
        assert grid.size == (32, 16)
        assert grid.getpixel((20, 6)) == (50, 0, 0)
        assert grid.getpixel((19, 6)) == grid.getpixel((20, 5)) == (255, 255, 255)


def test_no_grid_is_kept_where_none_is_wanted(opened: Opener, tmp_path: Path) -> None:
    library = opened()
    assert library.save_grid([save(library, i) for i in range(2)], 1) is None
    library = opened(grid=True)
    assert library.save_grid([save(library, 2)], 1) is None
    assert not any("grid" in name for name in names_in(tmp_path / "outputs"))


def test_a_grid_of_what_is_no_picture_is_a_sentence(opened: Opener) -> None:
    library = opened(grid=True)
    saved = [save(library, i) for i in range(2)]
    Path(saved[1].path).write_bytes(b"nothing")
    with pytest.raises(EaselError, match="A picture for the grid cannot be read"):
        library.save_grid(saved, 1)
