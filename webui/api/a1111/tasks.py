"""Which jobs came through A1111's API, and what their callers call them (``force_task_id``)."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass

MOST = 10_000
"""So many jobs are remembered; the oldest are forgotten first."""


@dataclass(slots=True)
class _Task:
    owner: str
    name: str
    skipped: int = -1


class Tasks:
    """Remembers jobs by id; safe between threads. A restarted server has forgotten them."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._tasks: OrderedDict[str, _Task] = OrderedDict()
        self._named: dict[tuple[str, str], str] = {}

    def add(self, job_id: str, owner: str, name: str = "") -> None:
        """Note a job; ``name`` is its owner's own ("": its id). The newest job has a name twice
        given."""
        with self._lock:
            self._tasks[job_id] = _Task(owner, name or job_id)
            self._named[owner, name or job_id] = job_id
            if len(self._tasks) > self._most:
                old_id, old = self._tasks.popitem(last=False)
                if self._named.get((old.owner, old.name)) == old_id:
                    del self._named[old.owner, old.name]

    def find(self, owner: str, name: str) -> str | None:
        """The job that its owner calls so."""
        with self._lock:
            return self._named.get((owner, name))

    def name(self, job_id: str) -> str:
        """What its owner calls the job; its id where nothing was said."""
        with self._lock:
            task = self._tasks.get(job_id)
            return task.name if task else job_id

    def skip(self, job_id: str, batch: int) -> None:
        """Note that the caller asked to skip a batch, counted from 0."""
        with self._lock:
            if job_id in self._tasks:
                self._tasks[job_id].skipped = batch

    def is_skipped(self, job_id: str, batch: int) -> bool:
        """Whether the caller asked to skip this batch."""
        with self._lock:
            task = self._tasks.get(job_id)
            return task is not None and task.skipped == batch

    def __contains__(self, job_id: object) -> bool:
        with self._lock:
            return job_id in self._tasks
