"""Where an executor's events wait until the queue's thread takes them."""

from __future__ import annotations

from collections import deque

from webui.core.messages import JobImage, JobPreview, JobStep
from webui.jobs.executor import ExecutorEvent

_IMAGES = 8


class Mailbox:
    """Events in order, with only the latest step and preview of a job between other events.

    So it stays small when the queue's thread is held up by a slow disk. Not thread-safe: the owner
    holds a lock.
    """

    def __init__(self) -> None:
        self._events: deque[ExecutorEvent] = deque()
        self._images = 0

    @property
    def full(self) -> bool:
        """Whether whoever brings pictures should wait."""
        return self._images >= _IMAGES

    def put(self, event: ExecutorEvent) -> None:
        """Add an event; a step or preview replaces the one it makes stale."""
        stale = self._stale(event)
        if stale is not None:
            self._events[stale] = event
            return
        self._images += isinstance(event, JobImage)
        self._events.append(event)

    def take(self) -> ExecutorEvent:
        """The oldest event; ``IndexError`` when there is none."""
        event = self._events.popleft()
        self._images -= isinstance(event, JobImage)
        return event

    def __len__(self) -> int:
        return len(self._events)

    def _stale(self, event: ExecutorEvent) -> int | None:
        if not isinstance(event, (JobStep, JobPreview)):
            return None
        for index in range(len(self._events) - 1, -1, -1):
            earlier = self._events[index]
            if not isinstance(earlier, (JobStep, JobPreview)):
                return None
            if type(earlier) is type(event) and earlier.job_id == event.job_id:
                return index
        return None
