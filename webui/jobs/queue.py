"""The queue: takes requests, gives them to an executor, publishes what happens."""

from __future__ import annotations

import functools
import logging
import threading
from collections.abc import Callable, Sequence

from webui.core.errors import EaselError, ErrorInfo, Unavailable
from webui.core.messages import (
    JobFinished,
    JobImage,
    JobPhase,
    JobPreview,
    JobScores,
    JobStarted,
    JobStep,
    LoadModel,
    RunJob,
    StopJob,
    UnloadModels,
)
from webui.core.models import ModelRef
from webui.core.requests import Request
from webui.core.results import Caller
from webui.jobs.book import JobBook
from webui.jobs.desk import Desk
from webui.jobs.events import EventLog
from webui.jobs.executor import (
    RESTART_SECONDS,
    Executor,
    ExecutorEvent,
    WorkerLost,
)
from webui.jobs.journal import Journal
from webui.jobs.keeping import Keep, Keeping, RoundOff
from webui.jobs.limits import Limiter, StartSize, not_known
from webui.jobs.mailbox import Mailbox
from webui.jobs.once import Once
from webui.jobs.reader import QueueReader
from webui.jobs.record import Job
from webui.jobs.tally import Tally
from webui.settings.sections import Limits

_log = logging.getLogger(__name__)

Resolve = Callable[[Request], tuple[Request, ModelRef]]


class JobQueue(QueueReader):
    """Jobs from submission to their end; every method may be called from any thread.

    ``resolve`` completes a request (seed, size, checkpoint) once, on submission; what it raises
    reaches the submitter. ``keep`` saves a picture, and is called again for the same job and index
    when a job is run again; what it raises fails the job. ``round_off`` is called when the worker
    is through with a job, interrupted ones too but not failed ones, and gives what is to be kept
    with its pictures (a grid); what it raises is logged. Both run on the queue's thread, so they
    may submit jobs but not wait for them. ``capacity`` jobs draw at once. Every ``preview_every``
    steps a preview is asked for (0: none). A job that goes on ``stop_patience`` seconds after it
    was told to end has its worker restarted. Progress of a job is published every
    ``progress_interval`` seconds at most. ``limits`` are what one user may have waiting and submit,
    counted with the ``start_size`` of start pictures. Of ended jobs the last ``keep_jobs`` stay,
    fewer with more than ``keep_images`` pictures. The queue closes ``journal`` and ``executor``.
    """

    def __init__(
        self,
        journal: Journal,
        executor: Executor,
        *,
        resolve: Resolve,
        keep: Keep,
        round_off: RoundOff | None = None,
        capacity: int = 1,
        preview_every: int = 0,
        max_queued: int = 1000,
        keep_jobs: int = 1000,
        keep_images: int = 20_000,
        stop_patience: float = 60.0,
        progress_interval: float = 0.05,
        limits: Limits | None = None,
        start_size: StartSize = not_known,
    ) -> None:
        events = EventLog()
        self.tally = Tally()
        desk = Desk(
            JobBook(journal, keep_jobs=keep_jobs, keep_images=keep_images),
            events,
            capacity=capacity,
            max_queued=max_queued,
            preview_every=preview_every,
            stop_patience=stop_patience,
            progress_interval=progress_interval,
            tally=self.tally,
            limiter=Limiter(limits or Limits(), start_size=start_size),
        )
        super().__init__(executor, desk, events)
        self._journal = journal
        self._resolve = resolve
        self._keeping = Keeping(keep, round_off, self.tally)
        self._mail = Mailbox()
        self._thread: threading.Thread | None = None
        self._changed = True  # whether there may be a job to start
        self._working = False
        self._closed = False

    # ---- asking

    @property
    def limits(self) -> Limits:
        """What one user may have waiting and submit; may be replaced at any time."""
        return self._desk.limiter.limits

    @limits.setter
    def limits(self, limits: Limits) -> None:
        with self._lock:
            self._desk.limiter.limits = limits

    def wait(self, job_id: str, timeout: float | None = None) -> Job:
        """The job once it has ended, or as it is after ``timeout`` seconds or on close."""
        if threading.current_thread() is self._thread:
            raise RuntimeError("The queue's own thread cannot wait for a job.")
        book = self._desk.book

        def is_over() -> bool:
            job = book.find(job_id)
            return self._closed or job is None or job.ended

        with self._lock:
            self._lock.wait_for(is_over, timeout)
            return book.get(job_id)

    def settle(self, timeout: float = 5.0) -> bool:
        """Wait until all that was reported is dealt with and all that can start has started."""
        with self._lock:
            return self._lock.wait_for(lambda: self._closed or self._settled(), timeout)

    # ---- telling

    def start(self) -> None:
        """Start the worker and the jobs; returns at once. The first ``submit`` does it too."""
        with self._lock:
            if self._thread is not None or self._closed:
                return
            thread = threading.Thread(target=self._run, name="job-queue", daemon=True)
            self._thread = thread
        self._executor.start(self._receive)
        thread.start()

    def submit(
        self,
        request: Request,
        *,
        caller: Caller,
        parent: str | None = None,
        priority: int = 0,
        once: Once | None = None,
    ) -> Job:
        """Queue a request; higher ``priority`` goes first. The job outlives whoever submits it.

        ``parent`` is the unfinished job on whose behalf it is drawn, which holds no place
        meanwhile. Raises what ``resolve`` raises, ``TooMany`` when the queue is full or the caller
        at a limit (its ``retry_after`` is estimated from the queue), ``Conflict`` when the parent
        has ended, ``NotFound`` for an unknown parent, ``StorageError`` when it cannot be
        journalled, ``Unavailable`` when Easel is closing. With ``once`` a request that was made
        before gives the job it became then.
        """
        before = self.submitted(once, caller)
        if before:
            return before[0]
        if parent is None:
            self._count_submission(caller)
        return self._enter([self._resolve(request)], caller, parent, priority, once)[0]

    def submit_all(
        self, requests: Sequence[Request], *, caller: Caller, once: Once | None = None
    ) -> list[Job]:
        """Queue several requests in their order: all of them or, when one is refused, none.

        The ``field`` of an error about one begins with its place: ``requests[2].width``.
        """
        before = self.submitted(once, caller)
        if before:
            return before
        self._count_submission(caller)
        resolved = [self._resolved(request, place) for place, request in enumerate(requests)]
        return self._enter(resolved, caller, None, 0, once)

    def cancel(self, job_id: str) -> Job:
        """End a job: a queued one now, a running one within a step; finished pictures stay.

        Its unfinished children end with it. An ended job is left as it is.
        """
        with self._lock:
            running = self._desk.stop(job_id)
            self._note_change()
        for each in running:
            self._executor.send(StopJob(each, "interrupt"))
        return self.get(job_id)

    def interrupt(self, job_id: str) -> Job:
        """The same as :meth:`cancel`, under the name that a page's button has."""
        return self.cancel(job_id)

    def skip(self, job_id: str) -> Job:
        """Give up the batch being drawn and go on with the next; only a running job has one."""
        job = self.get(job_id)
        if job.state == "running":
            self._executor.send(StopJob(job_id, "skip"))
        return job

    def load(self, model: ModelRef) -> None:
        """Have the worker bring a checkpoint into memory; its next stats say whether it did."""
        self.start()
        self._executor.send(LoadModel(model))

    def unload(self) -> None:
        """Have the worker drop the models that nothing is drawn with; its next stats follow.

        A worker that is not ready holds none: nothing happens then.
        """
        if self.status.state == "ready":
            self._executor.send(UnloadModels())

    def move(self, job_id: str, position: int) -> Job:
        """Bring a queued job to ``position`` (0 is next); its priority follows its neighbours'.

        ``Conflict`` if it is not queued.
        """
        with self._lock:
            job = self._desk.move(job_id, position)
            self._note_change()
            return job

    def prioritize(self, job_id: str, priority: int) -> Job:
        """Give a queued job another priority; ``Conflict`` if it is not queued."""
        with self._lock:
            job = self._desk.prioritize(job_id, priority)
            self._note_change()
            return job

    def close(self) -> None:
        """Stop within two seconds: queued jobs stay queued, running ones will be run again."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            self._lock.notify_all()
        self._events.close()
        self._executor.close()
        if self._thread is not None and self._thread.is_alive():
            self._thread.join(timeout=0.4)
        with self._lock:
            self._desk.release()
        self._journal.close()

    def _enter(
        self,
        resolved: Sequence[tuple[Request, ModelRef]],
        caller: Caller,
        parent: str | None,
        priority: int,
        once: Once | None,
    ) -> list[Job]:
        with self._lock:
            if self._closed:
                raise Unavailable(
                    "Easel is closing and takes no more jobs.", retry_after=RESTART_SECONDS
                )
            jobs = self._desk.asked_before(once, caller.user)
            if jobs:  # somebody made the same request meanwhile
                self._desk.limiter.refund(caller)
                return jobs
            jobs = self._desk.submit(resolved, caller, parent, priority, once)
            self._note_change()
        self.start()
        return jobs

    def _count_submission(self, caller: Caller) -> None:
        with self._lock:
            self._desk.limiter.spend(caller)

    def _resolved(self, request: Request, place: int) -> tuple[Request, ModelRef]:
        try:
            return self._resolve(request)
        except EaselError as error:
            error.field = f"requests[{place}]" + (f".{error.field}" if error.field else "")
            raise

    # ---- the queue's thread

    def _run(self) -> None:
        while (work := self._next()) is not None:
            try:
                work()
            except Exception:  # noqa: BLE001  a fault in one job's handling must not end the queue
                _log.exception("The job queue met a fault.")

    def _next(self) -> Callable[[], None] | None:
        """What to do next, without the lock; waits for it. None when the queue is closed."""
        with self._lock:
            while True:
                self._working = True
                if self._mail:
                    event = self._mail.take()
                    self._lock.notify_all()
                    return functools.partial(self._handle, event)
                if self._closed:
                    return None
                if self._changed:
                    spec = self._desk.begin()
                    if spec is not None:
                        return functools.partial(self._executor.send, RunJob(spec))
                    self._changed = False
                patience = self._desk.patience()
                if patience is not None and patience <= 0:
                    self._desk.give_up()
                    return self._restart
                self._working = False
                self._lock.notify_all()
                self._lock.wait(patience)

    def _receive(self, event: ExecutorEvent) -> None:
        """Take an event from the executor; one from our own thread (inline) is handled here."""
        if threading.current_thread() is self._thread:
            self._handle(event)
            return
        with self._lock:
            if isinstance(event, JobImage):
                self._lock.wait_for(lambda: self._closed or not self._mail.full)
            self._mail.put(event)
            self._lock.notify_all()

    def _handle(self, event: ExecutorEvent) -> None:
        if isinstance(event, JobImage):
            self._keep_image(event)
            return
        if isinstance(event, JobStarted):
            self._stop_again(event)
            return
        if isinstance(event, JobFinished):
            self._keep_rest(event)
        with self._lock:
            match event:
                case JobPhase() | JobStep():
                    self._desk.progressed(event)
                case JobPreview():
                    self._desk.previewed(event)
                case JobScores():
                    self._desk.scored(event)
                case JobFinished():
                    self._desk.finished(event)
                    self._note_change()
                case WorkerLost():
                    self._desk.lost(event)
                    self._note_change()
                case _:
                    pass

    def _stop_again(self, event: JobStarted) -> None:
        """A stop that may have come before the worker knew the job is said once more."""
        with self._lock:
            job = self._desk.running(event.job_id)
        if job is not None and job.stopping:
            self._executor.send(StopJob(job.id, "interrupt"))

    def _keep_image(self, event: JobImage) -> None:
        with self._lock:
            job = self._desk.wanted(event)
        if job is None:
            return
        kept = self._keeping.picture(job, event)
        with self._lock:
            self._desk.kept(job.id, kept)
        if isinstance(kept, ErrorInfo):
            self._executor.send(StopJob(job.id, "interrupt"))

    def _keep_rest(self, event: JobFinished) -> None:
        """Keep what is made of a job's pictures, before it ends."""
        with self._lock:
            job = self._desk.ending(event)
        if job is None or job.error or event.error:
            return
        made = self._keeping.rest(job)
        with self._lock:
            for one in made:
                self._desk.kept(job.id, one)

    def _restart(self) -> None:
        self._executor.restart("The drawing process did not stop when asked and was ended.")

    # ---- under the lock

    def _note_change(self) -> None:
        self._changed = True
        self._lock.notify_all()

    def _settled(self) -> bool:
        return self._thread is not None and not (self._mail or self._working or self._changed)
