"""Pictures from anywhere, made small and plain before anything else looks at them."""

from __future__ import annotations

import io
import struct
import warnings
import zlib
from pathlib import Path

from PIL import Image

from webui.core.errors import InvalidRequest, StorageError, TooLarge

FORMATS = ("PNG", "JPEG", "WEBP")
MAX_BYTES = 16 * 1024 * 1024
MAX_PIXELS = 50_000_000
LONGEST = 768
"""Longest side of what is handed on, in pixels: CLIP models look at 224 to 448."""

_UNREADABLE = (OSError, ValueError, SyntaxError, struct.error, zlib.error, EOFError, KeyError,
               IndexError, TypeError, OverflowError, MemoryError)  # fmt: skip


def small_png(source: Path | bytes, name: str, *, field: str = "images") -> bytes:
    """A PNG, JPEG or WebP as an RGB PNG of at most 768 pixels along its longer side.

    ``name`` is what sentences call it, ``field`` the request's field. ``InvalidRequest`` when it is
    no such picture or damaged, ``TooLarge`` above 16 MiB or 50 million pixels (which are counted
    before anything is decoded), ``StorageError`` when its
    file cannot be read.
    """
    data = source if isinstance(source, bytes) else _read(source, name)
    if len(data) > MAX_BYTES:
        raise TooLarge(f"Picture {name} is larger than {MAX_BYTES >> 20} MiB.", field=field)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            image = _decoded(data, name, field)
    except Image.DecompressionBombError:
        raise _too_many(name, field) from None
    except _UNREADABLE:
        raise InvalidRequest(
            f"Picture {name} cannot be read as PNG, JPEG or WebP.", field=field
        ) from None
    out = io.BytesIO()
    image.save(out, "PNG", compress_type=zlib.Z_RLE)
    return out.getvalue()


def _decoded(data: bytes, name: str, field: str) -> Image.Image:
    with Image.open(io.BytesIO(data), formats=FORMATS) as image:
        if image.width * image.height > MAX_PIXELS:
            raise _too_many(name, field)
        image.draft("RGB", (LONGEST, LONGEST))
        plain = image.convert("RGB")
    plain.thumbnail((LONGEST, LONGEST), Image.Resampling.BICUBIC)
    plain.info.clear()
    return plain


def _read(path: Path, name: str) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except OSError as error:
        raise StorageError(f"Picture {name} cannot be read ({error.strerror or error}).") from None


def _too_many(name: str, field: str) -> TooLarge:
    return TooLarge(
        f"Picture {name} has more than {MAX_PIXELS // 1_000_000} million pixels.", field=field
    )
