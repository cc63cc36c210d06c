"""Index rows made from the pictures themselves, for an index that was lost."""

from __future__ import annotations

import secrets
from collections.abc import Collection, Iterator
from pathlib import Path

from webui.core.results import ImageFormat
from webui.library.index import Row
from webui.metadata import SUFFIXES, image_size, parse, read_infotext, usable

_FORMATS: dict[str, ImageFormat] = {suffix: fmt for fmt, suffix in SUFFIXES.items()}
_FORMATS[".jpeg"] = "jpeg"


def rows(outputs: Path, known: Collection[str]) -> Iterator[Row]:
    """A row for each picture below ``outputs`` whose path is not ``known``, oldest first."""
    found: list[tuple[float, Path]] = []
    for path in outputs.rglob("*"):
        if path.suffix.lower() in _FORMATS and not path.name.startswith("."):
            try:
                found.append((path.stat().st_mtime, path))
            except OSError:
                continue
    for created, path in sorted(found):
        relative = path.relative_to(outputs).as_posix()
        size = None if relative in known else image_size(path)
        if size is not None:
            yield _row(path, relative, created, size)


def _row(path: Path, relative: str, created: float, size: tuple[int, int]) -> Row:
    text = read_infotext(path) or ""
    values = usable(parse(text)).values
    return Row(
        id=secrets.token_hex(12),
        job_id=None,
        image_index=0,
        path=relative,
        format=_FORMATS[path.suffix.lower()],
        created=created,
        seconds=0.0,
        width=size[0],
        height=size[1],
        seed=values.get("seed", -1),
        prompt=values.get("prompt", ""),
        negative_prompt=values.get("negative_prompt", ""),
        model=values.get("checkpoint", ""),
        sampler=values.get("sampler", ""),
        infotext=text,
        owner="",
    )
