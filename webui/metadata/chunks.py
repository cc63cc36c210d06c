"""Pictures as files that carry their parameters, and the texts read back from a file.

A1111's text stands in PNG's text chunk "parameters" (iTXt when it is not latin-1), in JPEG, WebP
and AVIF in EXIF's UserComment, as A1111 and the readers made for it expect. The whole request
stands beside it: in PNG's chunk "easel", elsewhere in XMP.
"""

from __future__ import annotations

import html
import io
import re
import struct
import warnings
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from webui.core.results import ImageFormat, Pixels
from webui.metadata import exact
from webui.metadata.stealth import MAX_PIXELS, has_transparency, hidden_text

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

MAX_TEXT_CHARS = 4_000_000
"""A text in a file that is longer is cut there."""

_EXIF_IFD = 0x8769
_USER_COMMENT = 0x9286
_MAKER_NOTE = 0x927C
_NAMED_TAGS = {0x010E: "ImageDescription", 0x0131: "Software"}
_GRAPH_TAGS = (0x010F, 0x0110)  # where ComfyUI's writers of JPEG and WebP put "prompt:{…}"
_MAX_EXIF_BYTES = 65_000  # a JPEG segment holds 65533 bytes
_MAX_XMP_BYTES = 65_000
_MAX_TEXTS = 200
_XMP = (
    '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-'
    'syntax-ns#"><rdf:Description rdf:about="" xmlns:easel="urn:easel:1.0/" easel:request="{}"/>'
    "</rdf:RDF></x:xmpmeta>"
)
# As an attribute, as we write it, or as an element, as other programs may write it again.
_IN_XMP = re.compile(rb'<easel:request>([^<]*)<|\beasel:request="([^"]*)"')
_UNREADABLE = (OSError, ValueError, SyntaxError, struct.error, zlib.error, EOFError, KeyError,
               IndexError, TypeError, OverflowError, RuntimeError, MemoryError,
               Image.DecompressionBombError)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Texts:
    """A picture's size and what is written in its file.

    ``texts`` has PNG's text chunks by their keywords, EXIF's "UserComment", "MakerNote",
    "ImageDescription" and "Software", and ComfyUI's "prompt" and "workflow", wherever they stand;
    ``exact`` our own JSON; ``format`` is Pillow's word ("PNG"); ``transparent`` says that a text
    may be hidden in the picture itself.
    """

    width: int
    height: int
    format: str
    texts: Mapping[str, str]
    exact: str | None = None
    transparent: bool = False


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
    request: str | None = None,
) -> bytes:
    """The picture as a file's bytes.

    ``quality`` (1..100) matters to JPEG, WebP and AVIF; ``lossless`` makes a WebP keep every pixel;
    ``infotext`` of None writes none, and then no ``request`` either, which is what
    :func:`webui.metadata.exact.exact_text` makes of one. Characters no file can hold (lone
    surrogates) become "?". In a JPEG a text over 65 kB loses the end of its prompt, never its last
    line, and a request over 65 kB is not written. The picture's size must be :func:`fitting`.
    """
    image = Image.frombytes("RGB", (pixels.width, pixels.height), pixels.data)
    text = None if infotext is None else _storable(infotext)
    request = None if text is None or request is None else _storable(request)
    options: dict[str, Any] = {}
    if fmt == "png":
        # After PNG's filters, run-length matching packs as small as level 6 in a third of the time.
        options = {"compress_type": zlib.Z_RLE, "pnginfo": _png_info(text, request)}
    else:
        options = {"quality": quality}
        if fmt != "webp" and quality >= 90:
            options["subsampling"] = "4:4:4"
        if fmt == "webp":
            options["lossless"] = lossless
        if text is not None:
            options["exif"] = _exif(text, _MAX_EXIF_BYTES if fmt == "jpeg" else None)
        if request is not None:
            xmp = _XMP.format(html.escape(request)).encode("utf-8")
            options |= {"xmp": xmp} if fmt != "jpeg" or len(xmp) <= _MAX_XMP_BYTES else {}
    out = io.BytesIO()
    image.save(out, fmt.upper(), **options)
    return out.getvalue()


def read_infotext(source: Path | bytes) -> str | None:
    """A1111's text in a PNG, JPEG, WebP or AVIF file; None when it has none or is no picture."""
    found = read_texts(source)
    return None if found is None else found.texts.get(KEY, found.texts.get("UserComment"))


def read_texts(source: Path | bytes) -> Texts | None:
    """Size and texts of a PNG, JPEG, WebP or AVIF file; None when it is none.

    Nothing is decoded where the file's header holds a text, or the picture is very large.
    """
    return _with_image(source, _texts_of)


def read_hidden(source: Path | bytes) -> str | None:
    """The text hidden in a picture's transparency; None when there is none. Decodes it."""
    return _with_image(source, hidden_text)


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


def _texts_of(image: Image.Image) -> Texts:
    found = _found(image)
    if not found and image.format == "PNG" and image.width * image.height <= MAX_PIXELS:
        # A PNG's texts may stand behind its pixels, where some programs that edit them put them.
        with suppress(*_UNREADABLE):
            image.load()
        found = _found(image)
    texts = {key: text[:MAX_TEXT_CHARS] for key, text in list(found.items())[:_MAX_TEXTS]}
    ours = texts.pop(exact.KEY, None) or _from_xmp(image)
    return Texts(
        *image.size,
        format=image.format or "",
        texts=texts,
        exact=ours,
        transparent=has_transparency(image),
    )


def _found(image: Image.Image) -> dict[str, str]:
    return {**dict(_from_exif(image)), **dict(_from_header(image))}


def _from_header(image: Image.Image) -> Iterator[tuple[str, str]]:
    """A PNG's text chunks; of other formats nothing is kept as text."""
    for key, text in image.info.items():
        if isinstance(key, str) and isinstance(text, str) and key != "xmp":
            yield key, text


def _from_exif(image: Image.Image) -> Iterator[tuple[str, str]]:
    # Not its own getexif: that of a PNG decodes the picture, of whatever size, to look behind it.
    exif = Image.Image.getexif(image)
    inner = exif.get_ifd(_EXIF_IFD)
    comment: Any = inner.get(_USER_COMMENT)
    if isinstance(comment, bytes):
        yield "UserComment", _from_comment(comment)
    note: Any = inner.get(_MAKER_NOTE)
    if isinstance(note, bytes) and len(note) < 100:  # a camera's is no text
        yield "MakerNote", note.decode("utf-8", "replace").strip("\0")
    for tag, name in _NAMED_TAGS.items():
        if isinstance(exif.get(tag), str):
            yield name, str(exif[tag]).strip("\0")
    for tag in _GRAPH_TAGS:
        key, colon, text = str(exif.get(tag, "")).partition(":")
        if colon and key.lower() in ("prompt", "workflow"):
            yield key.lower(), text.strip("\0")


def _from_xmp(image: Image.Image) -> str | None:
    """Our JSON in XMP. It is searched for, not parsed: XML from anyone has traps."""
    xmp: Any = image.info.get("xmp")
    found = _IN_XMP.search(xmp) if isinstance(xmp, bytes) else None
    if found is None:
        return None
    return html.unescape((found[1] or found[2] or b"").decode("utf-8", "replace"))


def _png_info(text: str | None, request: str | None) -> PngInfo:
    info = PngInfo()
    if text is not None:
        info.add_text(KEY, text)
    if request is not None:
        info.add_itxt(exact.KEY, request)
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
