"""Pictures on this computer's disk: whole files or none, and nothing is ever replaced."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import suppress
from itertools import count
from pathlib import Path

from webui.core.errors import StorageError

_LONGEST_NAME = 120
_REFUSED = '"\\/:*?<>|'


def keep(folder: Path, name: str, data: bytes) -> Path:
    """Write ``data`` into ``folder`` under ``name``; where it lies.

    A file of the same name and content is taken as it is; another one of that name stays, and the
    new one is called ``name-1`` and so on. Makes the folder. ``StorageError`` when folder or disk
    do not let it; nothing is left behind then.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        temporary = folder / f".easel-{secrets.token_hex(8)}.tmp"
        try:
            _write(temporary, data)
            return _name(temporary, folder, plain_name(name), data)
        finally:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)
    except OSError as error:
        why = error.strerror or str(error)
        raise StorageError(f"The picture cannot be saved in {folder}: {why}.") from None


def plain_name(name: str) -> str:
    """A server's file name as one that leads nowhere else and is plain on every system."""
    kept = "".join("_" if c in _REFUSED or not c.isprintable() else c for c in name)
    return kept[-_LONGEST_NAME:].strip(" .") or "picture"


def _write(path: Path, data: bytes) -> None:
    with path.open("xb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _name(temporary: Path, folder: Path, name: str, data: bytes) -> Path:
    for path in _names(folder, name):
        try:
            _take(temporary, path)
        except FileExistsError:
            if path.is_file() and path.stat().st_size == len(data) and path.read_bytes() == data:
                return path
        else:
            return path
    raise AssertionError("the names do not end")


def _take(temporary: Path, path: Path) -> None:
    """Give a written file its name in one step; ``FileExistsError`` when that is taken."""
    try:
        path.hardlink_to(temporary)
    except FileExistsError:
        raise
    except OSError:  # a file system without links: take the name first, then replace it
        path.touch(exist_ok=False)
        temporary.replace(path)


def _names(folder: Path, name: str) -> Iterator[Path]:
    stem, suffix = Path(name).stem, Path(name).suffix
    yield folder / name
    for number in count(1):
        yield folder / f"{stem}-{number}{suffix}"
