"""What people do with finished pictures: find, mark, sort into boards, delete and get back.

Everywhere ``owner`` is the user whose pictures are meant, None for everybody's; pictures of others
are not there.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from webui.core.errors import InvalidRequest, NotFound, StorageError
from webui.library import marks
from webui.library.boards import Boards
from webui.library.finding import Finder, Wanted
from webui.library.importing import Importer
from webui.library.index import Index
from webui.library.picture import Picture, picture_of
from webui.library.places import Places, is_outside
from webui.library.row import Row
from webui.library.thumbnails import Thumbnails

TRASH_DAYS = 30
_DAY = 86_400.0
_GONE = "This picture's file is no longer in the {}; when it comes back, so does the picture."
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Page:
    """A window of the pictures found; ``total`` counts all of them."""

    pictures: tuple[Picture, ...]
    total: int
    revision: int


@dataclass(frozen=True, slots=True)
class Done:
    """Ids of the pictures that an action changed, and of those that are not there."""

    changed: tuple[str, ...]
    missing: tuple[str, ...]


class Gallery:
    """The pictures of one index as people see them; safe to use from several threads."""

    def __init__(self, index: Index, places: Places, cache: Path, now: Callable[[], float]) -> None:
        self._index = index
        self._places = places
        self._now = now
        self._changing = threading.RLock()
        self._followers: list[Callable[[int], None]] = []
        self.boards = Boards(index, now)
        self.finder = Finder(index, self.boards)
        self.thumbnails = Thumbnails(cache)
        self.importer = Importer(index, places, forbidden=(cache,), changed=self.tell)

    @property
    def revision(self) -> int:
        """Grows with every change of any picture or board."""
        return self._index.revision

    def subscribe(self, follower: Callable[[int], None]) -> Callable[[], None]:
        """Call ``follower`` with the revision after what people change; returns how to end it."""
        self._followers.append(follower)

        def unsubscribe() -> None:
            if follower in self._followers:
                self._followers.remove(follower)

        return unsubscribe

    def tell(self) -> None:
        """Tell everyone who follows that something changed."""
        revision = self.revision
        for follower in tuple(self._followers):
            follower(revision)

    def close(self) -> None:
        """Stop an import that runs."""
        self.importer.close()

    # ---- finding

    def find(self, wanted: Wanted) -> Page:
        """A window of the pictures asked for; files that went or came are noticed."""
        window = self.finder.find(wanted)
        rows = self._noticed(window.rows)
        return Page(self._pictures(rows), window.total, window.revision)

    def facets(self, owner: str | None) -> dict[str, Any]:
        """What a search can choose among: lists of ``{"value", "count"}``, and dates."""
        boards = [{"value": b.name, "count": b.count} for b in self.boards.all(owner)]
        return {**self.finder.facets(owner), "boards": boards}

    def picture(self, image_id: str, owner: str | None) -> Picture:
        """The picture of that id; ``NotFound`` if there is none."""
        return self._pictures([self._row(image_id, owner)])[0]

    def pictures(self, ids: Iterable[str]) -> dict[str, Picture]:
        """The pictures of those ids that there are, whoever owns them."""
        rows = self._index.many(ids)
        return {picture.id: picture for picture in self._pictures(list(rows.values()))}

    def of_job(self, job_id: str, owner: str | None) -> tuple[Picture, ...]:
        """What is left of a job's pictures, in their order, also when the queue has forgotten the
        job; those in the trash are left out."""
        rows = self._index.all_of_job(job_id, owner)
        return self._pictures([row for row in rows if row.deleted is None])

    def file(self, image_id: str, owner: str | None = None) -> Path:
        """Where a picture's file lies; ``NotFound``, and the picture marked, if it is gone."""
        row = self._row(image_id, owner)
        path = self._places.find(row)
        if row.missing != (path is None):
            self._change([replace(row, missing=path is None)])
        if path is None:
            place = "folder it was imported from" if is_outside(row) else "output folder"
            raise NotFound(_GONE.format(place))
        return path

    def files(self, ids: Sequence[str], owner: str | None) -> list[tuple[str, Path | None]]:
        """Name and file of those pictures that there are, in that order; None where it is gone."""
        found = self._seen(ids, owner)
        rows = [found[image_id] for image_id in ids if image_id in found]
        return [(row.name, self._places.find(row)) for row in rows]

    # ---- changing

    def mark(
        self,
        image_id: str,
        owner: str | None,
        *,
        favourite: bool | None = None,
        tags: tuple[str, ...] | None = None,
    ) -> Picture:
        """Change a picture's marks; None leaves one as it is."""
        with self._changing:
            row = self._row(image_id, owner)
            marked = replace(
                row,
                favourite=row.favourite if favourite is None else favourite,
                tags=row.tags if tags is None else tags,
            )
            if marked != row:
                self._change([marked])
        return self._pictures([marked])[0]

    def act(
        self,
        action: str,
        ids: Sequence[str],
        owner: str | None,
        *,
        board: str | None = None,
        tag: str | None = None,
    ) -> Done:
        """Do one of ``marks.ACTIONS`` with many pictures.

        When a file cannot be moved it stays where it is, and those after it too; ``StorageError``.
        """
        with self._changing:
            found = self._seen(ids, owner)
            rows = [found[i] for i in ids if i in found]
            missing = tuple(i for i in ids if i not in found)
            if action in ("add_to_board", "remove_from_board"):
                on = action == "add_to_board"
                names = [row.id for row in rows]
                changed = self.boards.put(board or "", names, owner, on=on)
                if changed:
                    self.tell()
                return Done(tuple(changed), missing)
            if action == "delete":
                return Done(self._each(rows, self._deleted), missing)
            if action == "restore":
                gone = {row.id for row in rows if self._is_gone(row)} if len(rows) > 1 else set()
                there = [row for row in rows if row.id not in gone]
                return Done(self._each(there, self._restored), (*missing, *gone))
            changes = {row.id: _marked(row, action, tag) for row in rows}
            changed = [new for row in rows if (new := changes[row.id]) != row]
            self._change(changed)
            return Done(tuple(row.id for row in changed), missing)

    def empty_trash(self, owner: str | None, *, days: float = 0.0) -> int:
        """Delete for good what has been in the trash for so many days; how many there were.

        Imported pictures outside the output folder only leave the index.
        """
        with self._changing:
            before = self._now() - days * _DAY
            rows = self._index.trashed(before if days else float("inf"), owner)
            gone: list[str] = []
            try:
                for row in rows:
                    self._places.erase(row)
                    gone.append(row.id)
            finally:
                self._forget(gone)
        return len(gone)

    def forget_old(self) -> None:
        """Empty the trash of what has been there for 30 days; a failure is only logged."""
        try:
            self.empty_trash(None, days=TRASH_DAYS)
        except StorageError as error:
            log.warning("The trash could not be emptied: %s", error.message)

    # ---- helpers

    def _forget(self, ids: Sequence[str]) -> None:
        if ids:
            self._index.delete(*ids)
            for image_id in ids:
                self.thumbnails.forget(image_id)
            self.tell()

    def _each(self, rows: Iterable[Row], act: Callable[[Row], Row | None]) -> tuple[str, ...]:
        """Do something with the file of each row; what was done is kept even if the rest fails."""
        changed: list[Row] = []
        try:
            for row in rows:
                new = act(row)
                if new is not None:
                    changed.append(new)
        finally:
            self._change(changed)
        return tuple(row.id for row in changed)

    def _deleted(self, row: Row) -> Row | None:
        if row.deleted is not None:
            return None
        self._places.to_trash(row)
        return replace(row, deleted=self._now())

    def _restored(self, row: Row) -> Row | None:
        if row.deleted is None:
            return None
        return replace(row, path=self._places.from_trash(row), deleted=None, missing=False)

    def _is_gone(self, row: Row) -> bool:
        return row.deleted is not None and self._places.find(row) is None

    def _noticed(self, rows: Sequence[Row]) -> Sequence[Row]:
        """The rows as their files are now; what changed is kept."""
        now = [replace(row, missing=not self._places.is_there(row)) for row in rows]
        changed = {new.id: new for row, new in zip(rows, now, strict=True) if new != row}
        if changed:
            with self._changing:
                fresh = self._index.many(changed)
                self._index.put(
                    *(replace(row, missing=changed[i].missing) for i, row in fresh.items())
                )
        return now

    def _change(self, rows: Sequence[Row]) -> None:
        if rows:
            self._index.put(*rows)
            self.tell()

    def _seen(self, ids: Iterable[str], owner: str | None) -> dict[str, Row]:
        found = self._index.many(i for i in ids if len(i) <= 64)
        return {i: row for i, row in found.items() if owner is None or row.owner == owner}

    def _row(self, image_id: str, owner: str | None) -> Row:
        row = self._seen([image_id], owner).get(image_id)
        if row is None:
            raise NotFound("There is no such picture.")
        return row

    def _pictures(self, rows: Sequence[Row]) -> tuple[Picture, ...]:
        boards = self._index.boards_of(row.id for row in rows)
        return tuple(picture_of(row, self._places.outputs, boards[row.id]) for row in rows)

    def is_kept(self, image_id: str) -> bool:
        """Whether deleting the picture leaves its file alone: it was imported from elsewhere."""
        row = self._index.get(image_id)
        return row is not None and is_outside(row)


def _marked(row: Row, action: str, tag: str | None) -> Row:
    if action in ("favourite", "unfavourite"):
        return replace(row, favourite=action == "favourite")
    if action == "untag":
        return replace(row, tags=marks.without_tag(row.tags, tag or ""))
    tags = marks.with_tags(row.tags, [tag or ""])
    if len(tags) > marks.MAX_TAGS:
        raise InvalidRequest(
            f"The picture {row.name} has {marks.MAX_TAGS} tags already; remove some first.",
            field="tag",
        )
    return replace(row, tags=tags)
