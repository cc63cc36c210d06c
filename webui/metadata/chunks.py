"""Pictures as files that carry their infotext, and the infotext read back from a file.

PNG keeps it in the text chunk "parameters" (iTXt when it is not latin-1), JPEG, WebP and AVIF in
EXIF's UserComment, as A1111 and the readers made for it expect.
"""

from __future__ import annotations

import io
import struct
import warnings
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from webui.core.results import ImageFormat, Pixels

T = TypeVar("T")

KEY = "parameters"
SUFFIXES: dict[ImageFormat, str] = {
    "png": ".png",
    "jpeg": ".jpg",
    "webp": ".webp",
    "avif": ".avif",
}
MAX_SIDE: dict[ImageFormat, int] = {"jpeg": 65_500, "webp": 16_383, "avif": 32_768}
"""Pixels on the longer side that a format, or the library that writes or reads it, can hold."""

_EXIF_IFD = 0x8769
_USER_COMMENT = 0x9286
_GRAPH_TAGS = (0x010F, 0x0110)  # where ComfyUI's writers of JPEG and WebP put "prompt:{…}"
_MAX_EXIF_BYTES = 65_000  # a JPEG segment holds 65533 bytes
_UNREADABLE = (OSError, ValueError, SyntaxError, struct.error, zlib.error, EOFError, KeyError,
               IndexError, TypeError, OverflowError, RuntimeError,
               Image.DecompressionBombError)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Texts:
    """A picture's size and what is written in its file: A1111's text, ComfyUI's two graphs."""

    width: int
    height: int
    infotext: str | None = None
    graph: str | None = None
    workflow: str | None = None


def fitting(fmt: ImageFormat, width: int, height: int) -> tuple[ImageFormat, str]:
    """The format to write a picture of that size in, and a sentence if it is another one.

    PNG holds every picture; the others have a longest side.
    """
    most = MAX_SIDE.get(fmt)
    if most is None or max(width, height) <= most:
        return fmt, ""
    return "png", (
        f"A picture of {width}×{height} is too large for {fmt.upper()}, whose longest side is "
        f"{most} pixels; it was saved as PNG."
    )


def encode(
    pixels: Pixels,
    fmt: ImageFormat,
    quality: int,
    infotext: str | None,
    *,
    lossless: bool = False,
) -> bytes:
    """The picture as a file's bytes.

    ``quality`` (1..100) matters to JPEG, WebP and AVIF; ``lossless`` makes a WebP keep every pixel;
    ``infotext`` of None writes none. Characters no file can hold (lone surrogates) become "?". In a
    JPEG a text over 65 kB loses the end of its prompt, never its last line. The picture's size must
    be :func:`fitting`.
    """
    image = Image.frombytes("RGB", (pixels.width, pixels.height), pixels.data)
    text = None if infotext is None else _storable(infotext)
    options: dict[str, Any] = {}
    if fmt == "png":
        # After PNG's filters, run-length matching packs as small as level 6 in a third of the time.
        options = {"compress_type": zlib.Z_RLE, "pnginfo": _png_info(text)}
    else:
        options = {"quality": quality}
        if fmt != "webp" and quality >= 90:
            options["subsampling"] = "4:4:4"
        if fmt == "webp":
            options["lossless"] = lossless
        if text is not None:
            options["exif"] = _exif(text, _MAX_EXIF_BYTES if fmt == "jpeg" else None)
    out = io.BytesIO()
    image.save(out, fmt.upper(), **options)
    return out.getvalue()


def read_infotext(source: Path | bytes) -> str | None:
    """The infotext in a PNG, JPEG, WebP or AVIF file; None when it has none or is no picture."""
    return _with_image(source, _text_of)


def read_texts(source: Path | bytes) -> Texts | None:
    """Size and texts of a PNG, JPEG, WebP or AVIF file; None when it is none."""
    return _with_image(source, _texts_of)


def image_size(source: Path | bytes) -> tuple[int, int] | None:
    """Width and height of a PNG, JPEG, WebP or AVIF file; None when it is none."""
    return _with_image(source, lambda image: image.size)


def _with_image(source: Path | bytes, ask: Callable[[Image.Image], T]) -> T | None:
    """What ``ask`` finds out from the file's header, whatever the file is."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            file = io.BytesIO(source) if isinstance(source, bytes) else source
            with Image.open(file, formats=("PNG", "JPEG", "WEBP", "AVIF")) as image:
                return ask(image)
    except _UNREADABLE:
        return None


def _text_of(image: Image.Image) -> str | None:
    text = image.info.get(KEY)
    if isinstance(text, str):
        return text
    comment: Any = image.getexif().get_ifd(_EXIF_IFD).get(_USER_COMMENT)
    return _from_comment(comment) if isinstance(comment, bytes) else None


def _texts_of(image: Image.Image) -> Texts:
    found = {key: image.info.get(key) for key in ("prompt", "workflow")}
    for tag in _GRAPH_TAGS:
        key, colon, text = str(image.getexif().get(tag, "")).partition(":")
        if colon and key.lower() in found:
            found[key.lower()] = text.strip("\0")
    graph, workflow = (text if isinstance(text, str) else None for text in found.values())
    return Texts(*image.size, _text_of(image), graph, workflow)


def _png_info(text: str | None) -> PngInfo:
    info = PngInfo()
    if text is not None:
        info.add_text(KEY, text)
    return info


def _exif(text: str, limit: int | None) -> bytes:
    comment = _to_comment(text)
    if limit is not None and len(comment) > limit:
        head, _, last = text.rpartition("\n")
        room = (limit - 8) // 2 - len(last.encode("utf-16-be")) // 2 - 1
        comment = _to_comment(_cut(head, max(room, 0)) + "\n" + _cut(last, (limit - 8) // 2))
    # Written by hand: Pillow gives the comment the type BYTE, which other readers do not take.
    to_exif = struct.pack(">4sIHHHIII", b"MM\0*", 8, 1, _EXIF_IFD, 4, 1, 26, 0)
    to_comment = struct.pack(">HHHIII", 1, _USER_COMMENT, 7, len(comment), 44, 0)
    return b"Exif\0\0" + to_exif + to_comment + comment


def _cut(text: str, units: int) -> str:
    """The start of ``text`` that fits into so many UTF-16 units."""
    return text.encode("utf-16-be")[: 2 * units].decode("utf-16-be", "ignore")


def _to_comment(text: str) -> bytes:
    """UTF-16 as A1111 writes it; with a byte order mark only where its order could be mistaken."""
    body = text.encode("utf-16-be")
    plain = b"UNICODE\0" + body
    return plain if _from_comment(plain) == text else b"UNICODE\0\xfe\xff" + body


def _from_comment(comment: bytes) -> str:
    code, body = comment[:8], comment[8:]
    if code != b"UNICODE\0":
        known = code in {b"ASCII\0\0\0", b"\0" * 8}
        return (body if known else comment).decode("utf-8", "replace").strip("\0")
    if body[:2] in {b"\xff\xfe", b"\xfe\xff"}:
        return body.decode("utf-16", "replace")
    little = body[1::2].count(0) > body[::2].count(0)  # most of an infotext is ASCII
    return body.decode("utf-16-le" if little else "utf-16-be", "replace")


def _storable(text: str) -> str:
    return text.encode("utf-8", "replace").decode("utf-8")
