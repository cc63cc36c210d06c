"""Pictures that requests start from: kept once each, whole or not at all, under an id of their own.

A request names such a picture by its id, so that it stays small wherever it goes: in the journal,
in lists of jobs, in events. The id is the SHA-256 of the file that was sent: nobody guesses it, and
the same file is kept once.
"""

from __future__ import annotations

import hashlib
import io
import math
import os
import re
import struct
import time
import warnings
import zlib
from collections.abc import Callable, Collection, Iterable
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps
from PIL.PngImagePlugin import PngInfo

from webui.core.errors import InvalidRequest, NotFound, StorageError, TooLarge
from webui.core.image_fields import MAX_FILE_BYTES
from webui.library.files import publish
from webui.metadata import read_picture

FORMATS = ("PNG", "JPEG", "WEBP", "AVIF", "GIF", "BMP")
MAX_BYTES = MAX_FILE_BYTES
MAX_PIXELS = 50_000_000
KEPT_BYTES = 4 * 1024**3
"""What the folder holds at most; beyond, the pictures that were used longest ago go."""
MAX_TOLD_CHARS = 200_000
KEPT_SECONDS = 24 * 3600.0
"""No picture goes that was used within this time, but where there is much too much."""
MUCH = 4
"""So many times the bytes that are kept the folder never exceeds, whoever fills it: where jobs that
have not ended start from that much, no more is taken."""

_SIZES = 4096  # pictures whose sizes are remembered: those of an id never change
_ID = re.compile(r"[0-9a-f]{64}")
_UNREADABLE = (OSError, ValueError, SyntaxError, struct.error, zlib.error, EOFError, KeyError,
               IndexError, TypeError, OverflowError, MemoryError, AttributeError)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Input:
    """A kept picture: its id, and its size in pixels."""

    id: str
    width: int
    height: int


class Inputs:
    """The folder of such pictures; safe between threads.

    Each is an RGB or RGBA PNG of 8 bits, with the parameters that the picture said of itself.
    ``in_use`` gives the ids of those that must not go, however long ago they were used.
    """

    def __init__(
        self,
        folder: Path,
        *,
        kept_bytes: int = KEPT_BYTES,
        now: Callable[[], float] = time.time,
        in_use: Callable[[], Collection[str]] = tuple,
    ) -> None:
        self._folder = folder
        self._kept_bytes = kept_bytes
        self._now = now
        self._in_use = in_use
        self._sizes = lru_cache(_SIZES)(lambda name: _size(self._found(name, None)))

    def put(self, data: bytes, *, field: str | None = None) -> Input:
        """Keep a picture's file; ``field`` is the request's, for errors.

        It is turned as its EXIF says. ``InvalidRequest`` when it is no picture or is damaged,
        ``TooLarge`` above 64 MiB or 50 million pixels (counted before anything is decoded),
        ``StorageError`` when it cannot be kept.
        """
        if len(data) > MAX_BYTES:
            raise TooLarge(f"The picture is larger than {MAX_BYTES >> 20} MiB.", field=field)
        name = hashlib.sha256(data).hexdigest()
        path = self._path(name)
        if not path.is_file():
            self._publish(path, _as_png(data, field))
            if not self._prune(keep=name):
                with suppress(OSError):
                    path.unlink()
                raise StorageError(
                    "The pictures that waiting jobs start from take all the room there is for "
                    "them; try again when some of these jobs have ended.",
                    field=field,
                )
        width, height = _size(path)
        self._touch(path)
        return Input(name, width, height)

    def check(self, input_id: str, *, field: str | None = None) -> Input:
        """The picture of that id, used now; ``NotFound`` when it is not kept (any more)."""
        path = self._found(input_id, field)
        self._touch(path)
        return Input(input_id, *_size(path))

    def data(self, input_id: str) -> bytes:
        """The picture's PNG file; ``NotFound`` when it is not kept (any more)."""
        path = self._found(input_id, None)
        try:
            return path.read_bytes()
        except OSError:
            raise _gone(input_id, None) from None

    def size(self, input_id: str) -> tuple[int, int]:
        """The picture's width and height in pixels; (0, 0) when it is not kept (any more)."""
        try:
            return self._sizes(input_id)
        except NotFound:
            return 0, 0

    def path(self, input_id: str) -> Path:
        """Where the picture's PNG file is; ``NotFound`` when it is not kept (any more)."""
        return self._found(input_id, None)

    def _found(self, input_id: str, field: str | None) -> Path:
        path = self._path(input_id) if _ID.fullmatch(input_id) else None
        if path is None or not path.is_file():
            raise _gone(input_id, field)
        return path

    def _path(self, input_id: str) -> Path:
        return self._folder / f"{input_id}.png"

    def _touch(self, path: Path) -> None:
        with suppress(OSError):
            os.utime(path, (self._now(), self._now()))

    def _publish(self, path: Path, png: bytes) -> None:
        """Keep a file; if somebody sent the same one meanwhile, theirs is as good."""
        try:
            publish(self._folder, [(0, path.name)], png, sync=_unsynced)
        except StorageError:
            if not path.is_file():
                raise

    def _prune(self, keep: str) -> bool:
        """Make room, the longest unused first, and say whether that was enough.

        What is in use stays, as do ``keep`` and what cannot be deleted.
        """
        files: list[tuple[float, int, str]] = []
        with suppress(OSError):
            for entry in os.scandir(self._folder):
                if entry.name.endswith(".png"):
                    status = entry.stat()
                    files.append((status.st_mtime, status.st_size, entry.name))
        sizes = {name: size for _, size, name in files}
        if sum(sizes.values()) <= self._kept_bytes:
            return True
        stay = {f"{one}.png" for one in (keep, *self._in_use())}
        gone = set(surplus(files, self._kept_bytes, self._now() - KEPT_SECONDS, stay))
        gone.update(surplus(files, MUCH * self._kept_bytes, math.inf, stay))
        for name in gone:
            with suppress(OSError):
                (self._folder / name).unlink()
        left = sum(size for name, size in sizes.items() if name not in gone)
        return left <= MUCH * self._kept_bytes


def surplus(
    files: Iterable[tuple[float, int, str]],
    most_bytes: int,
    unused_since: float,
    stay: Collection[str] = (),
) -> list[str]:
    """Which of the files (time of last use, bytes, name) go, so that the rest fits in so many
    bytes: the longest unused first, none used after ``unused_since``, and none of ``stay``."""
    ordered = sorted(files)
    excess = sum(size for _, size, _ in ordered) - most_bytes
    gone: list[str] = []
    for used, size, name in ordered:
        if excess <= 0 or used > unused_since:
            break
        if name not in stay:
            gone.append(name)
            excess -= size
    return gone


def _as_png(data: bytes, field: str | None) -> bytes:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            image = _decoded(data, field)
    except Image.DecompressionBombError:
        raise _too_many(field) from None
    except _UNREADABLE:
        raise InvalidRequest(
            "The picture cannot be read as PNG, JPEG, WebP, AVIF, GIF or BMP.", field=field
        ) from None
    out = io.BytesIO()
    image.save(out, "PNG", compress_level=1, pnginfo=_told(data))
    return out.getvalue()


def _told(data: bytes) -> PngInfo:
    """What the picture says of how it was made, to be said by what is made of it."""
    chunks = PngInfo()
    said = read_picture(data)
    if said is not None and said.infotext:
        chunks.add_itxt("parameters", said.infotext[:MAX_TOLD_CHARS])
    return chunks


def _decoded(data: bytes, field: str | None) -> Image.Image:
    with Image.open(io.BytesIO(data), formats=FORMATS) as opened:
        if opened.width * opened.height > MAX_PIXELS:
            raise _too_many(field)
        image = ImageOps.exif_transpose(opened)
        if image.mode.startswith("I;16"):  # else all but the darkest would become white
            image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
        transparent = image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or (
            "transparency" in image.info
        )
        plain = image.convert("RGBA" if transparent else "RGB")
    plain.info.clear()
    return plain


def _size(path: Path) -> tuple[int, int]:
    try:
        with Image.open(path, formats=("PNG",)) as image:
            return image.size
    except _UNREADABLE:
        raise _gone(path.stem, None) from None


def _gone(input_id: str, field: str | None) -> NotFound:
    return NotFound(
        f"The picture {input_id[:12]!r} that this starts from is not kept any more; send it again.",
        field=field,
    )


def _too_many(field: str | None) -> TooLarge:
    return TooLarge(
        f"The picture has more than {MAX_PIXELS // 1_000_000} million pixels.", field=field
    )


def _unsynced(_file: int) -> None:
    """A picture that is lost with the power is sent again; waiting for the disk is not worth it."""
