"""A picture of the library with everything a page shows of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from webui.core.results import SavedImage
from webui.library.row import Row


@dataclass(frozen=True, slots=True)
class Picture(SavedImage):
    """A saved picture and its marks.

    ``boards`` are ids. ``missing`` says that its file was not there when last looked for,
    ``deleted`` when it was moved to the trash (seconds since 1970), ``imported`` that it was found
    in a folder rather than drawn here.
    """

    favourite: bool = False
    tags: tuple[str, ...] = ()
    boards: tuple[str, ...] = ()
    missing: bool = False
    deleted: float | None = None
    imported: bool = False


def picture_of(row: Row, outputs: Path, boards: Iterable[str] = ()) -> Picture:
    """What a row says. ``outputs`` is the folder its path begins in."""
    return Picture(
        id=row.id,
        path=str(outputs / row.path),
        index=row.image_index,
        seed=row.seed,
        width=row.width,
        height=row.height,
        infotext=row.infotext,
        created=row.created,
        seconds=row.seconds,
        owner=row.owner,
        favourite=row.favourite,
        tags=row.tags,
        boards=tuple(boards),
        missing=row.missing,
        deleted=row.deleted,
        imported=row.imported,
    )
