"""Pictures on their way to files: format, folder, name, and what lies beside them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from webui.core.errors import StorageError
from webui.core.results import ImageFormat, Pixels
from webui.library import grids, naming
from webui.library.files import Sync, overwrite, publish
from webui.library.numbers import Numbers
from webui.library.tokens import Subject
from webui.metadata import SUFFIXES, encode, fitting
from webui.settings import Saving

TEXT_SUFFIX = ".txt"


@dataclass(frozen=True, slots=True)
class Encoded:
    """A picture as a file's bytes.

    ``note`` is a sentence when its format is not the one wanted (a picture too large for it).
    """

    data: bytes
    format: ImageFormat
    infotext: str
    note: str = ""


class Writer:
    """Writes pictures below ``outputs``. Used by one thread at a time."""

    def __init__(self, outputs: Path, *, sync: Sync = os.fsync) -> None:
        self._outputs = outputs
        self._sync = sync
        self._numbers = Numbers()

    def encode(
        self, pixels: Pixels, infotext: str, saving: Saving, exact: str | None = None
    ) -> Encoded:
        """The picture as ``saving`` says; another format where that one cannot hold it.

        ``exact`` is the whole request as JSON, written only where the infotext is.
        """
        fmt, note = fitting(saving.format, pixels.width, pixels.height)
        text = infotext if saving.embed_metadata else None
        lossless = saving.webp_lossless
        data = encode(pixels, fmt, saving.quality, text, lossless=lossless, request=exact)
        return Encoded(data, fmt, infotext, note)

    def write(
        self, picture: Encoded, subject: Subject, saving: Saving, earlier: Path | None = None
    ) -> Path:
        """Write a picture, and its text beside it where that is wanted; where it lies.

        ``earlier`` is the picture's existing file: it is replaced if the format is still the same.
        ``StorageError`` when folder or disk do not let it; nothing is then left behind.
        """
        if earlier is not None and earlier.suffix == SUFFIXES[picture.format]:
            overwrite(earlier.resolve(), picture.data, sync=self._sync)
            path = earlier
        else:
            path = self._publish(picture, subject, saving)
        if saving.text_file:
            self._write_text(path, picture.infotext, is_new=path != earlier)
        return path

    def write_grid(
        self, files: Sequence[Path], infotext: str, batch_size: int, saving: Saving
    ) -> tuple[Path, str]:
        """One picture of several, in the folder of the first: ``grid-0000`` and so on.

        Returns where it lies and :attr:`Encoded.note`. ``EaselError`` when it would be too large
        or cannot be written.
        """
        rows, columns = grids.layout(
            len(files), rows=saving.grid_rows, batch_size=batch_size, full=saving.grid_full
        )
        grid = self.encode(grids.compose(files, rows, columns), infotext, saving)
        names = ((n, name + SUFFIXES[grid.format]) for n, name in naming.grid_names(0))
        _, path = publish(files[0].parent, names, grid.data, sync=self._sync)
        return path, grid.note

    def _publish(self, picture: Encoded, subject: Subject, saving: Saving) -> Path:
        suffix = SUFFIXES[picture.format]
        subject = replace(subject, max_words=saving.prompt_words)
        folder = self._outputs
        if saving.subfolders:
            folder = folder.joinpath(*naming.folder_names(saving.folder_pattern, subject))
        pattern = naming.normal(saving.name_pattern)
        first = self._numbers.next(folder, pattern)
        names = (
            (number, name + suffix)
            for number, name in naming.file_names(pattern, subject, first)
            if not (saving.text_file and (folder / (name + TEXT_SUFFIX)).exists())
        )
        number, path = publish(folder, names, picture.data, sync=self._sync)
        self._numbers.used(folder, pattern, number)
        return path

    def _write_text(self, path: Path, infotext: str, *, is_new: bool) -> None:
        try:
            overwrite(beside(path), text_of(infotext), sync=self._sync)
        except StorageError:
            if is_new:
                with suppress(OSError):
                    path.unlink(missing_ok=True)
            raise


def beside(path: Path) -> Path:
    """The text file of a picture."""
    return path.with_suffix(TEXT_SUFFIX)


def text_of(infotext: str) -> bytes:
    """What a picture's text file holds: the text and an end of line, as A1111 writes it."""
    return f"{infotext}\n".encode("utf-8", "replace")


def remove_text(path: Path, infotext: str) -> None:
    """Remove a picture's text file, if it is still what was written.

    A caption that somebody put there stays.
    """
    with suppress(OSError):
        text = beside(path)
        if text.is_file() and text.read_bytes() == text_of(infotext):
            text.unlink()
