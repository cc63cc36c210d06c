"""Running numbers of the files in each folder, counted once and then remembered."""

from __future__ import annotations

import os
from pathlib import Path

from webui.library.naming import number_of, starts_with_number


class Numbers:
    """The next number of a folder and name pattern.

    Only a hint: who writes tries it and goes on from there when the name is taken.
    """

    def __init__(self) -> None:
        self._next: dict[tuple[Path, str], int] = {}

    def next(self, folder: Path, pattern: str) -> int:
        """The number to try first: one more than the highest there, as A1111 counts."""
        key = (folder, pattern)
        if key not in self._next:
            self._next[key] = _highest(folder) + 1 if starts_with_number(pattern) else 0
        return self._next[key]

    def used(self, folder: Path, pattern: str, number: int) -> None:
        """Say that ``number`` was taken."""
        if "[number]" in pattern:
            self._next[folder, pattern] = number + 1


def _highest(folder: Path) -> int:
    try:
        numbers = [number_of(entry.name) for entry in os.scandir(folder)]
    except OSError:
        return -1
    return max((n for n in numbers if n is not None), default=-1)
