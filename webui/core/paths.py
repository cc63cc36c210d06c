"""Paths as people write them."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path


def at_home(text: str | Path) -> Path:
    """A path with the home folder in place of a ``~`` or ``~name`` that it begins with.

    As it is written where this computer knows no such user, so that whoever checks it finds that it
    is no whole path, or that nothing is there.
    """
    path = Path(text)
    with suppress(RuntimeError, ValueError):
        return path.expanduser()
    return path
