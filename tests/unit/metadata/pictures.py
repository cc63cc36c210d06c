"""Pictures as other programs write them: with their chunks, their EXIF, their hidden texts."""

from __future__ import annotations

import gzip
import io
from typing import Any

from PIL import Image
from PIL.PngImagePlugin import PngInfo

TAGS = {"ImageDescription": 0x010E, "Make": 0x010F, "Model": 0x0110, "Software": 0x0131}


def png(**chunks: str) -> bytes:
    """A PNG with these text chunks."""
    info = PngInfo()
    for name, text in chunks.items():
        info.add_text(name, text)
    return saved(Image.new("RGB", (8, 8)), "PNG", pnginfo=info)


def with_exif(fmt: str, comment: bytes | None = None, note: bytes | None = None, **tags: str):
    """A picture with EXIF: UserComment and MakerNote as bytes, other tags as text."""
    exif = Image.Exif()
    for name, text in tags.items():
        exif[TAGS[name]] = text
    inner = exif.get_ifd(0x8769)
    if comment is not None:
        inner[0x9286] = comment
    if note is not None:
        inner[0x927C] = note
    return saved(Image.new("RGB", (8, 8)), fmt, exif=exif.tobytes())


def unicode_comment(text: str, order: str = "be") -> bytes:
    return b"UNICODE\0" + text.encode(f"utf-16-{order}")


def hidden(
    text: str | bytes,
    *,
    packed: bool,
    size: tuple[int, int] = (64, 64),
    fmt: str = "PNG",
    length: int | None = None,
    signature: bytes | None = None,
    **chunks: str,
) -> bytes:
    """A picture with a text in its alpha's lowest bits, column by column."""
    body = text if isinstance(text, bytes) else text.encode("utf-8")
    body = gzip.compress(body) if packed else body
    sign = signature or (b"stealth_pngcomp" if packed else b"stealth_pnginfo")
    bits = 8 * len(body) if length is None else length
    whole = sign + bits.to_bytes(4, "big") + body
    image = Image.new("RGBA", size, (200, 30, 40, 255))
    width, height = size
    for number in range(min(8 * len(whole), width * height)):
        bit = whole[number // 8] >> (7 - number % 8) & 1
        image.putpixel((number // height, number % height), (200, 30, 40, 254 | bit))
    options: dict[str, Any] = {"lossless": True, "exact": True} if fmt == "WEBP" else {}
    if chunks:
        info = PngInfo()
        for name, value in chunks.items():
            info.add_text(name, value)
        options["pnginfo"] = info
    return saved(image, fmt, **options)


def saved(image: Image.Image, fmt: str, **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, fmt, **options)
    return out.getvalue()
