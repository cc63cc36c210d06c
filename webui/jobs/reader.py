"""What can be asked of a queue without changing anything in it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection

from webui.core.errors import Unavailable
from webui.core.results import Caller, JobEvent, JobState
from webui.jobs.desk import Desk
from webui.jobs.events import EventLog
from webui.jobs.executor import Executor, ExecutorStatus
from webui.jobs.once import Once
from webui.jobs.record import Job


class QueueReader:
    """The asking half of :class:`webui.jobs.queue.JobQueue`; any thread may call it."""

    def __init__(self, executor: Executor, desk: Desk, events: EventLog) -> None:
        self._executor = executor
        self._desk = desk
        self._events = events
        self._lock = threading.Condition(threading.Lock())

    @property
    def status(self) -> ExecutorStatus:
        """How the worker is."""
        return self._executor.status

    def unavailable(self) -> Unavailable | None:
        """``status.unavailable()``: the error of whoever needs the worker now, None with one."""
        return self._executor.status.unavailable()

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
            return self._desk.book.select(
                lambda job: (states is None or job.state in states) and _sees(caller, job)
            )

    def counts(self) -> dict[JobState, int]:
        """How many jobs wait and how many run, everybody's."""
        with self._lock:
            live = self._desk.book.unfinished()
        running = sum(job.state == "running" for job in live)
        return {"queued": len(live) - running, "running": running}

    def inputs(self) -> frozenset[str]:
        """The ids of the pictures that jobs start from which have not ended."""
        with self._lock:
            live = self._desk.book.unfinished()
        return frozenset(one for job in live for one in job.request.inputs)

    def submitted(self, once: Once | None, caller: Caller) -> list[Job]:
        """The jobs that this request became when the caller made it before; empty if not.

        ``InvalidRequest`` when its key came with something else then.
        """
        with self._lock:
            return self._desk.asked_before(once, caller.user)

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


def _sees(caller: Caller | None, job: Job) -> bool:
    return caller is None or caller.is_admin or job.owner == caller.user
