"""What prompts can name beside words: LoRAs and textual inversions, found by their files."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

SUFFIXES = frozenset({".safetensors"})
MAX_FILES = 20_000


def networks(folders: tuple[Path, ...]) -> dict[str, Path]:
    """The files below the folders by the name a prompt calls them by: the file's, without suffix.

    Of files with one name (in any case) the first found counts, as a folder named first does; links
    to files are followed, links to folders are not. At most 20,000.
    """
    found: dict[str, Path] = {}
    taken: set[str] = set()
    for folder in folders:
        for path in _files(folder):
            if path.stem.casefold() in taken:
                continue
            taken.add(path.stem.casefold())
            found[path.stem] = path
            if len(found) >= MAX_FILES:
                return found
    return found


def _files(folder: Path) -> Iterator[Path]:
    for place, inner, names in os.walk(folder):
        inner[:] = sorted(name for name in inner if not name.startswith("."))
        for name in sorted(names):
            path = Path(place) / name
            if path.suffix.casefold() in SUFFIXES and not name.startswith(".") and path.is_file():
                yield path
