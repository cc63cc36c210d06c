"""One Easel per data folder, through a file the operating system locks."""

from __future__ import annotations

import errno
import json
import os
import sys
from pathlib import Path
from typing import Any

from webui.core.errors import DataFolderInUse, SetupError

_FAR = 1 << 30  # Windows locks bytes against reading too, so one far behind the text is taken


class FolderLock:
    """Holds ``easel.lock`` in ``folder`` until closed or until the process ends, however it ends.

    The file says who holds it (process id, address). Raises ``DataFolderInUse`` naming the other,
    ``SetupError`` where the folder cannot be written.
    """

    def __init__(self, folder: Path, *, url: str = "") -> None:
        self._folder = folder
        self._fd = _open(folder / "easel.lock")
        try:
            _take(self._fd)
        except OSError as error:
            other = _read(self._fd)
            os.close(self._fd)
            if error.errno in _TAKEN:
                raise DataFolderInUse(_sentence(folder, other)) from None
            raise SetupError(f"The data folder {folder} cannot be locked: {error}.") from None
        self.describe(url)

    def describe(self, url: str) -> None:
        """Write who holds the lock, for the sentence that a second instance shows."""
        text = json.dumps({"pid": os.getpid(), "url": url}).encode()
        os.ftruncate(self._fd, 0)
        os.lseek(self._fd, 0, os.SEEK_SET)
        os.write(self._fd, text)

    def close(self) -> None:
        """Give the folder back; again is harmless."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def _open(path: Path) -> int:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        reason = error.strerror or error
        raise SetupError(
            f"The data folder {path.parent} cannot be written ({reason}); "
            "choose another with --data-dir."
        ) from None


def _read(fd: int) -> dict[str, Any]:
    try:
        os.lseek(fd, 0, os.SEEK_SET)
        found = json.loads(os.read(fd, 2000))
        return {"pid": found["pid"], "url": found["url"]}
    except (OSError, ValueError, TypeError, KeyError):
        return {}


def _sentence(folder: Path, other: dict[str, Any]) -> str:
    who = [f"process {other['pid']}" if other.get("pid") else "", str(other.get("url") or "")]
    named = ", ".join(w for w in who if w)
    return (
        f"Another Easel{f' ({named})' if named else ''} uses the data folder {folder}; "
        "close it or choose another with --data-dir."
    )


if sys.platform == "win32":
    import msvcrt

    _TAKEN = {errno.EACCES, errno.EDEADLOCK, errno.EAGAIN}

    def _take(fd: int) -> None:
        os.lseek(fd, _FAR, os.SEEK_SET)
        msvcrt.locking(fd, msvcrt.LK_NBLCK, 1)

else:
    import fcntl

    _TAKEN = {errno.EACCES, errno.EAGAIN}

    def _take(fd: int) -> None:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
