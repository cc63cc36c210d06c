"""What happened, in order: a bounded log that is waited on and followed."""

from __future__ import annotations

import itertools
import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from webui.core.results import EventKind, JobEvent

_log = logging.getLogger(__name__)

Callback = Callable[[JobEvent], None]


class EventLog:
    """The last ``size`` events, numbered without gaps.

    Numbers go on growing across restarts of the server (they begin at the time in milliseconds),
    so a follower that comes back with an old number misses nothing of the new server.
    """

    def __init__(self, size: int = 2000, *, first: int | None = None) -> None:
        self._changed = threading.Condition()
        self._ring: deque[JobEvent] = deque(maxlen=size)
        self._last = (time.time_ns() // 1_000_000 if first is None else first) - 1
        self._closed = False

    @property
    def last(self) -> int:
        """The number of the newest event; events after it are yet to come."""
        return self._last

    def publish(self, job_id: str, kind: EventKind, **details: Any) -> None:
        """Number an event, keep it and wake whoever waits. Never blocks on a follower."""
        with self._changed:
            self._last += 1
            self._ring.append(JobEvent(self._last, job_id, kind, time.time(), **details))
            self._changed.notify_all()

    def read(
        self, after: int, timeout: float | None = 0.0, job_id: str | None = None
    ) -> list[JobEvent]:
        """The events with a number above ``after``; waits up to ``timeout`` seconds for one.

        Empty when none came or the log is closed. Starts later than ``after + 1`` where older
        events have been dropped.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._has(after, job_id), timeout)
            return self._since(after, job_id)

    def subscribe(self, callback: Callback) -> Callable[[], None]:
        """Call ``callback`` with every event from now on, in a thread of its own.

        A slow follower holds up nobody and misses what the log drops meanwhile; an exception is
        logged. The returned function ends it.
        """
        follower = _Follower(callback)
        threading.Thread(
            target=self._follow, args=(follower, self._last), name="job-events", daemon=True
        ).start()

        def unsubscribe() -> None:
            follower.active = False
            with self._changed:
                self._changed.notify_all()

        return unsubscribe

    def close(self) -> None:
        """Wake everyone who waits and end the followers."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _follow(self, follower: _Follower, seen: int) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(
                    lambda: self._closed or not follower.active or self._last > seen  # noqa: B023
                )
                batch = self._since(seen, None)
            if not batch and self._closed:
                return
            for event in batch:
                if not follower.active:
                    return
                follower.call(event)
                seen = event.seq
            if not follower.active:
                return

    def _has(self, after: int, job_id: str | None) -> bool:
        if job_id is None:
            return self._last > after and bool(self._ring)
        return bool(self._since(after, job_id))

    def _since(self, after: int, job_id: str | None) -> list[JobEvent]:
        if not self._ring:
            return []
        start = max(after + 1 - self._ring[0].seq, 0)
        newer = itertools.islice(self._ring, start, None)
        return [e for e in newer if job_id is None or e.job_id == job_id]


class _Follower:
    def __init__(self, callback: Callback) -> None:
        self.callback = callback
        self.active = True

    def call(self, event: JobEvent) -> None:
        try:
            self.callback(event)
        except Exception:  # noqa: BLE001  a follower is foreign code: its fault stays its own
            _log.exception("A follower of job events failed on %s.", event.kind)
