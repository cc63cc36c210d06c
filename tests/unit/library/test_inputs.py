"""Pictures that requests start from are kept whole, once, and not for ever."""

from __future__ import annotations

import io
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from webui.core.errors import InvalidRequest, NotFound, StorageError, TooLarge
from webui.library.inputs import Input, Inputs, surplus


def picture(mode: str = "RGB", size: tuple[int, int] = (6, 4), seed: int = 0) -> Image.Image:
    rng = np.random.default_rng(seed)
    image = Image.fromarray(rng.integers(0, 256, (size[1], size[0], 4), np.uint8), "RGBA")
    return image.convert(mode) if mode in ("RGBA", "LA") else image.convert("RGB").convert(mode)


def file_of(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "LA", "P", "1"])
def test_a_picture_comes_back_as_it_is(tmp_path: Path, mode: str) -> None:
    inputs, image = Inputs(tmp_path / "inputs"), picture(mode)
    kept = inputs.put(file_of(image))
    assert (kept.width, kept.height) == (6, 4)
    with Image.open(io.BytesIO(inputs.data(kept.id))) as back:
        wanted = image.convert("RGBA" if mode in ("RGBA", "LA") else "RGB")
        assert back.mode == wanted.mode
        assert back.tobytes() == wanted.tobytes()
    assert inputs.check(kept.id) == kept
    assert inputs.put(file_of(image)) == kept
    assert len(list((tmp_path / "inputs").iterdir())) == 1


def test_sixteen_bits_become_eight(tmp_path: Path) -> None:
    deep = (np.arange(256) * 256).astype(np.uint16).reshape(16, 16)
    inputs = Inputs(tmp_path)
    kept = inputs.put(file_of(Image.fromarray(deep)))
    with Image.open(inputs.path(kept.id)) as back:
        assert (np.asarray(back)[..., 0] == np.arange(256).reshape(16, 16)).all()


def test_a_photograph_is_turned_and_its_texts_are_left_behind(tmp_path: Path) -> None:
    image = picture()
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned to the left
    exif[0x010E] = "where somebody lives"
    inputs = Inputs(tmp_path)
    kept = inputs.put(file_of(image, "PNG", exif=exif))
    assert (kept.width, kept.height) == (4, 6)
    data = inputs.data(kept.id)
    assert b"lives" not in data
    with Image.open(io.BytesIO(data)) as back:
        assert back.tobytes() == image.transpose(Image.Transpose.ROTATE_270).tobytes()


def test_what_is_no_picture_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    inputs = Inputs(tmp_path / "inputs")
    whole = file_of(picture(size=(64, 64)))
    for data in (b"", b"hello", whole[: len(whole) // 2], b"<svg/>"):
        with pytest.raises(InvalidRequest, match="cannot be read"):
            inputs.put(data, field="init_image")
    bomb = file_of(Image.new("1", (9000, 9000)))
    with pytest.raises(TooLarge, match="50 million"):
        inputs.put(bomb)
    assert not (tmp_path / "inputs").exists()


@pytest.mark.parametrize("name", ["", "x", "../../etc/passwd", "0" * 63, "0" * 64, "A" * 64])
def test_an_id_that_is_not_kept_is_not_found(tmp_path: Path, name: str) -> None:
    inputs = Inputs(tmp_path)
    for ask in (inputs.data, inputs.check, inputs.path):
        with pytest.raises(NotFound, match="send it again"):
            ask(name)


def test_a_disk_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "inputs").write_text("a file is in the way")
    with pytest.raises(StorageError):
        Inputs(tmp_path / "inputs").put(file_of(picture()))


def test_what_was_used_longest_ago_goes_first_but_nothing_of_today(tmp_path: Path) -> None:
    now = 1_000_000.0
    inputs = Inputs(tmp_path, kept_bytes=200, now=lambda: now)
    first, second = (inputs.put(file_of(picture(seed=i))).id for i in (1, 2))
    assert inputs.data(first)
    assert inputs.data(second)
    now += 90_000
    inputs.check(second)
    third = inputs.put(file_of(picture(seed=3))).id
    with pytest.raises(NotFound):
        inputs.data(first)
    assert inputs.data(second)
    assert inputs.data(third)
    assert {p.stem for p in tmp_path.iterdir()} == {second, third}
    assert inputs.path(second).stat().st_mtime == now


def test_a_days_pictures_do_not_fill_the_disk(tmp_path: Path) -> None:
    now = 1_000_000.0
    inputs = Inputs(tmp_path, kept_bytes=200, now=lambda: now)
    for seed in range(20):
        now += 1
        last = inputs.put(file_of(picture(seed=seed)))
        assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= 4 * 200
    assert inputs.check(last.id) == last


def test_one_picture_sent_twice_at_once_is_kept_for_both(tmp_path: Path) -> None:
    inputs, data = Inputs(tmp_path), file_of(picture(size=(900, 900)), "JPEG")
    start = threading.Barrier(4)

    def put(_: int) -> Input:
        start.wait()
        return inputs.put(data)

    with ThreadPoolExecutor(4) as pool:
        assert len(set(pool.map(put, range(4)))) == 1
    assert len(list(tmp_path.iterdir())) == 1


def test_what_jobs_start_from_stays_however_long_they_wait(tmp_path: Path) -> None:
    now = 1_000_000.0
    in_use: set[str] = set()
    inputs = Inputs(tmp_path, kept_bytes=200, now=lambda: now, in_use=lambda: in_use)
    waiting = inputs.put(file_of(picture(seed=1))).id
    other = inputs.put(file_of(picture(seed=2))).id
    in_use.add(waiting)
    now += 1_000_000
    newest = inputs.put(file_of(picture(seed=3))).id
    assert inputs.data(waiting)
    assert {p.stem for p in tmp_path.iterdir()} == {waiting, newest}
    with pytest.raises(NotFound):
        inputs.data(other)
    for seed in range(4, 40):  # however much is sent meanwhile
        now += 1
        inputs.put(file_of(picture(seed=seed)))
    assert inputs.data(waiting)
    in_use.clear()
    now += 1_000_000
    inputs.put(file_of(picture(seed=41)))
    with pytest.raises(NotFound):
        inputs.data(waiting)


def test_where_jobs_start_from_all_there_is_room_for_no_more_is_taken(tmp_path: Path) -> None:
    in_use: list[str] = []
    inputs = Inputs(tmp_path, kept_bytes=200, in_use=lambda: in_use)
    for seed in range(3):
        in_use += [inputs.put(file_of(picture(seed=seed))).id]
    large = file_of(picture(size=(12, 12)))
    with pytest.raises(StorageError, match="try again when some of these jobs have ended"):
        inputs.put(large)
    kept = {p.stem for p in tmp_path.iterdir()}
    assert kept == set(in_use)
    assert 200 < sum(p.stat().st_size for p in tmp_path.iterdir()) <= 4 * 200
    in_use.clear()
    assert inputs.put(large)


def test_a_pictures_size_is_known_without_reading_it_again(tmp_path: Path) -> None:
    inputs = Inputs(tmp_path)
    kept = inputs.put(file_of(picture()))
    assert inputs.size(kept.id) == (6, 4)
    assert inputs.size("0" * 64) == inputs.size("../etc/passwd") == (0, 0)
    inputs.path(kept.id).unlink()
    assert inputs.size(kept.id) == (6, 4), "those of an id never change"


@pytest.mark.parametrize(
    ("most", "since", "gone"),
    [
        (60, 100, []),
        (59, 100, ["a"]),
        (30, 100, ["a", "b"]),
        (0, 100, ["a", "b", "c"]),
        (0, 2, ["a", "b"]),
        (0, 0, []),
    ],
)
def test_surplus(most: int, since: float, gone: list[str]) -> None:
    files = [(3.0, 30, "c"), (1.0, 10, "a"), (2.0, 20, "b")]
    assert surplus(files, most, since) == gone
    assert surplus(files, 0, 100, {"b"}) == ["a", "c"]
    assert surplus(files, 40, 100, {"a"}) == ["b"]
