"""Whole files or none: written under another name, flushed to the disk, then put in place."""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from webui.core.errors import StorageError

Sync = Callable[[int], None]
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_CLOSED = {errno.EACCES, errno.EPERM, errno.EROFS}
_NO_LINKS = {errno.EPERM, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOSYS, errno.EXDEV, errno.EINVAL}


def publish(
    folder: Path, names: Iterable[tuple[int, str]], data: bytes, *, sync: Sync = os.fsync
) -> tuple[int, Path]:
    """Write ``data`` into ``folder`` under the first of the numbered ``names`` that is free.

    Returns the number and path taken. Never replaces a file, whoever else writes there at the same
    time. Makes the folder. ``sync`` brings an open file to the disk. On failure ``StorageError``,
    and nothing is left behind.
    """
    with _sentences(folder), _made(folder), _temporary(folder, data, sync) as temporary:
        for number, name in names:
            if _put(temporary, folder / name):
                return number, folder / name
        raise FileExistsError(errno.EEXIST, "no free name is left")


def overwrite(path: Path, data: bytes, *, sync: Sync = os.fsync) -> None:
    """Replace the file at ``path`` by ``data``; after a ``StorageError`` it is as it was."""
    with _sentences(path.parent), _temporary(path.parent, data, sync) as temporary:
        temporary.replace(path)


def _put(temporary: Path, path: Path) -> bool:
    """Give a written file its name, unless that is taken. One step, so two writers never meet."""
    try:
        os.link(temporary, path)
    except FileExistsError:
        return False
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        return _put_without_links(temporary, path)
    return True


def _put_without_links(temporary: Path, path: Path) -> bool:
    """The same where the file system has no hard links: take the name first, then replace it."""
    try:
        path.touch(exist_ok=False)
    except FileExistsError:
        return False
    try:
        temporary.replace(path)
    except OSError:
        path.unlink(missing_ok=True)
        raise
    return True


@contextmanager
def _temporary(folder: Path, data: bytes, sync: Sync) -> Iterator[Path]:
    path = folder / f".easel-{secrets.token_hex(8)}.tmp"
    try:
        with path.open("xb") as file:
            file.write(data)
            file.flush()
            sync(file.fileno())
        yield path
    finally:
        with suppress(OSError):
            path.unlink(missing_ok=True)


@contextmanager
def _made(folder: Path) -> Iterator[None]:
    """The folder, made if need be; taken away again when nothing comes into it."""
    is_new = not folder.exists()
    folder.mkdir(parents=True, exist_ok=True)
    try:
        yield
    except OSError:
        if is_new:
            with suppress(OSError):
                folder.rmdir()
        raise


@contextmanager
def _sentences(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StorageError(sentence(error, folder)) from error


def sentence(error: OSError, folder: Path) -> str:
    """What went wrong with writing into ``folder``, for a person."""
    if error.errno in _FULL:
        return f"The disk of the folder {folder} is full; free some space and try again."
    if error.errno in _CLOSED:
        return (
            f"The folder {folder} cannot be written to; change its permissions or choose another."
        )
    return f"Writing into the folder {folder} failed ({error.strerror or error})."
