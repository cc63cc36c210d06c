"""The wildcard files of a data folder, read again when one of them has changed."""

from __future__ import annotations

import logging
import os
import stat
import threading
from collections.abc import Iterator
from pathlib import Path

from webui.prompt.wildcard_lists import Wildcards, read_lines, read_yaml

MAX_FILES = 10_000
MAX_FILE_BYTES = 8 * 1024 * 1024
_TEXT = {".txt"}
_YAML = {".yaml", ".yml"}
_log = logging.getLogger(__name__)

Stamp = tuple[tuple[str, int, int], ...]


class WildcardFolder:
    """The wildcards below a folder; others may edit the files meanwhile. Safe between threads.

    ``animals/cats.txt`` is the name "animals/cats". A YAML file adds its keys: those of
    ``animals/pets.yaml`` are "animals/<key>", and "animals/pets/<key>" as well. Files of more than
    8 MiB, links, pipes and the like, and what cannot be read are left out.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._stamp: Stamp = ()
        self._wildcards = Wildcards()

    def wildcards(self) -> Wildcards:
        """What the files hold now; nothing while there is no such folder."""
        with self._lock:
            found = list(_files(self._folder))
            stamp = tuple(sorted((path.as_posix(), size, time) for path, size, time in found))
            if stamp != self._stamp:
                self._wildcards = Wildcards(_read_all(self._folder, [path for path, *_ in found]))
                self._stamp = stamp
            return self._wildcards


def _files(folder: Path) -> Iterator[tuple[Path, int, int]]:
    """Every wildcard file with its size and time, at most so many; links are not followed."""
    count = 0
    for place, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            path = Path(place) / name
            if path.suffix.casefold() not in _TEXT | _YAML or path.is_symlink():
                continue
            try:
                found = path.stat()
            except OSError:
                continue  # gone since the folder was read
            if stat.S_ISREG(found.st_mode) and found.st_size <= MAX_FILE_BYTES:
                yield path, found.st_size, found.st_mtime_ns
                count += 1
                if count >= MAX_FILES:
                    return


def _read_all(folder: Path, paths: list[Path]) -> dict[str, tuple[str, ...]]:
    lists: dict[str, tuple[str, ...]] = {}
    for path in paths:
        try:
            text = path.read_bytes().decode("utf-8-sig", "replace")
        except OSError as error:
            _log.warning("The wildcard file %s cannot be read: %s", path, error.strerror)
            continue
        name = path.relative_to(folder).with_suffix("").as_posix()
        if path.suffix.casefold() in _TEXT:
            lists[name] = read_lines(text)
            continue
        above = name.rpartition("/")[0]
        for key, entries in read_yaml(text).items():
            for prefix in (name, above):
                lists.setdefault(f"{prefix}/{key}" if prefix else key, entries)
    return lists
