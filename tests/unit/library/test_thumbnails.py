"""Thumbnails made once, and pictures packed into a zip file."""

from __future__ import annotations

import io
import os
import zipfile
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from PIL import Image

from webui.core.errors import InvalidRequest, TooLarge
from webui.library import thumbnails
from webui.library.export import zipped
from webui.library.thumbnails import Thumbnails

RED, BLUE = (200, 30, 30), (30, 30, 200)


def picture(path: Path, size: tuple[int, int] = (600, 300), mode: str = "RGB") -> Path:
    """Red on the left, blue on the right."""
    image = Image.new("RGB", size, RED)
    image.paste(BLUE, (size[0] // 2, 0, *size))
    image.convert(mode).save(path)
    return path


def make_bomb(path: Path) -> None:
    """Let a PNG say that it has 60000 × 60000 pixels."""
    data = bytearray(path.read_bytes())
    data[16:24] = (60_000).to_bytes(4, "big") * 2
    data[29:33] = zlib.crc32(data[12:29]).to_bytes(4, "big")
    path.write_bytes(data)


def opened(data: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(data))
    assert image.format == "WEBP"
    return image.convert("RGB")


def is_near(found: object, wanted: tuple[int, int, int]) -> bool:
    assert isinstance(found, tuple)
    return all(abs(a - b) < 25 for a, b in zip(found, wanted, strict=True))


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".avif"])
@pytest.mark.parametrize("size", [128, 256, 512])
def test_every_format_and_size(tmp_path: Path, suffix: str, size: int) -> None:
    source = picture(tmp_path / f"x{suffix}")
    image = opened(Thumbnails(tmp_path / "cache").get("abc", source, size))
    assert image.size == (size, size // 2)
    assert is_near(image.getpixel((size // 4, size // 4)), RED)
    assert is_near(image.getpixel((3 * size // 4, size // 4)), BLUE)


def test_small_pictures_are_not_enlarged(tmp_path: Path) -> None:
    source = picture(tmp_path / "x.png", (20, 10))
    assert opened(Thumbnails(tmp_path).get("abc", source, 256)).size == (20, 10)


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "LA", "1", "I;16"])
def test_every_kind_of_pixel(tmp_path: Path, mode: str) -> None:
    if mode == "I;16":
        Image.new("I;16", (40, 20), 30_000).save(tmp_path / "x.png")
    else:
        picture(tmp_path / "x.png", mode=mode)
    assert thumbnails.shrink(tmp_path / "x.png", 128)


def test_cameras_that_were_turned(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (400, 200)).save(tmp_path / "x.jpg", exif=exif)
    assert opened(thumbnails.shrink(tmp_path / "x.jpg", 128)).size == (64, 128)


def test_made_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = picture(tmp_path / "x.png")
    cache = Thumbnails(tmp_path / "cache")
    first = cache.get("abc", source, 256)
    monkeypatch.setattr(thumbnails, "shrink", lambda *_: pytest.fail("made again"))
    assert cache.get("abc", source, 256) == first
    assert Thumbnails(tmp_path / "cache").get("abc", source, 256) == first
    monkeypatch.undo()
    picture(source, (100, 100))
    os.utime(source, ns=(1, 1))
    assert opened(cache.get("abc", source, 256)).size == (100, 100)
    cache.forget("abc")
    assert not list((tmp_path / "cache").rglob("*.webp"))


def test_many_threads_ask_for_the_same(tmp_path: Path) -> None:
    source = picture(tmp_path / "x.png")
    cache = Thumbnails(tmp_path / "cache")
    with ThreadPoolExecutor(8) as pool:
        found = set(pool.map(lambda _: cache.get("abc", source, 128), range(16)))
    assert len(found) == 1
    assert [p.name for p in (tmp_path / "cache").rglob("*") if p.is_file()] == ["abc-128.webp"]


def test_a_cache_that_cannot_be_written_to_is_done_without(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file")
    data = Thumbnails(tmp_path / "cache").get("abc", picture(tmp_path / "x.png"), 128)
    assert opened(data).size == (128, 64)


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".avif"])
def test_damaged_pictures_are_a_sentence(tmp_path: Path, suffix: str) -> None:
    noise = Image.effect_noise((300, 300), 80).convert("RGB")
    noise.save(tmp_path / f"x{suffix}")
    whole = (tmp_path / f"x{suffix}").read_bytes()
    for data in (whole[: len(whole) // 2], b"", b"<html>"):
        (tmp_path / f"x{suffix}").write_bytes(data)
        with pytest.raises(InvalidRequest, match=rf"The picture x{suffix} cannot be shown: the"):
            Thumbnails(tmp_path / "cache").get("abc", tmp_path / f"x{suffix}", 128)
    assert not list((tmp_path / "cache").rglob("*.webp"))


def test_a_bomb_is_not_opened(tmp_path: Path) -> None:
    make_bomb(picture(tmp_path / "x.png"))
    with pytest.raises(TooLarge, match="has more than 178 million pixels"):
        thumbnails.shrink(tmp_path / "x.png", 128)


# ---- zip files


def test_a_zip_has_every_picture_as_it_is_under_a_name_of_its_own(tmp_path: Path) -> None:
    for folder in ("a", "b", "c"):
        (tmp_path / folder).mkdir()
        picture(tmp_path / folder / ("X.png" if folder != "b" else "x.png"), (10, ord(folder)))
    old = picture(tmp_path / "日本.png")
    os.utime(old, (0, 0))
    files = [*sorted(tmp_path.rglob("[xX].png")), old]
    chunks = list(zipped([(f.name, f) for f in files] + [("gone.png", None)]))
    with zipfile.ZipFile(io.BytesIO(b"".join(chunks))) as archive:
        assert archive.testzip() is None
        names = archive.namelist()
        assert names == ["X.png", "x (2).png", "X (3).png", "日本.png", "missing.txt"]
        for file, name in zip(files, names, strict=False):
            assert archive.read(name) == file.read_bytes()
        assert archive.read("missing.txt") == b"gone.png\n"
        assert {i.compress_type for i in archive.infolist()[:-1]} == {zipfile.ZIP_STORED}


def test_a_large_zip_comes_in_parts(tmp_path: Path) -> None:
    big = tmp_path / "big.png"
    big.write_bytes(os.urandom(3_000_000))
    sizes = [len(chunk) for chunk in zipped([("a.png", big), ("b.png", big)])]
    assert sum(sizes) > 6_000_000
    assert max(sizes) < 600_000
