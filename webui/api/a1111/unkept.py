"""Pictures that were asked for with ``save_images`` false, as A1111's API does by default.

They are drawn and saved like any other, so that nothing is lost before it was answered. Once it
was, they are in the trash, where a client whose connection broke meanwhile can still fetch them by
id, and ``KEPT_SECONDS`` later they are deleted for good. What somebody takes out of the trash by
then stays; what a server that was stopped left there goes after 30 days, as everything there does.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence

from webui.core.errors import EaselError
from webui.library import Library, Picture

KEPT_SECONDS = 600.0
log = logging.getLogger(__name__)


class Unkept:
    """The pictures that wait to be deleted; safe between threads. ``now`` gives seconds."""

    def __init__(self, library: Library, now: Callable[[], float] = time.monotonic) -> None:
        self._library = library
        self._now = now
        self._lock = threading.Lock()
        self._waiting: deque[tuple[float, tuple[str, ...]]] = deque()

    def put(self, ids: Sequence[str]) -> None:
        """Move pictures that were answered into the trash, and delete those that are due.

        A grid that was kept of them (the setting ``saving.grid``) goes at once, as A1111 writes
        none then: it can be made again of the pictures.
        """
        for image_id in ids:
            self._library.drop_grid(image_id)
        try:
            gone = self._library.gallery.act("delete", ids, None).changed if ids else ()
        except EaselError as error:
            log.warning("Pictures that were not to be saved stay: %s", error.message)
            gone = ()
        with self._lock:
            if gone:
                self._waiting.append((self._now() + KEPT_SECONDS, tuple(gone)))
        self.sweep()

    def sweep(self) -> int:
        """Delete for good what is due; how many pictures there were."""
        due: list[str] = []
        with self._lock:
            while self._waiting and self._waiting[0][0] <= self._now():
                due += self._waiting.popleft()[1]
        count = 0
        for image_id, picture in self._known(due).items():
            if picture.deleted is None:
                continue
            try:
                self._library.delete(image_id)
                count += 1
            except EaselError as error:
                log.warning("A picture in the trash stays: %s", error.message)
        return count

    def due_in(self) -> float | None:
        """In how many seconds there is something to delete; None when nothing waits."""
        with self._lock:
            first = self._waiting[0][0] if self._waiting else None
        return None if first is None else max(first - self._now(), 0.0)

    def _known(self, ids: Sequence[str]) -> Mapping[str, Picture]:
        try:
            return self._library.gallery.pictures(ids)
        except EaselError as error:  # it is just being closed
            log.debug("Pictures in the trash stay: %s", error.message)
            return {}
