"""Where the file of a row lies, and moving it into the trash and out again."""

from __future__ import annotations

import errno
import itertools
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path, PurePosixPath

from webui.core.errors import NotFound, StorageError
from webui.library.files import sentence
from webui.library.row import Row
from webui.library.saving import beside, remove_text, text_of

TRASH = ".trash"
"""The folder within the output folder that deleted pictures are moved into."""

_NO_LINKS = {errno.EPERM, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK, errno.EINVAL}


class Places:
    """The files of one output folder, and of imported pictures that lie elsewhere.

    A file is only ever given when it lies where its row says, links resolved: within the output
    folder, or for an imported picture at exactly the place it was imported from.
    """

    def __init__(self, outputs: Path) -> None:
        self.outputs = outputs

    def find(self, row: Row) -> Path | None:
        """The row's file, if there is one: in its place, or in the trash."""
        if is_outside(row):
            return self._exactly(row)
        wanted = (self._trashed(row), row.path) if row.deleted else (row.path, self._trashed(row))
        return next(filter(None, map(self._inside, wanted)), None)

    def is_there(self, row: Row) -> bool:
        """Whether there seems to be a file, asked quickly."""
        path = row.path if row.deleted is None or is_outside(row) else self._trashed(row)
        try:
            return (self.outputs / path).is_file() or self.find(row) is not None
        except ValueError:  # a NUL in it
            return False

    def to_trash(self, row: Row) -> None:
        """Move the row's file into the trash; nothing to do where there is none, or it is not
        ours."""
        source = None if is_outside(row) else self._inside(row.path)
        if source is not None:
            target = self.outputs / self._trashed(row)
            self._move(source, target)
            _move_text(source, target, row.infotext)

    def from_trash(self, row: Row) -> str:
        """Move the row's file back; the path it has now, another one if its name was taken.

        ``NotFound`` if the file is gone.
        """
        source = None if is_outside(row) else self._inside(self._trashed(row))
        if source is None:
            if self.find(row) is None:
                raise NotFound(
                    f"The file of the picture {row.name} is gone; it cannot be restored."
                )
            return row.path
        for path in _free_names(row.path):
            with suppress(FileExistsError):
                self._move(source, self.outputs / path)
                _move_text(source, self.outputs / path, row.infotext)
                _tidy(source.parent)
                return path
        raise AssertionError("names never end")

    def erase(self, row: Row) -> None:
        """Delete the row's file for good, if it is ours; ``StorageError`` if that fails."""
        path = None if is_outside(row) else self.find(row)
        if path is None:
            return
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise StorageError(
                f"The picture {row.path} cannot be deleted ({error.strerror})."
            ) from error
        remove_text(path, row.infotext)
        if path.is_relative_to((self.outputs / TRASH).resolve()):
            _tidy(path.parent)

    def _trashed(self, row: Row) -> str:
        """Where in the trash: the id in front, so that an index made anew knows it again."""
        path = PurePosixPath(row.path)
        return str(PurePosixPath(TRASH, path.parent, f"{row.id}-{path.name}"))

    def _move(self, source: Path, target: Path) -> None:
        """Move a file, replacing none: ``FileExistsError`` where there is one."""
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            _move_new(source, target)
        except FileExistsError:
            raise
        except OSError as error:
            folder = source.parent if _is_closed(source.parent) else target.parent
            raise StorageError(sentence(error, folder)) from error

    def _inside(self, path: str) -> Path | None:
        try:
            found = (self.outputs / path).resolve(strict=True)
            is_inside = found.is_relative_to(self.outputs.resolve())
            return found if is_inside and found.is_file() else None
        except (OSError, ValueError, RuntimeError):
            return None

    def _exactly(self, row: Row) -> Path | None:
        try:
            found = Path(row.path).resolve(strict=True)
            return found if found == Path(row.path) and found.is_file() else None
        except (OSError, ValueError, RuntimeError):
            return None


def is_outside(row: Row) -> bool:
    """Whether the row's picture was imported and lies outside the output folder."""
    return row.imported and Path(row.path).is_absolute()


def id_of_trashed(path: str) -> tuple[str, str] | None:
    """The id and the earlier path of a file in the trash, given its path there."""
    parts = PurePosixPath(path).parts
    if len(parts) < 2 or parts[0] != TRASH:
        return None
    image_id, dash, name = parts[-1].partition("-")
    if not (dash and name and len(image_id) == 24 and image_id.isalnum()):
        return None
    return image_id, str(PurePosixPath(*parts[1:-1], name))


def _free_names(path: str) -> Iterator[str]:
    plain = PurePosixPath(path)
    yield path
    for number in itertools.count(1):
        yield str(plain.with_name(f"{plain.stem}-{number}{plain.suffix}"))


def _move_new(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except FileExistsError:
        raise
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        _move_without_links(source, target)
        return
    try:
        source.unlink()
    except OSError:
        target.unlink(missing_ok=True)
        raise


def _move_without_links(source: Path, target: Path) -> None:
    """The same where the file system has no hard links: take the name first, then replace it."""
    target.touch(exist_ok=False)
    try:
        source.replace(target)
    except OSError:
        target.unlink(missing_ok=True)
        raise


def _move_text(source: Path, target: Path, infotext: str) -> None:
    """Let the text file of a picture come along, if it is still what was written."""
    with suppress(OSError):
        text = beside(source)
        if text.is_file() and text.read_bytes() == text_of(infotext):
            _move_new(text, beside(target))


def _tidy(folder: Path) -> None:
    """Remove a folder that is empty."""
    with suppress(OSError):
        folder.rmdir()


def _is_closed(folder: Path) -> bool:
    return not os.access(folder, os.W_OK)
