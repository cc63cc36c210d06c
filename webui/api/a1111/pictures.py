"""Pictures that come as base64 in A1111's requests, and go as base64 in its answers.

As A1111 reads them: with or without ``data:image/…;base64,`` before them, and turned as their EXIF
says. Where we differ: an address to fetch the picture from is refused (A1111 fetches it where its
option ``api_enable_requests`` is on), and sizes are bounded before anything is decoded.
"""

from __future__ import annotations

import base64
import binascii
import io
import re
import struct
import warnings
import zlib
from collections.abc import Mapping
from typing import Any

from PIL import Image, ImageOps
from PIL.PngImagePlugin import PngInfo

from webui.core.errors import InvalidRequest, TooLarge

FORMATS = ("PNG", "JPEG", "WEBP", "AVIF", "GIF", "BMP")
MAX_BYTES = 40 * 1024 * 1024
"""Of one picture's file, once decoded from base64."""
MAX_PIXELS = 50_000_000

_DATA_URL = re.compile(r"data:[a-z0-9.+/-]{0,80}(?:;[a-z0-9=.+_-]{1,80}){0,4},", re.IGNORECASE)
_ADDRESS = re.compile(r"\s{0,20}(?:https?|ftp|file)://", re.IGNORECASE)
_UNREADABLE = (OSError, ValueError, SyntaxError, struct.error, zlib.error, EOFError, KeyError,
               IndexError, TypeError, OverflowError, RuntimeError, MemoryError)  # fmt: skip


def picture_bytes(value: Any, field: str = "image") -> bytes:
    """The bytes of a picture's file that a request holds as base64 text.

    ``field`` is the request's field, which sentences begin with. ``InvalidRequest`` when it is no
    text, an address, or no base64; ``TooLarge`` above ``MAX_BYTES``. Line breaks are passed over.
    Whether the bytes are a picture is not looked at.
    """
    if not isinstance(value, str) or not value.strip():
        raise InvalidRequest(f"{field} is no picture; send its file as base64.", field=field)
    if _ADDRESS.match(value):
        raise InvalidRequest(
            f"{field} is an address, which is not fetched; send the picture's file as base64.",
            field=field,
        )
    begin = _DATA_URL.match(value)
    text = value[begin.end() :] if begin else value
    if len(text) > MAX_BYTES * 3 // 2:
        raise too_large(field)
    try:
        data = base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        raise InvalidRequest(f"{field} is not valid base64.", field=field) from None
    if len(data) > MAX_BYTES:
        raise too_large(field)
    return data


def read_picture(value: Any, field: str = "image") -> Image.Image:
    """A picture that a request holds as base64, decoded: RGB, or RGBA where it is transparent.

    Raises what :func:`picture_bytes` and :func:`decode` raise.
    """
    return decode(picture_bytes(value, field), field)


def decode(data: bytes, field: str = "image") -> Image.Image:
    """A picture from its file's bytes: upright, RGB or RGBA; of several frames the first.

    ``InvalidRequest`` when it is no PNG, JPEG, WebP, AVIF, GIF or BMP or damaged, ``TooLarge``
    above 50 million pixels, which are counted before anything is decoded.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return _decoded(data, field)
    except Image.DecompressionBombError:
        raise _too_many(field) from None
    except _UNREADABLE:
        raise InvalidRequest(
            f"{field} cannot be read as PNG, JPEG, WebP, AVIF, GIF or BMP.", field=field
        ) from None


def encoded(image: Image.Image, texts: Mapping[str, str] | None = None) -> str:
    """A picture as A1111 answers it: a PNG file as base64, no ``data:`` before it.

    ``texts`` are written into text chunks, such as "parameters"; what no file can hold becomes "?".
    """
    chunks = PngInfo()
    for name, text in (texts or {}).items():
        chunks.add_text(name, text.encode("utf-8", "replace").decode("utf-8"))
    out = io.BytesIO()
    image.save(out, "PNG", compress_type=zlib.Z_RLE, pnginfo=chunks)
    return base64.b64encode(out.getvalue()).decode("ascii")


def too_large(field: str) -> TooLarge:
    """The error for a picture whose file is larger than what is accepted."""
    return TooLarge(f"{field} is larger than {MAX_BYTES >> 20} MiB.", field=field)


def _decoded(data: bytes, field: str) -> Image.Image:
    with Image.open(io.BytesIO(data), formats=FORMATS) as image:
        if image.width * image.height > MAX_PIXELS:
            raise _too_many(field)
        turned = ImageOps.exif_transpose(image)
        has_alpha = "A" in turned.getbands() or "transparency" in turned.info
        plain = turned.convert("RGBA" if has_alpha else "RGB")
    plain.info.clear()
    return plain


def _too_many(field: str) -> TooLarge:
    return TooLarge(f"{field} has more than {MAX_PIXELS // 1_000_000} million pixels.", field=field)
