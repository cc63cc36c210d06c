"""What is decided about jobs and announced: the queue without its threads."""

from __future__ import annotations

import secrets
import time
from collections.abc import Sequence
from dataclasses import replace

from webui.core.errors import Conflict, ErrorInfo, StorageError, TooMany
from webui.core.messages import (
    JobFinished,
    JobImage,
    JobPhase,
    JobPreview,
    JobScores,
    JobSpec,
    JobStep,
)
from webui.core.models import ModelRef
from webui.core.requests import Request
from webui.core.results import Caller, EventKind, SavedImage
from webui.jobs.book import JobBook
from webui.jobs.estimate import seconds_left, seconds_until, typical_seconds
from webui.jobs.events import EventLog
from webui.jobs.executor import WorkerLost
from webui.jobs.limits import Limiter
from webui.jobs.once import Once, asked_before
from webui.jobs.policy import descendants, moved, next_jobs, progress_at
from webui.jobs.record import (
    Begin,
    End,
    Fault,
    Job,
    Kept,
    Lost,
    Place,
    Progressed,
    Released,
    Scored,
    Stop,
)
from webui.jobs.tally import Tally

_RECENT = 20  # ended jobs that say how long one takes
_TOLD_POSITIONS = 10  # how far from the front a changed position is announced


class Desk:
    """Changes jobs in the book and publishes each change. Not thread-safe: the queue locks.

    ``stop_patience`` and ``progress_interval`` are in seconds, as in ``JobQueue``. What happens is
    counted in ``tally``, and ``limiter`` is asked before a job is queued.
    """

    def __init__(
        self,
        book: JobBook,
        events: EventLog,
        *,
        capacity: int,
        max_queued: int,
        preview_every: int,
        stop_patience: float,
        progress_interval: float,
        tally: Tally,
        limiter: Limiter,
    ) -> None:
        self.book = book
        self.events = events
        self.limiter = limiter
        self._tally = tally
        self._capacity = capacity
        self._max_queued = max_queued
        self._preview_every = preview_every
        self._stop_patience = stop_patience
        self._progress_interval = progress_interval
        self._previews: dict[str, tuple[int, bytes]] = {}
        self._told: dict[str, int] = {}  # position last announced
        self._spoke: dict[str, float] = {}  # when progress was last published
        self._deadlines: dict[str, float] = {}  # by when a stopped job has to end

    # ---- what people want

    def submit(
        self,
        resolved: Sequence[tuple[Request, ModelRef]],
        caller: Caller,
        parent: str | None,
        priority: int,
        once: Once | None,
    ) -> list[Job]:
        """Queue completed requests in their order, all or none.

        ``TooMany``, ``InvalidRequest``, ``Conflict``, ``NotFound`` or ``StorageError`` if not. A
        child belongs to a job that was let in, so its owner's limits do not count. Whoever may have
        made the request before is to ask :meth:`asked_before` first.
        """
        self._check_room(len(resolved))
        if parent is None:
            own = [j for j in self.book.waiting() if j.owner == caller.user and j.parent is None]
            requests = [request for request, _ in resolved]
            self.limiter.check(caller, requests, own, self.seconds_until)
        elif self.book.get(parent).ended:
            raise Conflict("The job this belongs to has ended.")
        now, order = time.time(), self.book.next_order()
        jobs = [
            Job(
                id=secrets.token_hex(8),
                request=request,
                model=model,
                owner=caller.user,
                created=now,
                order=order + place,
                priority=priority,
                parent=parent,
                once=once.mark(place) if once else "",
            )
            for place, (request, model) in enumerate(resolved)
        ]
        self.book.add(*jobs)
        jobs = [self.book.get(job.id) for job in jobs]
        for job in jobs:
            self._publish_queued(job)
        return jobs

    def asked_before(self, once: Once | None, owner: str) -> list[Job]:
        """The jobs that a request became when its owner made it before; empty if not."""
        if once is None:
            return []
        return asked_before(once, owner, self.book.select(lambda job: bool(job.once)))

    def seconds_until(self, job_id: str) -> float:
        """How long it is likely to take until a waiting job begins; 0 for any other."""
        now = time.time()
        typical = typical_seconds(self.book.recent(_RECENT))
        running = [j for j in self.book.unfinished() if j.state == "running"]
        left = [seconds_left(j, typical, now) for j in running]
        position = self.book.get(job_id).position
        return 0.0 if position is None else seconds_until(position, left, self._capacity, typical)

    def stop(self, job_id: str) -> list[str]:
        """End a job and its children as far as they are queued; returns which run and are to be
        stopped by their worker."""
        job = self.book.get(job_id)
        running: list[str] = []
        for each in (job, *descendants(job_id, self.book.unfinished())):
            if each.state == "queued":
                self._apply(each.id, Stop(time.time()))
            elif each.state == "running":
                self.book.change(each.id, Stop(time.time()))
                self._set_deadline(each.id)
                running.append(each.id)
        return running

    def move(self, job_id: str, position: int) -> Job:
        """Bring a queued job to ``position``."""
        self._check_queued(job_id)
        queue = self.book.waiting()
        self.book.change_all(dict(moved(queue, job_id, position)))
        return self.book.get(job_id)

    def prioritize(self, job_id: str, priority: int) -> Job:
        """Give a queued job another priority."""
        job = self._check_queued(job_id)
        if priority != job.priority:
            self.book.change(job_id, Place(job.order, priority))
        return self.book.get(job_id)

    def preview(self, job_id: str) -> tuple[int, bytes] | None:
        """The newest frame of a running job and its number."""
        return self._previews.get(job_id)

    # ---- what the worker is to do

    def begin(self) -> JobSpec | None:
        """Commit the attempt of the job to start next; None when there is none to start now.

        In that case the queue is at rest, and positions that have changed are announced. A job
        whose attempt cannot be written fails instead of being started.
        """
        for job in next_jobs(self.book.unfinished(), self._capacity, self.book.served):
            try:
                begun = self.book.change(job.id, Begin(time.time()), strict=True)
            except StorageError as error:
                self.book.change(job.id, Begin(time.time()))
                self._apply(job.id, End(time.time(), error.info()))
                continue
            if begun.attempts == 1:
                self._tally.took("waiting", (begun.started or 0.0) - begun.created)
            self._publish(begun.id, "started", progress=begun.progress)
            return JobSpec(
                begun.id, begun.attempts, begun.request, begun.model, self._preview_every
            )
        self._tell_positions()
        return None

    def patience(self) -> float | None:
        """Seconds until a stopped job has gone on for too long; None when none was stopped."""
        if not self._deadlines:
            return None
        return min(self._deadlines.values()) - time.monotonic()

    def give_up(self) -> None:
        """Forget the deadlines: the worker is being ended."""
        self._deadlines.clear()

    # ---- what the worker says

    def running(self, job_id: str) -> Job | None:
        """The job if it is running."""
        job = self.book.find(job_id)
        return job if job is not None and job.state == "running" else None

    def progressed(self, event: JobPhase | JobStep) -> None:
        """Note how far a job is; not every step is announced, the last of a batch always is."""
        job = self.running(event.job_id)
        if job is None:
            return
        if isinstance(event, JobPhase):
            progress = replace(job.progress, phase=event.text)
        else:
            progress = progress_at(job, event, time.time())
            self._tally.stepped(job.progress, event)
        self.book.change(job.id, Progressed(progress))
        if isinstance(event, JobPhase) or self._is_due(event):
            self._publish(job.id, "progress", progress=progress)

    def previewed(self, event: JobPreview) -> None:
        """Keep a frame in place of the one before."""
        if self.running(event.job_id) is None:
            return
        number = self._previews.get(event.job_id, (0, b""))[0] + 1
        self._previews[event.job_id] = (number, event.jpeg)
        self._publish(event.job_id, "preview", preview_seq=number)

    def wanted(self, event: JobImage) -> Job | None:
        """The job a picture is to be kept for, None if it is not wanted any more."""
        job = self.running(event.job_id)
        return None if job is None or job.error is not None else job

    def kept(self, job_id: str, kept: SavedImage | ErrorInfo) -> None:
        """Note that a picture was saved, or that the job fails because it was not."""
        if self.running(job_id) is None:
            return
        if isinstance(kept, SavedImage):
            self.book.change(job_id, Kept(kept))
            self._publish(job_id, "image", image=kept)
        else:
            self.book.change(job_id, Fault(kept))
            self._set_deadline(job_id)

    def scored(self, event: JobScores) -> None:
        """Note what was measured."""
        if self.running(event.job_id) is not None:
            self.book.change(event.job_id, Scored(event.scores))
            self._publish(event.job_id, "scores", scores=event.scores)

    def ending(self, event: JobFinished) -> Job | None:
        """The job that ends with this, None if it is not running (any more)."""
        job = self.running(event.job_id)
        return job if job is not None and job.attempts == event.attempt else None

    def finished(self, event: JobFinished) -> None:
        """End a job as the worker says."""
        job = self.ending(event)
        if job is not None:
            self._apply(job.id, End(time.time(), event.error, event.stopped))

    def lost(self, event: WorkerLost) -> None:
        """Queue again, or give up, what went down with a worker."""
        lost = [j for i in event.jobs if (j := self.running(i)) is not None]
        waiting = {d.parent for j in lost for d in descendants(j.id, lost)}
        drawing = [j for j in lost if j.id not in waiting]
        for job in lost:
            change = Lost(
                time.time(),
                event.reason,
                alone=drawing == [job],
                blamed=job in drawing and not event.deliberate,
                ready=event.ready,
            )
            self._apply(job.id, change)

    def release(self) -> None:
        """Put the running jobs back, for the next server."""
        running = [j for j in self.book.unfinished() if j.state == "running"]
        self.book.change_all({j.id: Released(time.time()) for j in running})
        self._previews.clear()

    # ---- announcing

    def _tell_positions(self) -> None:
        """Announce the positions that have changed near the front."""
        queue = self.book.queue()
        for position, job_id in enumerate(queue[:_TOLD_POSITIONS]):
            if self._told.get(job_id) != position:
                self._publish_queued(self.book.get(job_id))
        self._told = {i: self._told[i] for i in queue if i in self._told}

    def _apply(self, job_id: str, change: End | Lost | Stop) -> None:
        """Apply what ends a job, or its attempt, and announce what became of it."""
        job = self.book.change(job_id, change)
        if job.ended:
            self._count_end(job)
        for memory in (self._previews, self._spoke, self._deadlines):
            memory.pop(job_id, None)
        if job.state == "queued":
            self._publish_queued(self.book.get(job_id))
        elif job.state != "running":
            self._publish(job_id, job.state, progress=job.progress, error=job.error)
            self.book.forget_surplus()

    def _count_end(self, job: Job) -> None:
        if job.state in ("done", "failed", "cancelled"):
            self._tally.ended(job.state)
        if job.started is not None and job.finished is not None:
            self._tally.took("running", job.finished - job.started)

    def _check_room(self, count: int) -> None:
        queue = self.book.queue()
        over = len(queue) + count - self._max_queued
        if over > 0:
            raise TooMany(
                f"{len(queue)} of {self._max_queued} places in the queue are taken; "
                "try again when some jobs are done.",
                retry_after=self.seconds_until(queue[min(over, len(queue)) - 1]) if queue else 1,
            )

    def _is_due(self, step: JobStep) -> bool:
        now = time.monotonic()
        due = now - self._spoke.get(step.job_id, -1e9) >= self._progress_interval
        if due:
            self._spoke[step.job_id] = now
        return due or step.step >= step.steps

    def _set_deadline(self, job_id: str) -> None:
        self._deadlines.setdefault(job_id, time.monotonic() + self._stop_patience)

    def _check_queued(self, job_id: str) -> Job:
        job = self.book.get(job_id)
        if job.state != "queued":
            raise Conflict("Only a job that waits can be moved; this one has begun or ended.")
        return job

    def _publish_queued(self, job: Job) -> None:
        self._told[job.id] = job.position or 0
        self._publish(job.id, "queued", position=job.position)

    def _publish(self, job_id: str, kind: EventKind, **details: object) -> None:
        self.events.publish(job_id, kind, **details)
