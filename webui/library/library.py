"""Saved pictures: readable files for people, an index for everything else."""

from __future__ import annotations

import logging
import os
import secrets
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from webui.core.errors import NotFound, StorageError
from webui.core.results import Pixels, SavedImage
from webui.library import naming, rebuild
from webui.library.gallery import Gallery
from webui.library.index import Index
from webui.library.places import Places
from webui.library.row import Row
from webui.library.saving import Encoded, Writer, remove_text
from webui.settings import Saving

_log = logging.getLogger(__name__)
_MOST_GRIDS = 1000
"""So many grids are known by their pictures."""


class Library:
    """The pictures in ``outputs``, indexed in ``data``; safe to use from several threads.

    ``gallery`` is what people do with the pictures: find, mark, sort, delete, import.
    ``warnings`` are sentences about what was mended on opening. ``sync`` brings an open file to the
    disk, ``now`` gives the time (seconds since 1970).
    """

    def __init__(
        self,
        outputs: Path,
        data: Path,
        saving: Saving,
        *,
        sync: Callable[[int], None] = os.fsync,
        now: Callable[[], float] = time.time,
    ) -> None:
        self.outputs = outputs.absolute()
        self.saving = saving
        self._now = now
        self._writer = Writer(self.outputs, sync=sync)
        self._saving_lock = threading.Lock()
        self._grids: dict[str, Path] = {}
        self._index = Index(data)
        self._places = Places(self.outputs)
        self.gallery = Gallery(self._index, self._places, data.absolute() / "thumbnails", now)
        if self._index.warnings:
            self.rebuild()
        self.gallery.forget_old()

    @property
    def warnings(self) -> tuple[str, ...]:
        """Sentences about what was mended."""
        return tuple(self._index.warnings)

    def save(
        self,
        pixels: Pixels,
        *,
        infotext: str,
        job_id: str,
        index: int,
        seed: int,
        prompt: str,
        model: str,
        negative_prompt: str = "",
        sampler: str = "",
        seconds: float = 0.0,
        owner: str = "",
        request: object = None,
        exact: str | None = None,
        model_hash: str | None = None,
        job_time: float | None = None,
    ) -> SavedImage:
        """Write a picture and index it.

        ``request``, ``model_hash`` and ``job_time`` (seconds since 1970) are for its name;
        ``exact`` is the whole request as JSON, kept in the file beside the infotext.
        The picture ``index`` of a job is kept once: saving it again replaces file and row under the
        same id. ``StorageError`` when folder or disk do not let it; nothing is then left behind.
        """
        saving = self.saving
        picture = self._writer.encode(pixels, infotext, saving, exact)
        if picture.note:
            _log.warning("%s", picture.note)
        row = Row(
            id=secrets.token_hex(12),
            job_id=job_id,
            image_index=index,
            path="",
            format=picture.format,
            created=self._now(),
            seconds=seconds,
            width=pixels.width,
            height=pixels.height,
            seed=seed,
            prompt=prompt,
            negative_prompt=negative_prompt,
            model=model,
            sampler=sampler,
            infotext=infotext,
            owner=owner,
        )
        subject = _subject(row, pixels, model_hash, job_time).drawn_by(request)
        with self._saving_lock:
            return self._saved(self._keep(row, picture, subject, saving))

    def save_grid(self, pictures: Sequence[SavedImage], batch_size: int) -> Path | None:
        """Keep one more file that shows all these pictures, if the settings want that.

        It lies beside the first, with the first's infotext, and is not indexed. ``EaselError`` when
        it would be too large or cannot be written.
        """
        saving = self.saving
        if not saving.grid or len(pictures) < 2:
            return None
        files = [self.file(picture.id) for picture in pictures]
        path, note = self._writer.write_grid(files, pictures[0].infotext, batch_size, saving)
        if note:
            _log.warning("%s", note)
        with self._saving_lock:
            self._grids[pictures[0].id] = path
            while len(self._grids) > _MOST_GRIDS:
                del self._grids[next(iter(self._grids))]
        return path

    def drop_grid(self, image_id: str) -> None:
        """Delete the grid that was kept of pictures the first of which is this one, for pictures
        that were not to be kept; of this run's newest grids only."""
        with self._saving_lock:
            path = self._grids.pop(image_id, None)
        if path is not None:
            with suppress(OSError):
                path.unlink(missing_ok=True)

    def get(self, image_id: str) -> SavedImage:
        """The picture of that id; ``NotFound`` if there is none."""
        return self._saved(self._row(image_id))

    def file(self, image_id: str) -> Path:
        """Where the picture of that id lies: an existing file within the output folder."""
        return self.gallery.file(image_id)

    def recent(
        self, limit: int = 50, before: str | None = None, *, owner: str | None = None
    ) -> tuple[SavedImage, ...]:
        """The newest pictures first; ``before`` continues behind the picture of that id.

        Of one ``owner`` only, or everybody's for None.
        """
        rows = self._index.recent(max(0, min(limit, 1000)), before, owner)
        return tuple(self._saved(row) for row in rows)

    def delete(self, image_id: str) -> None:
        """Delete a picture, file and row; ``NotFound`` if there is none."""
        row = self._row(image_id)
        self._places.erase(row)
        self._index.delete(image_id)
        self.gallery.thumbnails.forget(image_id)

    def rebuild(self) -> int:
        """Index the pictures in the output folder that are not; how many there were."""
        known, ids = self._index.paths(), self._index.ids()
        count = 0
        for row in rebuild.rows(self.outputs, known, ids=ids, now=self._now()):
            self._index.put(row)
            count += 1
        return count

    def close(self) -> None:
        """Stop an import that runs and close the index."""
        self.gallery.close()
        self._index.close()

    def _keep(self, row: Row, picture: Encoded, subject: naming.Subject, saving: Saving) -> Row:
        """Write the picture and put its row, in the place of an earlier one of the same job."""
        earlier = self._index.of_job(row.job_id or "", row.image_index)
        path = self._writer.write(picture, subject, saving, self._known(earlier))
        row = replace(row, path=path.relative_to(self.outputs).as_posix())
        if earlier is not None:
            row = replace(row, id=earlier.id, favourite=earlier.favourite, tags=earlier.tags)
        self._put(row, path, is_new=earlier is None or earlier.path != row.path)
        if earlier is not None:
            self.gallery.thumbnails.forget(row.id)
            if earlier.path != row.path or earlier.deleted is not None:
                self._remove(earlier)
        return row

    def _put(self, row: Row, path: Path, *, is_new: bool) -> None:
        try:
            self._index.put(row)
        except StorageError:
            if is_new:
                with suppress(OSError):
                    path.unlink(missing_ok=True)
                remove_text(path, row.infotext)
            raise

    def _known(self, earlier: Row | None) -> Path | None:
        """The file to replace when a picture is saved again: that of its row, unless deleted."""
        if earlier is None or earlier.deleted is not None or not self._places.find(earlier):
            return None
        return self.outputs / earlier.path

    def _remove(self, row: Row) -> None:
        with suppress(StorageError):
            self._places.erase(row)

    def _row(self, image_id: str) -> Row:
        row = self._index.get(image_id) if len(image_id) <= 64 else None
        if row is None:
            raise NotFound("There is no such picture.")
        return row

    def _saved(self, row: Row) -> SavedImage:
        return SavedImage(
            id=row.id,
            path=str(self.outputs / row.path),
            index=row.image_index,
            seed=row.seed,
            width=row.width,
            height=row.height,
            infotext=row.infotext,
            created=row.created,
            seconds=row.seconds,
            owner=row.owner,
        )


def _subject(
    row: Row, pixels: Pixels, model_hash: str | None, job_time: float | None
) -> naming.Subject:
    """What the names of a new picture's file and folders can be made of."""
    return naming.Subject(
        row.seed,
        row.prompt,
        row.model,
        row.width,
        row.height,
        row.job_id or "",
        _local(row.created),
        negative_prompt=row.negative_prompt,
        sampler=row.sampler,
        model_hash=model_hash or "",
        user=row.owner,
        index=row.image_index,
        job_time=_local(row.created if job_time is None else job_time),
        pixels=pixels.data,
    )


def _local(created: float) -> datetime:
    return datetime.fromtimestamp(created, UTC).astimezone()
