"""Small pictures, made once and kept in a cache folder."""

from __future__ import annotations

import io
import os
import struct
import threading
import zlib
from pathlib import Path

from PIL import Image, ImageOps

from webui.core.errors import InvalidRequest, StorageError, TooLarge
from webui.library.files import publish

SIZES = (128, 256, 512)
"""Pixels on the longer side."""

FORMATS = ("PNG", "JPEG", "WEBP", "AVIF")
_QUALITY = 80
_UNREADABLE = (OSError, ValueError, SyntaxError, struct.error, zlib.error, EOFError, KeyError,
               IndexError, TypeError, OverflowError)  # fmt: skip
_AT_ONCE = 4


class Thumbnails:
    """WebP files in ``folder``, each as old as the picture it was made of."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._room = threading.BoundedSemaphore(min(_AT_ONCE, os.cpu_count() or 1))

    def get(self, image_id: str, source: Path, size: int) -> bytes:
        """The thumbnail of the picture at ``source``, made now if there is none.

        ``InvalidRequest`` when the picture cannot be read, ``TooLarge`` when it has too many
        pixels. Where the cache folder cannot be written to, it is made anew each time.
        """
        path = self._path(image_id, size)
        known = _as_old_as(path, source)
        if known is not None:
            return known
        with self._room:
            data = shrink(source, size)
        self._keep(path, data, source)
        return data

    def forget(self, image_id: str) -> None:
        """Delete a picture's thumbnails."""
        for size in SIZES:
            try:
                self._path(image_id, size).unlink(missing_ok=True)
            except OSError:
                continue

    def _path(self, image_id: str, size: int) -> Path:
        return self.folder / image_id[:2] / f"{image_id}-{size}.webp"

    def _keep(self, path: Path, data: bytes, source: Path) -> None:
        try:
            path.unlink(missing_ok=True)
            _, kept = publish(path.parent, [(0, path.name)], data, sync=lambda _: None)
            changed = source.stat().st_mtime_ns
            os.utime(kept, ns=(changed, changed))
        except (OSError, StorageError):
            return  # another thread was first, or the folder is closed: it is only a cache


def shrink(source: Path, size: int) -> bytes:
    """A picture made to fit into ``size`` × ``size`` pixels, as WebP."""
    try:
        with Image.open(source, formats=FORMATS) as image:
            return _shrunk(image, size)
    except Image.DecompressionBombError:
        most = 2 * (Image.MAX_IMAGE_PIXELS or 0) // 10**6
        raise TooLarge(
            f"The picture {source.name} has more than {most} million pixels; it is not opened."
        ) from None
    except MemoryError:
        raise TooLarge(f"There is not enough memory to open the picture {source.name}.") from None
    except _UNREADABLE:
        raise InvalidRequest(
            f"The picture {source.name} cannot be shown: the file is damaged or no picture."
        ) from None


def _shrunk(image: Image.Image, size: int) -> bytes:
    image.draft("RGB", (size, size))
    turned = ImageOps.exif_transpose(image)
    has_alpha = "A" in turned.getbands() or "transparency" in turned.info
    plain = turned.convert("RGBA" if has_alpha else "RGB")
    plain.thumbnail((size, size), Image.Resampling.LANCZOS, reducing_gap=3.0)
    out = io.BytesIO()
    plain.save(out, "WEBP", quality=_QUALITY, method=2)
    return out.getvalue()


def _as_old_as(path: Path, source: Path) -> bytes | None:
    try:
        if path.stat().st_mtime_ns != source.stat().st_mtime_ns:
            return None
        return path.read_bytes()
    except OSError:
        return None
