"""File and folder names of pictures: pure functions of what is known about a picture."""

from __future__ import annotations

import itertools
import re
import unicodedata
from collections.abc import Iterator
from datetime import datetime

from webui.library.tokens import NUMBER, Subject, fill

__all__ = [
    "MAX_BYTES",
    "Subject",
    "file_names",
    "folder_name",
    "folder_names",
    "grid_names",
    "is_grid",
    "normal",
    "number_of",
    "safe",
    "starts_with_number",
]

MAX_BYTES = 120
"""A name without its suffix; every file system takes that, also below long folders."""
MAX_FOLDERS = 8
"""How deep a folder pattern goes at most."""
_FOLDER_ROOM = MAX_BYTES // 2  # what a folder's name leaves free, for paths of limited length

_FORBIDDEN = re.compile(r'[<>:"/\\|?*\x00-\x1f\x7f]')
_RESERVED = re.compile(
    r"(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³]|conin\$|conout\$)(\..*)?", re.IGNORECASE
)
_SEPARATOR = re.compile(r"[/\\](?![^\[\]]*\])")  # not one within a part
_GRID = re.compile(r"grid-\d{4,9}")


def folder_name(time: datetime) -> str:
    """The folder of a day: ``2026-01-31``."""
    return time.strftime("%Y-%m-%d")


def folder_names(pattern: str, subject: Subject) -> tuple[str, ...]:
    """The folders within folders that ``pattern`` names; none for an empty one.

    Only a slash in the pattern itself begins another folder, never one in what is filled in, so no
    prompt leads out of the output folder.
    """
    levels = [fill(level, subject) for level in _SEPARATOR.split(pattern)]
    levels = [level for level in levels if level.strip(" .")][:MAX_FOLDERS]
    return tuple(safe(level, room=_FOLDER_ROOM) for level in levels)


def normal(pattern: str) -> str:
    """``pattern`` as the functions here want it: ``[none]`` says that the number is the name."""
    pattern = re.sub(r"\[number\]", NUMBER, pattern, flags=re.IGNORECASE)
    return re.sub(r"\[none\]", "", pattern, flags=re.IGNORECASE).strip() or NUMBER


def file_names(pattern: str, subject: Subject, first: int) -> Iterator[tuple[int, str]]:
    """Endless names to try, without suffix: (number, name), from number ``first`` on.

    A pattern without ``[number]`` gets "-1", "-2" … behind it after the first try. No name is one
    of a grid's.
    """
    stem = safe(fill(pattern, subject), room=10)
    for number in itertools.count(first):
        if NUMBER in stem:
            name = safe(stem.replace(NUMBER, f"{number:05d}"))
        else:
            name = stem + (f"-{number - first}" if number > first else "")
        yield number, f"_{name}" if is_grid(name) else name


def grid_names(first: int) -> Iterator[tuple[int, str]]:
    """Endless names of grids to try, without suffix: ``grid-0000`` and so on, as A1111's."""
    return ((number, f"grid-{number:04d}") for number in itertools.count(first))


def is_grid(name: str) -> bool:
    """Whether a file name without suffix is a grid's."""
    return _GRID.fullmatch(name.casefold()) is not None


def starts_with_number(pattern: str) -> bool:
    """Whether the next number can be told from the names already in a folder."""
    return pattern.lstrip().startswith(NUMBER)


def number_of(name: str) -> int | None:
    """The number a file name begins with ("00041-7.png" → 41), if it does."""
    match = re.match(r"(\d{5,9})(?!\d)", name)
    return int(match[1]) if match else None


def safe(name: str, room: int = 0) -> str:
    """``name`` as a file name every system takes: no separators, reserved names or bad ends.

    At most ``MAX_BYTES - room`` bytes; never empty, never ``.`` or ``..``.
    """
    text = unicodedata.normalize("NFC", name.encode("utf-8", "replace").decode("utf-8"))
    text = _FORBIDDEN.sub("_", "".join(c if c.isprintable() else "_" for c in text))
    text = text.encode()[: MAX_BYTES - room].decode("utf-8", "ignore").strip(" .")
    if not text:
        return "picture"
    return f"_{text}"[: MAX_BYTES - room] if _RESERVED.fullmatch(text) else text
