"""Events as they happen: one hub per server, followed over WebSockets or by long polling.

The queue calls from a thread of its own; the hub passes each event on to the server's loop, where
every follower has a small mailbox. In it progress and previews of a job replace older ones, and
when a client reads too slowly for the rest, it is emptied and the client is told the state anew:
nobody's slowness costs memory or holds up the queue.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from webui.api.views import event_view, job_view, preview_frame
from webui.core.errors import NotFound, StorageError
from webui.core.results import Caller, JobEvent

if TYPE_CHECKING:
    from webui.jobs import Job, JobQueue
    from webui.library import Gallery

MAX_PENDING = 500
MAX_FOLLOWED = 200
RECENT_JOBS = 20
SNAPSHOT_JOBS = 200
_KNOWN_OWNERS = 10_000
_REPLACED = ("progress", "preview")


class Follower:
    """A client's mailbox: what it has not been sent yet, bounded."""

    def __init__(self, caller: Caller, limit: int = MAX_PENDING) -> None:
        self.caller = caller
        self.only: frozenset[str] | None = None
        self.everyone = False
        self.stale = False
        self.library: int | None = None
        self.floor = 0
        self._limit = limit
        self._pending: OrderedDict[tuple[str, str | int], JobEvent] = OrderedDict()
        self._news = asyncio.Event()

    def wants(self, job_id: str, owner: str) -> bool:
        """Whether an event of this job is meant for the client, and may be."""
        if self.only is not None and job_id not in self.only:
            return False
        if self.caller.is_admin and (self.everyone or self.only is not None):
            return True
        return owner == self.caller.user

    def offer(self, event: JobEvent) -> None:
        """Put an event into the mailbox."""
        self._news.set()
        if event.seq <= self.floor or self.stale:
            return
        key = _key(event)
        self._pending.pop(key, None)
        self._pending[key] = event
        if len(self._pending) > self._limit:
            self.renew()

    def renew(self) -> None:
        """Empty the mailbox: the client is to be told the state of everything instead."""
        self._pending.clear()
        self.stale = True
        self._news.set()

    def wake(self) -> None:
        """Let :meth:`wait` return."""
        self._news.set()

    async def wait(self, seconds: float) -> bool:
        """Wait for something new; False if nothing came."""
        try:
            async with asyncio.timeout(max(seconds, 0)):
                await self._news.wait()
        except TimeoutError:
            return False
        self._news.clear()
        return True

    def take(self) -> list[JobEvent]:
        """Empty the mailbox, oldest first."""
        events = list(self._pending.values())
        self._pending.clear()
        return events

    def __len__(self) -> int:
        return len(self._pending)


class Hub:
    """Passes the queue's events on to followers; lives in the server's event loop."""

    def __init__(self, queue: JobQueue, gallery: Gallery) -> None:
        self.queue = queue
        self.gallery = gallery
        self._followers: set[Follower] = set()
        self._owners: OrderedDict[str, str] = OrderedDict()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._unsubscribe = _nothing
        self._leave_library = _nothing
        self.closing = asyncio.Event()

    def open(self) -> None:
        """Begin to listen to the queue; called inside the server's loop."""
        self._loop = asyncio.get_running_loop()
        self.closing = asyncio.Event()
        self._unsubscribe = self.queue.subscribe(self._from_thread)
        self._leave_library = self.gallery.subscribe(self._library_from_thread)

    def close(self) -> None:
        """Send everyone away; called inside the server's loop, any number of times."""
        self._unsubscribe()
        self._leave_library()
        self._unsubscribe = self._leave_library = _nothing
        self.closing.set()
        for follower in self._followers:
            follower.wake()

    @contextmanager
    def follow(self, caller: Caller) -> Iterator[Follower]:
        """A mailbox that is filled until the block is left."""
        follower = Follower(caller)
        self._followers.add(follower)
        try:
            yield follower
        finally:
            self._followers.discard(follower)

    def snapshot(self, follower: Follower) -> dict[str, Any]:
        """The state of the caller's jobs now; later events go on from there."""
        follower.take()
        follower.stale = False
        seq = follower.floor = self.queue.last_seq
        jobs = self.current(follower)
        caller = follower.caller
        views = [job_view(j, caller, whole=False) for j in with_marks(jobs, self.gallery)]
        return {"type": "snapshot", "last": seq, "user": caller.user, "jobs": views}

    def current(self, follower: Follower) -> list[Job]:
        """The jobs a follower follows: the last few that have ended, then those that are drawn
        and those that are next."""
        seen = [
            job for job in self.queue.jobs(follower.caller) if follower.wants(job.id, job.owner)
        ]
        active = [job for job in seen if not job.ended]
        recent = [job for job in seen if job.ended][-RECENT_JOBS:]
        active.sort(key=lambda job: -1 if job.position is None else job.position)
        return [*recent, *active[:SNAPSHOT_JOBS]]

    def messages(self, follower: Follower, events: Iterable[JobEvent]) -> Iterator[bytes | Any]:
        """What a socket is sent for these events: JSON values, and bytes for previews."""
        for event in events:
            if event.kind == "preview":
                frame = self.frame(event.job_id)
                if frame is not None:
                    yield frame
            else:
                yield {"type": "event", **event_view(event, follower.caller)}

    def frame(self, job_id: str) -> bytes | None:
        """The newest preview of a job as a socket's message."""
        preview = self.queue.preview(job_id)
        if preview is None:
            return None
        seq, jpeg = preview[0], preview[-1]
        with suppress(NotFound):
            return preview_frame(job_id, seq, self.queue.get(job_id).progress, jpeg)
        return None

    async def since(
        self, caller: Caller, after: int, timeout: float, job_id: str | None = None
    ) -> dict[str, Any]:
        """Long polling: the caller's events after ``after``, waiting for the first.

        Takes no thread while it waits. ``missed`` says that older events are gone, so that the
        client has to ask for the jobs again.
        """
        loop = asyncio.get_running_loop()
        end = loop.time() + timeout
        with self.follow(caller) as follower:
            follower.only = None if job_id is None else frozenset({job_id})
            while True:
                last = self.queue.last_seq
                events = self.queue.events(after, 0.0, job_id)
                missed = bool(events) and events[0].seq > after + 1 and job_id is None
                wanted = [e for e in events if follower.wants(e.job_id, self._owner(e.job_id))]
                late = loop.time() >= end or self.closing.is_set()
                if wanted or missed or late or after > last:
                    last = max(last, events[-1].seq) if events else last
                    views = [event_view(e, caller) for e in condense(wanted)]
                    return {"events": views, "last": last, "missed": missed or after > last}
                await follower.wait(end - loop.time())

    async def ended(self, job_id: str, caller: Caller) -> Job:
        """The job once it has ended, or as it is when the server stops."""
        with self.follow(caller) as follower:
            follower.only = frozenset({job_id})
            while True:
                job = self.queue.get(job_id)
                if job.ended or self.closing.is_set():
                    return job
                await follower.wait(5.0)

    def _from_thread(self, event: JobEvent) -> None:
        loop = self._loop
        if loop is not None:
            with suppress(RuntimeError):  # the loop has just been closed
                loop.call_soon_threadsafe(self._publish, event)

    def _library_from_thread(self, revision: int) -> None:
        loop = self._loop
        if loop is not None:
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(self._library_changed, revision)

    def _library_changed(self, revision: int) -> None:
        for follower in self._followers:
            follower.library = revision
            follower.wake()

    def _publish(self, event: JobEvent) -> None:
        if not self._followers:
            return
        owner = self._owner(event.job_id)
        for follower in self._followers:
            if follower.wants(event.job_id, owner):
                follower.offer(event)

    def _owner(self, job_id: str) -> str:
        owner = self._owners.get(job_id)
        if owner is None:
            try:
                owner = self.queue.get(job_id).owner
            except NotFound:
                return ""
            self._owners[job_id] = owner
            if len(self._owners) > _KNOWN_OWNERS:
                self._owners.popitem(last=False)
        return owner


def with_marks(jobs: Iterable[Job], gallery: Gallery) -> list[Job]:
    """The jobs with their pictures as the library has them now."""
    listed = list(jobs)
    try:
        known = gallery.pictures(image.id for job in listed for image in job.images)
    except StorageError:  # the jobs are worth telling of without it
        known = {}
    return [
        replace(job, images=tuple(known.get(image.id, image) for image in job.images))
        for job in listed
    ]


def condense(events: Iterable[JobEvent]) -> list[JobEvent]:
    """Events without progress and previews that a later one of the same job replaces."""
    kept: OrderedDict[tuple[str, str | int], JobEvent] = OrderedDict()
    for event in events:
        key = _key(event)
        kept.pop(key, None)
        kept[key] = event
    return list(kept.values())


def _key(event: JobEvent) -> tuple[str, str | int]:
    """Events of the same key replace each other."""
    return (event.kind, event.job_id) if event.kind in _REPLACED else ("seq", event.seq)


def _nothing() -> None:
    """Stand in for the end of a subscription that has not begun."""
