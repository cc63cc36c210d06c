"""What might be a checkpoint below a folder, found without opening a file."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from webui.catalog.folders import INDEX, relevant_files

MAX_DEPTH = 10
SUFFIX = ".safetensors"
PICKLES = {".ckpt", ".pt", ".pth", ".bin", ".pkl"}
_PARTS = {"unet", "vae", "text_encoder"}


@dataclass(frozen=True, slots=True)
class Candidate:
    """Something to identify.

    ``signature`` changes when a file it is made of does: (path, size, mtime) of each.
    """

    name: str
    path: Path
    kind: Literal["file", "folder", "pickle", "loose"]
    signature: tuple[tuple[str, int, int], ...]


def scan(root: Path) -> list[Candidate]:
    """The candidates below ``root``, sorted by name; a folder that is not there has none.

    Links are followed, each folder is entered once (so loops end), hidden ones not at all.
    """
    found = list(_walk(root, (), set()))
    return sorted(found, key=lambda c: (c.name.casefold(), c.name))


def _walk(folder: Path, parts: tuple[str, ...], seen: set[tuple[int, int]]) -> Iterator[Candidate]:
    try:
        status = folder.stat()
        place = (status.st_dev, status.st_ino)
        if place in seen or len(parts) > MAX_DEPTH:
            return
        seen.add(place)
        entries = sorted(os.scandir(folder), key=lambda e: e.name)
    except OSError:
        return
    names = {e.name for e in entries}
    if parts and INDEX in names:
        yield Candidate("/".join(parts), folder, "folder", _signature(relevant_files(folder)))
    elif parts and len(_PARTS & names) >= 2:
        yield Candidate("/".join(parts), folder, "loose", ())
    else:
        for entry in entries:
            if not entry.name.startswith("."):
                yield from _entry(entry, parts, seen)


def _entry(
    entry: os.DirEntry[str], parts: tuple[str, ...], seen: set[tuple[int, int]]
) -> Iterator[Candidate]:
    path = Path(entry.path)
    suffix = path.suffix.lower()
    if suffix == SUFFIX:
        name = "/".join((*parts, entry.name[: -len(SUFFIX)]))
        yield Candidate(name, path, "file", _signature([path]))
    elif _is_dir(entry):
        yield from _walk(path, (*parts, entry.name), seen)
    elif suffix in PICKLES:
        yield Candidate("/".join((*parts, entry.name)), path, "pickle", ())


def _is_dir(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False


def _signature(paths: list[Path]) -> tuple[tuple[str, int, int], ...]:
    return tuple(_stat(path) for path in paths)


def _stat(path: Path) -> tuple[str, int, int]:
    try:
        status = path.stat()
    except OSError:
        return str(path), -1, -1
    return str(path), status.st_size, status.st_mtime_ns
