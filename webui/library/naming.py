"""File names of pictures: pure functions of what is known about a picture."""

from __future__ import annotations

import itertools
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

MAX_BYTES = 120
"""A name without its suffix; every file system takes that, also below long folders."""

_TOKEN = re.compile(r"\[([a-z_]+)\]")
_FORBIDDEN = re.compile(r'[<>:"/\\|?*\x00-\x1f\x7f]')
_RESERVED = re.compile(
    r"(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³]|conin\$|conout\$)(\..*)?", re.IGNORECASE
)
_NUMBER = "[number]"


@dataclass(frozen=True, slots=True)
class Subject:
    """What a name can be made of. ``time`` is local."""

    seed: int
    prompt: str
    model: str
    width: int
    height: int
    job: str
    time: datetime


def folder_name(time: datetime) -> str:
    """The folder of a day: ``2026-01-31``."""
    return time.strftime("%Y-%m-%d")


def file_names(pattern: str, subject: Subject, first: int) -> Iterator[tuple[int, str]]:
    """Endless names to try, without suffix: (number, name), from number ``first`` on.

    A pattern without ``[number]`` gets "-1", "-2" … behind it after the first try.
    """
    stem = safe(_filled(pattern, subject), room=10)
    for number in itertools.count(first):
        if _NUMBER in stem:
            yield number, safe(stem.replace(_NUMBER, f"{number:05d}"))
        else:
            yield number, stem + (f"-{number - first}" if number > first else "")


def starts_with_number(pattern: str) -> bool:
    """Whether the next number can be told from the names already in a folder."""
    return pattern.lstrip().startswith(_NUMBER)


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


def _filled(pattern: str, subject: Subject) -> str:
    """The pattern with every token but the number filled in; unknown ones stay as they are."""
    words = re.findall(r"\w+", subject.prompt)[:8]
    values = {
        "seed": str(subject.seed),
        "date": folder_name(subject.time),
        "model_name": subject.model.replace("/", "_"),
        "prompt_words": " ".join(words)[:60],
        "width": str(subject.width),
        "height": str(subject.height),
        "job": subject.job,
    }
    # What is filled in must not become a token itself.
    shown = {name: value.replace("[", "(").replace("]", ")") for name, value in values.items()}
    return _TOKEN.sub(lambda m: shown.get(m[1], m[0]), pattern)
