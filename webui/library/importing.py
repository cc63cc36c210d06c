"""Folders of pictures that were drawn elsewhere, brought into the index where they lie."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from webui.core.errors import Conflict, InvalidRequest, StorageError
from webui.core.paths import at_home
from webui.library.index import Index
from webui.library.naming import is_grid
from webui.library.places import TRASH, Places
from webui.library.reading import has_storable_name, is_picture_name, read_row
from webui.library.row import Row

MAX_PROBLEMS = 100
_AT_ONCE = 100
_TELL_SECONDS = 2.0
log = logging.getLogger(__name__)

State = Literal["idle", "running", "done", "stopped", "failed"]


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an import is: ``done`` of ``total`` files (None while they are counted), of which
    ``added`` are new and ``skipped`` were known.

    ``problems`` are the first hundred sentences about files that are no pictures; ``error`` says
    why an import failed.
    """

    state: State = "idle"
    folder: str = ""
    done: int = 0
    total: int | None = None
    added: int = 0
    skipped: int = 0
    problems: tuple[str, ...] = ()
    error: str | None = None


class _Stopped(Exception):
    """Somebody asked for the end."""


class Importer:
    """One import at a time, in a thread of its own.

    ``forbidden`` are folders never looked into; ``changed`` is called when pictures have been
    added.
    """

    def __init__(
        self,
        index: Index,
        places: Places,
        *,
        forbidden: Iterable[Path],
        changed: Callable[[], None],
    ) -> None:
        self._index = index
        self._places = places
        self._forbidden = tuple(forbidden)
        self._changed = changed
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._progress = Progress()
        self._told = 0.0

    @property
    def progress(self) -> Progress:
        """How far the last import is."""
        return self._progress

    def start(self, folder: object, owner: str) -> Progress:
        """Begin to import a folder and those in it; the pictures become ``owner``'s.

        ``InvalidRequest`` when it is none, ``Conflict`` while another import runs.
        """
        path = _checked(folder)
        with self._lock:
            if self._thread is not None and self._thread.is_alive():
                raise Conflict(
                    f"The folder {self._progress.folder} is being imported; wait or stop it first."
                )
            self._stop.clear()
            self._progress = Progress("running", str(path))
            self._thread = threading.Thread(
                target=self._run, args=(path, owner), name="library-import", daemon=True
            )
            self._thread.start()
        return self._progress

    def stop(self) -> Progress:
        """End an import that runs; what it has added stays."""
        self._stop.set()
        thread = self._thread
        if thread is not None:
            thread.join(10)
        return self._progress

    def close(self) -> None:
        """End an import that runs."""
        self.stop()

    def _run(self, folder: Path, owner: str) -> None:
        try:
            self._import(folder, owner)
            self._end("done")
        except _Stopped:
            self._end("stopped")
        except StorageError as error:
            self._end("failed", error.message)
        except OSError as error:
            self._end("failed", f"The folder {folder} cannot be read ({error.strerror}).")

    def _end(self, state: State, error: str | None = None) -> None:
        self._progress = replace(self._progress, state=state, error=error)
        try:
            self._changed()
        except StorageError as failure:  # it is just being closed
            log.debug("%s", failure.message)

    def _import(self, folder: Path, owner: str) -> None:
        files = sorted(self._files(folder))
        known = self._index.paths()
        self._progress = replace(self._progress, total=len(files))
        fresh: list[Row] = []
        for created, file in files:
            self._check()
            path = self._path(file)
            row = None if path in known else self._read(file, path, created, owner)
            if row is not None:
                known.add(path)
                fresh.append(row)
            self._count(is_known=row is None and path in known)
            if len(fresh) >= _AT_ONCE:
                self._add(fresh)
        self._add(fresh)

    def _read(self, file: Path, path: str, created: float, owner: str) -> Row | None:
        if not has_storable_name(file):
            self._problem(f"{_shown(file)} has a name that is no text; give it another.")
            return None
        row = read_row(file, path, created=created, owner=owner, imported=True)
        if row is None:
            self._problem(f"{_shown(file)} is no picture that can be read, or has too many pixels.")
        return row

    def _problem(self, sentence: str) -> None:
        now = self._progress
        if len(now.problems) < MAX_PROBLEMS:
            self._progress = replace(now, problems=(*now.problems, sentence))

    def _count(self, *, is_known: bool) -> None:
        now = self._progress
        self._progress = replace(now, done=now.done + 1, skipped=now.skipped + is_known)

    def _add(self, rows: list[Row]) -> None:
        if not rows:
            return
        self._index.put(*rows)
        self._progress = replace(self._progress, added=self._progress.added + len(rows))
        rows.clear()
        if time.monotonic() - self._told > _TELL_SECONDS:
            self._told = time.monotonic()
            self._changed()

    def _files(self, folder: Path) -> Iterator[tuple[float, Path]]:
        """Pictures below a folder with the time of their last change. Links are not followed."""
        forbidden = {_real(p) for p in (*self._forbidden, self._places.outputs / TRASH)}
        for place, folders, names in os.walk(_real(folder), onerror=_first_error(folder)):
            self._check()
            here = Path(place)
            folders[:] = [n for n in folders if not n.startswith(".") and here / n not in forbidden]
            for name in names:
                file = here / name
                if is_picture_name(file) and not is_grid(file.stem) and not file.is_symlink():
                    try:
                        yield file.stat().st_mtime, file
                    except OSError:
                        continue

    def _path(self, file: Path) -> str:
        """What the index keeps: relative to the output folder if it lies there."""
        outputs = _real(self._places.outputs)
        return file.relative_to(outputs).as_posix() if file.is_relative_to(outputs) else str(file)

    def _check(self) -> None:
        if self._stop.is_set():
            raise _Stopped


def _checked(folder: object) -> Path:
    """A folder on this computer that can be listed."""
    text = folder.strip() if isinstance(folder, str) else ""
    if not text or len(text) > 4096 or "\0" in text:
        raise InvalidRequest("folder is the path of a folder on the server.", field="folder")
    path = at_home(text)
    if not path.is_absolute():
        raise InvalidRequest(
            f"The folder {_shown(path)} is not a whole path; begin at the top, such as "
            "/home/me/pictures.",
            field="folder",
        )
    try:
        if not path.is_dir():
            raise InvalidRequest(f"There is no folder {_shown(path)}.", field="folder")
        os.scandir(path).close()
    except OSError as error:
        raise InvalidRequest(
            f"The folder {_shown(path)} cannot be read ({error.strerror}).", field="folder"
        ) from None
    return path


def _first_error(folder: Path) -> Callable[[OSError], None]:
    """For ``os.walk``: the folder itself has to be readable, those in it are passed over."""

    def notice(error: OSError) -> None:
        if error.filename and Path(error.filename) == _real(folder):
            raise error

    return notice


def _real(path: Path) -> Path:
    return Path(os.path.realpath(path))


def _shown(path: Path) -> str:
    """A path for a person: what cannot be shown (broken names) is replaced."""
    return str(path).encode("utf-8", "replace").decode("utf-8")
