"""Pictures as files: the pixels, the text in them, and files that are no pictures."""

from __future__ import annotations

import io
import random
import struct
import zlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from webui.core.requests import Txt2Img
from webui.core.results import ImageFormat, Pixels
from webui.metadata import encode, fitting, image_size, infotext, read_infotext, read_texts
from webui.metadata.chunks import MAX_SIDE

NOISE = Pixels(48, 32, random.Random(0).randbytes(3 * 48 * 32))
FLAT = Pixels(48, 32, bytes([200, 30, 40]) * (48 * 32))
FORMATS: tuple[ImageFormat, ...] = ("png", "jpeg", "webp", "avif")
TEXT = infotext(Txt2Img(prompt="a, b"), seed=1, model_hash=None, version="easel-0.1.0")


def opened(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data))


def chunk_names(png: bytes) -> list[bytes]:
    names, place = [], 8
    while place < len(png):
        (length,) = struct.unpack(">I", png[place : place + 4])
        names.append(png[place + 4 : place + 8])
        place += 12 + length
    return names


def test_a_png_holds_every_pixel() -> None:
    for pixels in (NOISE, FLAT):
        image = opened(encode(pixels, "png", 1, TEXT))
        assert (image.mode, image.size) == ("RGB", (48, 32))
        assert image.tobytes() == pixels.data


@pytest.mark.parametrize("fmt", ["jpeg", "webp", "avif"])
def test_lossy_formats_keep_the_picture_and_obey_quality(fmt: ImageFormat) -> None:
    image = opened(encode(FLAT, fmt, 90, None)).convert("RGB")
    assert image.size == (48, 32)
    colour = image.getpixel((20, 20))
    assert isinstance(colour, tuple)
    assert all(abs(a - b) < 8 for a, b in zip(colour, (200, 30, 40), strict=True))
    assert len(encode(NOISE, fmt, 20, None)) < len(encode(NOISE, fmt, 95, None))


@pytest.mark.parametrize("fmt", FORMATS)
@pytest.mark.parametrize(
    "text",
    [
        *(TEXT, "ünïcode\n" + TEXT, "日本 😀\n" + TEXT, "x" * 20_000),
        *("一只猫\n" + TEXT, "Ā", "\ufeff" + TEXT, "\ufffe"),  # as if of the other byte order
    ],
)
def test_the_text_comes_back(fmt: ImageFormat, text: str, tmp_path: Path) -> None:
    data = encode(NOISE, fmt, 90, text)
    assert read_infotext(data) == text
    file = tmp_path / "picture"
    file.write_bytes(data)
    assert read_infotext(file) == text
    assert image_size(file) == (48, 32)


@pytest.mark.parametrize("fmt", FORMATS)
def test_without_a_text_there_is_none(fmt: ImageFormat) -> None:
    assert read_infotext(encode(NOISE, fmt, 90, None)) is None


def test_a_png_uses_the_chunks_a1111_uses() -> None:
    assert b"tEXt" in chunk_names(encode(NOISE, "png", 1, "plain ü"))
    assert b"iTXt" in chunk_names(encode(NOISE, "png", 1, "日本"))
    assert opened(encode(NOISE, "png", 1, TEXT)).info["parameters"] == TEXT


def test_a_jpeg_holds_the_comment_as_undefined_bytes_in_utf16() -> None:
    data = encode(NOISE, "jpeg", 90, "a日")
    expected = struct.pack(">HHI", 0x9286, 7, 8 + 4)
    assert expected in data
    assert b"UNICODE\0\x00a\x65\xe5" in data


@pytest.mark.parametrize("text", ["日" * 40_000, "x" * 100_000, "😀" * 30_000])
def test_a_jpeg_s_last_line_survives_what_exif_cannot_hold(text: str) -> None:
    read = read_infotext(encode(NOISE, "jpeg", 90, f"{text}\n{TEXT.splitlines()[-1]}"))
    assert read is not None
    head, _, last = read.rpartition("\n")
    assert last == TEXT.splitlines()[-1]
    assert text.startswith(head)
    assert len(head) > 15_000


@pytest.mark.parametrize("fmt", ["jpeg", "webp", "avif"])
def test_other_readers_find_the_comment_in_exif(fmt: ImageFormat) -> None:
    """Pillow's EXIF reader stands for theirs."""
    exif = opened(encode(NOISE, fmt, 90, TEXT)).getexif()
    assert exif.get_ifd(0x8769)[0x9286] == b"UNICODE\0" + TEXT.encode("utf-16-be")


@pytest.mark.parametrize("fmt", ["webp", "avif"])
def test_comments_of_a1111_are_read_from_newer_formats(fmt: str) -> None:
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0x9286] = b"UNICODE\0" + TEXT.encode("utf-16-be")
    out = io.BytesIO()
    Image.new("RGB", (8, 8)).save(out, fmt.upper(), exif=exif.tobytes())
    assert read_infotext(out.getvalue()) == TEXT


@pytest.mark.parametrize("fmt", FORMATS)
def test_the_largest_picture_of_a_format_can_be_written_and_read(fmt: ImageFormat) -> None:
    most = MAX_SIDE.get(fmt, 70_000)
    assert fitting(fmt, most, 1) == (fmt, "")
    assert image_size(encode(Pixels(most, 1, bytes(3 * most)), fmt, 50, None)) == (most, 1)


@pytest.mark.parametrize("fmt", ["jpeg", "webp", "avif"])
def test_what_a_format_cannot_hold_is_a_png_and_a_sentence(fmt: ImageFormat) -> None:
    most = MAX_SIDE[fmt]
    for size in ((most + 1, 1), (1, most + 1)):
        chosen, note = fitting(fmt, *size)
        assert chosen == "png"
        assert fmt.upper() in note
        assert str(most) in note


def test_comments_of_other_writers_are_read() -> None:
    for body, text in [
        (b"UNICODE\0" + "aü".encode("utf-16-le"), "aü"),
        (b"UNICODE\0\xff\xfe" + "aü".encode("utf-16-le"), "aü"),
        (b"ASCII\0\0\0plain", "plain"),
        (b"\0" * 8 + "ü".encode(), "ü"),
        (b"no code at all", "no code at all"),
    ]:
        exif = Image.Exif()
        exif.get_ifd(0x8769)[0x9286] = body
        out = io.BytesIO()
        Image.new("RGB", (8, 8)).save(out, "JPEG", exif=exif.tobytes())
        assert read_infotext(out.getvalue()) == text


@given(st.text(max_size=100))
@settings(max_examples=60, deadline=None)
def test_any_text_can_be_written(text: str) -> None:
    kept = text.encode("utf-8", "replace").decode()
    small = Pixels(8, 8, bytes(192))
    assert read_infotext(encode(small, "png", 1, text)) == kept
    assert read_infotext(encode(small, "webp", 1, text)) == kept


def bomb() -> bytes:
    """A PNG whose text chunk unpacks to 50 MB."""
    body = b"parameters\0\0" + zlib.compress(b"a" * 50_000_000)
    chunk = b"zTXt" + body
    data = encode(FLAT, "png", 1, None)
    packed = struct.pack(">I", len(body)) + chunk + struct.pack(">I", zlib.crc32(chunk))
    return data[:33] + packed + data[33:]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"hello",
        b"\x89PNG\r\n\x1a\n",
        b"\x89PNG\r\n\x1a\n" + b"\xff" * 60,
        b"\xff\xd8\xff\xe1\x00\x10Exif\0\0MM\0*\xff\xff\xff\xff",
        b"RIFF\xff\xff\xff\xffWEBPVP8 ",
        b"GIF89a" + b"\0" * 50,
        b"%PDF-1.4",
        bomb(),
    ],
)
def test_files_that_are_no_pictures_have_no_text(data: bytes) -> None:
    assert read_infotext(data) is None


def test_a_missing_file_has_no_text(tmp_path: Path) -> None:
    assert read_infotext(tmp_path / "none.png") is None
    assert image_size(tmp_path) is None


@given(st.sampled_from(FORMATS), st.integers(0, 400), st.binary(min_size=1, max_size=4))
@settings(max_examples=120, deadline=None)
def test_damaged_pictures_never_crash(fmt: ImageFormat, place: int, noise: bytes) -> None:
    data = bytearray(encode(FLAT, fmt, 80, TEXT))
    place %= len(data)
    data[place : place + len(noise)] = noise
    read_infotext(bytes(data))
    read_infotext(bytes(data[:place]))


def chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def test_a_text_behind_the_pixels_is_found() -> None:
    data = encode(FLAT, "png", 1, None)
    text = chunk(b"tEXt", b"parameters\0" + TEXT.encode())
    assert read_infotext(data[:-12] + text + data[-12:]) == TEXT


def test_texts_are_read_without_the_pixels() -> None:
    """Of a picture that breaks off, and of one that would unpack to 360 MB."""
    data = encode(NOISE, "png", 1, TEXT)
    assert read_infotext(data[: len(data) // 2]) == TEXT
    size = chunk(b"IHDR", struct.pack(">IIBBBBB", 12_000, 10_000, 8, 2, 0, 0, 0))
    pixels = chunk(b"IDAT", b"no pixels")
    found = read_texts(data[:8] + size + pixels)
    assert found is not None
    assert (found.width, found.height, found.texts) == (12_000, 10_000, {})
