"""The queue: takes requests, gives them to an executor, publishes what happens."""

from __future__ import annotations

import functools
import logging
import threading
from collections.abc import Callable, Collection

from webui.core.errors import Conflict, EaselError, ErrorInfo, describe
from webui.core.messages import (
    JobFinished,
    JobImage,
    JobPhase,
    JobPreview,
    JobScores,
    JobStarted,
    JobStep,
    RunJob,
    StopJob,
)
from webui.core.models import ModelRef
from webui.core.requests import Request
from webui.core.results import Caller, JobEvent, JobState, SavedImage
from webui.jobs.book import JobBook
from webui.jobs.desk import Desk
from webui.jobs.events import EventLog
from webui.jobs.executor import Executor, ExecutorEvent, ExecutorStatus, WorkerLost
from webui.jobs.journal import Journal
from webui.jobs.mailbox import Mailbox
from webui.jobs.record import Job

_log = logging.getLogger(__name__)

Resolve = Callable[[Request], tuple[Request, ModelRef]]
Keep = Callable[[Job, JobImage], SavedImage | tuple[SavedImage, ...]]


class JobQueue:
    """Jobs from submission to their end; every method may be called from any thread.

    ``resolve`` completes a request (seed, size, checkpoint) once, on submission; what it raises
    reaches the submitter. ``keep`` saves a picture, and is called again for the same job and index
    when a job is run again; several are a picture and what was made of it and others (a grid).
    What it raises fails the job. It runs on the queue's thread, so it may
    submit jobs but not wait for them. ``capacity`` jobs draw at once. A preview is asked for every
    ``preview_every`` steps (0: none). A job that goes on ``stop_patience`` seconds after it was
    told to end has its worker restarted. Progress is published at most every ``progress_interval``
    seconds for each job. Of ended jobs the last ``keep_jobs`` are remembered, fewer where they hold
    more than ``keep_images`` pictures. The queue closes ``journal`` and ``executor``.
    """

    def __init__(
        self,
        journal: Journal,
        executor: Executor,
        *,
        resolve: Resolve,
        keep: Keep,
        capacity: int = 1,
        preview_every: int = 0,
        max_queued: int = 1000,
        keep_jobs: int = 1000,
        keep_images: int = 20_000,
        stop_patience: float = 60.0,
        progress_interval: float = 0.05,
    ) -> None:
        self._journal = journal
        self._executor = executor
        self._resolve = resolve
        self._keep = keep
        self._lock = threading.Condition(threading.Lock())
        self._events = EventLog()
        self._desk = Desk(
            JobBook(journal, keep_jobs=keep_jobs, keep_images=keep_images),
            self._events,
            capacity=capacity,
            max_queued=max_queued,
            preview_every=preview_every,
            stop_patience=stop_patience,
            progress_interval=progress_interval,
        )
        self._mail = Mailbox()
        self._thread: threading.Thread | None = None
        self._changed = True  # whether there may be a job to start
        self._working = False
        self._closed = False

    # ---- asking

    @property
    def status(self) -> ExecutorStatus:
        """How the worker is."""
        return self._executor.status

    @property
    def last_seq(self) -> int:
        """The newest event's number: ``events(after=last_seq)`` waits for what comes next."""
        return self._events.last

    def get(self, job_id: str) -> Job:
        """The job as it is now; ``NotFound`` if there is none (any more)."""
        with self._lock:
            return self._desk.book.get(job_id)

    def jobs(
        self, caller: Caller | None = None, states: Collection[JobState] | None = None
    ) -> list[Job]:
        """Jobs in the order they were submitted.

        Those in ``states`` (None: all) that ``caller`` may see: an admin and None everybody's,
        others their own.
        """
        with self._lock:
            jobs = self._desk.book.all()
        return [j for j in jobs if (states is None or j.state in states) and _sees(caller, j)]

    def preview(self, job_id: str) -> tuple[int, bytes] | None:
        """The newest preview of a running job as (number, JPEG), None if there is none."""
        with self._lock:
            return self._desk.preview(job_id)

    def events(
        self, after: int, timeout: float | None = 0.0, job_id: str | None = None
    ) -> list[JobEvent]:
        """Events numbered above ``after``; waits up to ``timeout`` seconds for the first.

        Only the last 2000 are kept: when the first one's number is above ``after + 1``, ask for
        the jobs again. Of one job only, with ``job_id``. Empty after the timeout or on close.
        """
        return self._events.read(after, timeout, job_id)

    def subscribe(self, callback: Callable[[JobEvent], None]) -> Callable[[], None]:
        """Have every event from now on given to ``callback``; returns what ends that.

        It is called from a thread of the queue's, one event at a time; slowness and exceptions
        stay its own.
        """
        return self._events.subscribe(callback)

    def wait(self, job_id: str, timeout: float | None = None) -> Job:
        """The job once it has ended, or as it is after ``timeout`` seconds or on close."""
        if threading.current_thread() is self._thread:
            raise RuntimeError("The queue's own thread cannot wait for a job.")
        book = self._desk.book
        with self._lock:
            self._lock.wait_for(lambda: self._closed or book.get(job_id).ended, timeout)
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
        self, request: Request, *, caller: Caller, parent: str | None = None, priority: int = 0
    ) -> Job:
        """Queue a request; higher ``priority`` goes first. The job outlives whoever submits it.

        ``parent`` is the unfinished job on whose behalf it is drawn, which holds no place
        meanwhile. Raises what ``resolve`` raises, ``Conflict`` when the queue is full or the
        parent has ended, ``NotFound`` for an unknown parent, ``StorageError`` when it cannot be
        journalled.
        """
        resolved, model = self._resolve(request)
        with self._lock:
            if self._closed:
                raise Conflict("Easel is closing and takes no more jobs.")
            job = self._desk.submit(resolved, model, caller.user, parent, priority)
            self._note_change()
        self.start()
        return job

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
        kept = self._try_keep(job, event)
        with self._lock:
            for one in kept:
                self._desk.kept(job.id, one)
        if isinstance(kept[0], ErrorInfo):
            self._executor.send(StopJob(job.id, "interrupt"))

    def _try_keep(self, job: Job, event: JobImage) -> tuple[SavedImage | ErrorInfo, ...]:
        try:
            kept = self._keep(job, event)
        except EaselError as error:
            return (error.info(),)
        except Exception as error:  # noqa: BLE001  foreign code may take part in keeping
            _log.exception("A picture could not be kept.")
            return (describe(error),)
        return kept if isinstance(kept, tuple) else (kept,)

    def _restart(self) -> None:
        self._executor.restart("The drawing process did not stop when asked and was ended.")

    # ---- under the lock

    def _note_change(self) -> None:
        self._changed = True
        self._lock.notify_all()

    def _settled(self) -> bool:
        return self._thread is not None and not (self._mail or self._working or self._changed)


def _sees(caller: Caller | None, job: Job) -> bool:
    return caller is None or caller.is_admin or job.owner == caller.user
