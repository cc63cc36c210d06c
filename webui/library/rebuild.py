"""Index rows made from the pictures themselves, for an index that was lost."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path

from webui.library.naming import is_grid
from webui.library.places import TRASH, id_of_trashed
from webui.library.reading import has_storable_name, is_picture_name, read_row
from webui.library.row import Row


def rows(
    outputs: Path, known: Collection[str], *, ids: Collection[str] = (), now: float = 0.0
) -> Iterator[Row]:
    """A row for each picture below ``outputs`` that is not known by path or id, oldest first.

    Pictures in the trash come back as deleted ``now`` (seconds since 1970).
    """
    found: list[tuple[float, Path]] = []
    for path in outputs.rglob("*"):
        is_picture = is_picture_name(path) and not is_grid(path.stem)
        if is_picture and has_storable_name(path):
            try:
                found.append((path.stat().st_mtime, path))
            except OSError:
                continue
    for created, path in sorted(found):
        relative = path.relative_to(outputs).as_posix()
        trashed = id_of_trashed(relative)
        row = None
        if trashed is not None:
            image_id, earlier = trashed
            if image_id not in ids:
                row = read_row(path, earlier, created=created, image_id=image_id, deleted=now)
        elif relative not in known and not relative.startswith(f"{TRASH}/"):
            row = read_row(path, relative, created=created)
        if row is not None:
            yield row
