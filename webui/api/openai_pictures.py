"""A saved picture's bytes in the format that was asked for."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from webui.core.errors import NotFound, StorageError, TooLarge
from webui.core.results import ImageFormat, Pixels, SavedImage
from webui.metadata import SUFFIXES, encode, fitting

if TYPE_CHECKING:
    from webui.library import Library
    from webui.settings import Saving

FORMATS: dict[str, ImageFormat] = {
    "png": "png",
    "jpg": "jpeg",
    "jpeg": "jpeg",
    "webp": "webp",
    "avif": "avif",
}
"""Formats by the ending of a name."""

_READABLE = ("PNG", "JPEG", "WEBP", "AVIF")
_UNREADABLE = (OSError, ValueError, SyntaxError, struct.error, zlib.error, EOFError, KeyError,
               IndexError, TypeError, OverflowError)  # fmt: skip


def format_of(path: Path) -> ImageFormat:
    """The format of a saved file, by its name."""
    return FORMATS.get(path.suffix.casefold().lstrip("."), "png")


def is_as_wanted(path: Path, fmt: ImageFormat | None, compression: int | None) -> bool:
    """Whether the file is handed over as it lies there."""
    return compression is None and fmt in (None, format_of(path))


def data(
    library: Library,
    saving: Saving,
    picture: SavedImage,
    fmt: ImageFormat | None,
    compression: int | None,
) -> bytes:
    """The picture's bytes: the file's own, or written anew as ``fmt``.

    ``compression`` is 0..100, the quality of JPEG and WebP (default: the settings'). The
    parameters go into the new file where the settings embed them. ``NotFound`` when the file is
    gone, ``StorageError`` when it is damaged, ``TooLarge`` when it has too many pixels.
    """
    path = library.file(picture.id)
    if is_as_wanted(path, fmt, compression):
        return _bytes(path)
    pixels = _pixels(path)
    target, _ = fitting(fmt or format_of(path), pixels.width, pixels.height)
    quality = saving.quality if compression is None else max(compression, 1)
    text = picture.infotext if saving.embed_metadata else None
    return encode(pixels, target, quality, text)


def ending(fmt: ImageFormat) -> str:
    """How a file of this format ends, with the dot."""
    return SUFFIXES[fmt]


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise NotFound("The picture's file is gone.") from None
    except OSError as error:
        raise StorageError(f"The picture cannot be read: {error.strerror or error}.") from None


def _pixels(path: Path) -> Pixels:
    try:
        with Image.open(path, formats=_READABLE) as image:
            plain = image.convert("RGB")
        return Pixels(plain.width, plain.height, plain.tobytes())
    except FileNotFoundError:
        raise NotFound("The picture's file is gone.") from None
    except (Image.DecompressionBombError, MemoryError):
        raise TooLarge("The picture is too large to be written in another format.") from None
    except _UNREADABLE:
        raise StorageError("The picture's file is damaged.") from None
