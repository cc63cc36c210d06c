"""How long something in the queue is likely to take, from how long things took."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Sequence
from statistics import median

from webui.jobs.record import Job

TYPICAL = 10.0
"""Seconds that a job takes where none has ended yet."""


def typical_seconds(ended: Iterable[Job]) -> float:
    """How long a job takes: the median of those that were drawn to their end."""
    taken = [
        max(job.finished - job.started, 0.0)
        for job in ended
        if job.state == "done" and job.started is not None and job.finished is not None
    ]
    return median(taken) if taken else TYPICAL


def seconds_left(running: Job, typical: float, now: float) -> float:
    """How long a running job goes on: as its steps say, else what is left of the usual time."""
    if running.progress.seconds_left is not None:
        return max(running.progress.seconds_left, 0.0)
    return max(typical - (now - (running.started or now)), 0.0)


def seconds_until(position: int, left: Sequence[float], capacity: int, typical: float) -> float:
    """Seconds until the waiting job at ``position`` (0 is next) begins.

    ``left`` are the seconds that each running job goes on, ``capacity`` how many draw at once;
    every job before it is taken to need ``typical`` seconds.
    """
    places = [*sorted(left, reverse=True)[:capacity], *[0.0] * (capacity - len(left))]
    heapq.heapify(places)
    for _ in range(position):
        heapq.heappush(places, heapq.heappop(places) + typical)
    return places[0]
