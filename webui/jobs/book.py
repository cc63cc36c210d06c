"""The jobs in memory, kept equal to the journal."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from webui.core.errors import NotFound, StorageError
from webui.jobs.journal import Journal
from webui.jobs.policy import descendants, queue_order, surplus
from webui.jobs.record import Change, Job, Kept, Place, Progressed, Recovered, Stop, advance

_log = logging.getLogger(__name__)


class JobBook:
    """Every kept job by id. Not thread-safe: the queue holds its lock around every call.

    Opening brings back what the journal holds: jobs that ran when the server was killed are queued
    again, and jobs they had submitted are cancelled, as they will be submitted anew. ``keep_jobs``
    and ``keep_images`` bound how many ended jobs are remembered, and how many pictures in them.
    """

    def __init__(self, journal: Journal, *, keep_jobs: int, keep_images: int) -> None:
        self._journal = journal
        self._keep = (keep_jobs, keep_images)
        self._jobs = {job.id: job for job in journal.load()}
        self._places: dict[str, int] | None = None
        self._shown: dict[str, Job] = {}  # queued jobs with their positions, as far as asked for
        self._recover()
        self._served: dict[str, float] = {}
        for job in sorted(self._jobs.values(), key=lambda j: j.started or 0.0):
            self._note_start(job)
        ended = (j for j in self._jobs.values() if j.ended)
        self._ended = [j.id for j in sorted(ended, key=lambda j: j.finished or 0.0)]

    def get(self, job_id: str) -> Job:
        """The job, with its position if it is queued; ``NotFound`` if there is none."""
        job = self._jobs.get(job_id)
        if job is None:
            raise NotFound("There is no such job.")
        return self._placed(job)

    def find(self, job_id: str) -> Job | None:
        """The job without its position, None if there is none."""
        return self._jobs.get(job_id)

    def select(self, wanted: Callable[[Job], bool]) -> list[Job]:
        """The jobs that ``wanted`` says yes to (it sees no positions), in the order they were
        submitted, with positions."""
        return [self._placed(job) for job in self._jobs.values() if wanted(job)]

    def unfinished(self) -> list[Job]:
        """The queued and running jobs."""
        return [j for j in self._jobs.values() if not j.ended]

    @property
    def served(self) -> Mapping[str, float]:
        """When the last job of each owner was started, of those that are remembered or were.

        A later start has a larger number also where the clock stands still or was set back.
        """
        return self._served

    def recent(self, count: int) -> list[Job]:
        """The jobs that ended last, the newest last."""
        return [self._jobs[job_id] for job_id in self._ended[-count:]]

    def queue(self) -> list[str]:
        """The ids of the queued jobs in the order in which they start."""
        return list(self._order())

    def waiting(self) -> list[Job]:
        """The queued jobs in that order, without their positions."""
        return [self._jobs[job_id] for job_id in self._order()]

    def next_order(self) -> int:
        """An ``order`` that puts a new job last."""
        return max((j.order for j in self.unfinished()), default=0) + 1

    def add(self, *jobs: Job) -> None:
        """Take new jobs in, all or none, also when the process is killed meanwhile;
        ``StorageError`` (and nothing is changed) if they cannot be written."""
        self._journal.put(*jobs)
        self._jobs.update((job.id, job) for job in jobs)
        self._places = None

    def change(self, job_id: str, change: Change, *, strict: bool = False) -> Job:
        """Change one job. What cannot be written is logged, or raised if ``strict``."""
        return self.change_all({job_id: change}, strict=strict)[0]

    def change_all(self, changes: dict[str, Change], *, strict: bool = False) -> list[Job]:
        """Change several jobs in one transaction."""
        jobs = [advance(self._jobs[i], change) for i, change in changes.items()]
        try:
            self._write(jobs, list(changes.values()))
        except StorageError as error:
            if strict:
                raise
            _log.error("%s", error)
        for job in jobs:
            if self._jobs[job.id].state != job.state:
                if job.state == "running":
                    self._note_start(job)
                self._note_end(job)
            self._jobs[job.id] = job
        if not all(isinstance(c, (Progressed, Kept)) for c in changes.values()):
            self._places = None
        return jobs

    def forget_surplus(self) -> None:
        """Forget the oldest ended jobs that are more than are kept."""
        gone = [j.id for j in surplus([self._jobs[i] for i in self._ended], *self._keep)]
        if not gone:
            return
        try:
            self._journal.forget(gone)
        except StorageError as error:
            _log.error("%s", error)
        for job_id in gone:
            del self._jobs[job_id]
        del self._ended[: len(gone)]

    def _order(self) -> dict[str, int]:
        """Positions by id, in order."""
        if self._places is None:
            row = queue_order(self.unfinished(), self._served)
            self._places = {job.id: place for place, job in enumerate(row)}
            self._shown = {}
        return self._places

    def _placed(self, job: Job) -> Job:
        if job.state != "queued":
            return job
        position = self._order()[job.id]
        if job.id not in self._shown:
            self._shown[job.id] = replace(job, position=position)
        return self._shown[job.id]

    def _write(self, jobs: list[Job], changes: list[Change]) -> None:
        if len(changes) == 1 and isinstance(changes[0], Progressed):
            return
        if len(changes) == 1 and isinstance(changes[0], Kept):
            self._journal.put_image(jobs[0], changes[0].image)
            return
        if all(isinstance(change, Place) for change in changes):
            self._journal.put_places(*jobs)
            return
        self._journal.put(*jobs)

    def _note_start(self, job: Job) -> None:
        if job.started is not None:
            last = max(self._served.values(), default=0.0)
            self._served[job.owner] = max(job.started, math.nextafter(last, math.inf))

    def _note_end(self, job: Job) -> None:
        if job.ended:
            self._ended.append(job.id)

    def _recover(self) -> None:
        now = time.time()
        running = [j for j in self._jobs.values() if j.state == "running"]
        orphans = _ids(d for job in running for d in descendants(job.id, self._jobs.values()))
        changed = {j.id: advance(j, Recovered(now)) for j in running}
        for job_id in orphans:
            child = changed.get(job_id, self._jobs[job_id])
            if not child.ended:
                changed[job_id] = advance(child, Stop(now))
        self._jobs.update(changed)
        if changed:
            self._journal.put(*changed.values())


def _ids(jobs: Iterable[Job]) -> list[str]:
    return list(dict.fromkeys(j.id for j in jobs))
