"""Saved pictures: readable files for people, an index for everything else."""

from __future__ import annotations

import os
import secrets
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from webui.core.errors import NotFound, StorageError
from webui.core.results import Pixels, SavedImage
from webui.library import naming, rebuild
from webui.library.files import overwrite, publish
from webui.library.index import Index, Row
from webui.library.numbers import Numbers
from webui.metadata import SUFFIXES, encode
from webui.settings import Saving


class Library:
    """The pictures in ``outputs``, indexed in ``data``; safe to use from several threads.

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
        self._sync = sync
        self._now = now
        self._numbers = Numbers()
        self._saving_lock = threading.Lock()
        self._index = Index(data)
        if self._index.warnings:
            self.rebuild()

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
    ) -> SavedImage:
        """Write a picture and index it.

        The picture ``index`` of a job is kept once: saving it again replaces file and row under the
        same id. ``StorageError`` when folder or disk do not let it; nothing is then left behind.
        """
        text = infotext if self.saving.embed_metadata else None
        data = encode(pixels, self.saving.format, self.saving.quality, text)
        created = self._now()
        with self._saving_lock:
            earlier = self._index.of_job(job_id, index)
            subject = naming.Subject(
                seed, prompt, model, pixels.width, pixels.height, job_id, _local(created)
            )
            path = self._write(data, subject, earlier)
            row = Row(
                id=earlier.id if earlier else secrets.token_hex(12),
                job_id=job_id,
                image_index=index,
                path=path.relative_to(self.outputs).as_posix(),
                format=self.saving.format,
                created=created,
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
            self._put(row, path, is_new=earlier is None or earlier.path != row.path)
            if earlier is not None and earlier.path != row.path:
                self._remove(earlier)
        return self._saved(row)

    def get(self, image_id: str) -> SavedImage:
        """The picture of that id; ``NotFound`` if there is none."""
        return self._saved(self._row(image_id))

    def file(self, image_id: str) -> Path:
        """Where the picture of that id lies: an existing file within the output folder."""
        path = self._inside(self._row(image_id))
        if path is None:
            raise NotFound("This picture's file is no longer in the output folder.")
        return path

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
        path = self._inside(row)
        if path is not None:
            try:
                path.unlink(missing_ok=True)
            except OSError as error:
                raise StorageError(
                    f"The picture {row.path} cannot be deleted ({error.strerror})."
                ) from error
        self._index.delete(image_id)

    def rebuild(self) -> int:
        """Index the pictures in the output folder that are not; how many there were."""
        known = self._index.paths()
        count = 0
        for row in rebuild.rows(self.outputs, known):
            self._index.put(row)
            count += 1
        return count

    def close(self) -> None:
        """Close the index."""
        self._index.close()

    def _write(self, data: bytes, subject: naming.Subject, earlier: Row | None) -> Path:
        suffix = SUFFIXES[self.saving.format]
        if earlier is not None and earlier.path.endswith(suffix):
            known = self._inside(earlier)
            if known is not None:
                overwrite(known, data, sync=self._sync)
                return self.outputs / earlier.path
        folder = self.outputs / naming.folder_name(subject.time)
        pattern = self.saving.name_pattern
        first = self._numbers.next(folder, pattern)
        names = ((n, name + suffix) for n, name in naming.file_names(pattern, subject, first))
        number, path = publish(folder, names, data, sync=self._sync)
        self._numbers.used(folder, pattern, number)
        return path

    def _put(self, row: Row, path: Path, *, is_new: bool) -> None:
        try:
            self._index.put(row)
        except StorageError:
            if is_new:
                with suppress(OSError):
                    path.unlink(missing_ok=True)
            raise

    def _remove(self, row: Row) -> None:
        path = self._inside(row)
        if path is not None:
            with suppress(OSError):
                path.unlink(missing_ok=True)

    def _row(self, image_id: str) -> Row:
        row = self._index.get(image_id) if len(image_id) <= 64 else None
        if row is None:
            raise NotFound("There is no such picture.")
        return row

    def _inside(self, row: Row) -> Path | None:
        """The row's file, if it is one and lies within the output folder, links resolved."""
        try:
            path = (self.outputs / row.path).resolve(strict=True)
            is_inside = path.is_relative_to(self.outputs.resolve())
            return path if is_inside and path.is_file() else None
        except (OSError, ValueError, RuntimeError):
            return None

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


def _local(created: float) -> datetime:
    return datetime.fromtimestamp(created, UTC).astimezone()
