"""Which job goes when, and how far it is: pure functions of the records."""

from __future__ import annotations

import heapq
import math
from collections import deque
from collections.abc import Iterable, Mapping, Sequence, Set
from itertools import groupby

from webui.core.messages import JobStep
from webui.core.results import JobProgress
from webui.jobs.record import Job, Place


def queue_order(jobs: Iterable[Job], served: Mapping[str, float] | None = None) -> list[Job]:
    """The queued jobs in the order in which they are to start.

    First those whose worker was lost (they were running already), then those below running jobs
    (somebody waits for them), then by priority. Of the same priority, those that were placed by
    hand go first, in their order; among the others owners take turns: each owner's oldest goes
    first, and the owner who was served least recently is next. ``served`` is when each owner's
    last job started (absent: never, which is first; of two such, the one whose job is older). So
    between two starts of one owner every other starts at most one job that was not placed, and a
    job waits for at most as many as there are owners, times its place among its owner's. One that
    was put last by hand goes when all that were there before it have gone. With a single owner it
    is first come, first served.

    A start changes nothing in the order of the rest, so announced positions only ever change by
    what is submitted, moved, ended or lost.
    """
    live = list(jobs)
    by_id = {j.id: j for j in live}
    running = {j.id for j in live if j.state == "running"}
    waiting = [(_class(j, running, by_id), j) for j in live if j.state == "queued"]
    waiting.sort(key=lambda pair: (pair[0], -pair[1].placed, pair[1].order))
    turns = _Turns(served or {})
    for _, group in groupby(waiting, key=lambda pair: pair[0]):
        turns.add([job for _, job in group])
    return turns.row


def _class(job: Job, running: Set[str], by_id: Mapping[str, Job]) -> tuple[bool, bool, int]:
    """What goes before turns: jobs of a smaller class start before those of a larger."""
    alone = running.isdisjoint(_ancestors(job, by_id))
    return not job.losses, alone, -job.priority


class _Turns:
    """Deals jobs out into ``row``; who was served last is last."""

    def __init__(self, served: Mapping[str, float]) -> None:
        self.row: list[Job] = []
        self._last = dict(served)
        self._clock = max(served.values(), default=0.0)

    def add(self, jobs: Sequence[Job]) -> None:
        """Those of one class: what is placed first, last what is put last, each in its order."""
        first = [j for j in jobs if j.placed > 0 or j.losses]
        dealt = [j for j in jobs if not (j.placed or j.losses)]
        late = deque(j for j in jobs if j.placed < 0 and not j.losses)
        for job in first:
            self._serve(job)
        queues: dict[str, deque[Job]] = {}
        for job in dealt:
            queues.setdefault(job.owner, deque()).append(job)
        heads = [(self._since(owner), own[0].order, owner) for owner, own in queues.items()]
        heapq.heapify(heads)
        older = deque(dealt)  # from the oldest that is not in the row yet
        gone: set[str] = set()
        while heads or late:
            while older and older[0].id in gone:
                older.popleft()
            if late and not (older and older[0].order < late[0].order):
                self._serve(late.popleft())
                continue
            since, _, owner = heapq.heappop(heads)
            if since == self._since(owner):
                gone.add(queues[owner][0].id)
                self._serve(queues[owner].popleft())
            if queues[owner]:
                heapq.heappush(heads, (self._since(owner), queues[owner][0].order, owner))

    def _serve(self, job: Job) -> None:
        self._clock += 1.0
        self._last[job.owner] = self._clock
        self.row.append(job)

    def _since(self, owner: str) -> float:
        return self._last.get(owner, -math.inf)


def next_jobs(
    jobs: Iterable[Job], capacity: int, served: Mapping[str, float] | None = None
) -> list[Job]:
    """The jobs to start now, when ``capacity`` may draw at once; ``served`` as in
    :func:`queue_order`.

    A place is held by each running job with no running job below it: a child, or a child's child
    that comes first, takes over the place of the job that waits for it. So parents never keep what
    they wait for waiting, and no more than ``capacity`` draw whichever ends first. A queued job
    with an unfinished child waits for that. A job that was in a lost worker runs alone, so that the
    one that ends workers is found and nobody else is failed for it; only jobs below running ones
    overtake it.
    """
    live = [j for j in jobs if not j.ended]
    by_id = {j.id: j for j in live}
    waiting = {j.parent for j in live if j.parent is not None}
    running = {j.id: j for j in live if j.state == "running"}
    holders = _holders(running, by_id)
    chosen: list[Job] = []
    held = False
    for job in queue_order(live, served):
        ancestors = _ancestors(job, by_id)
        if job.id in waiting or (len(holders) >= capacity and holders.isdisjoint(ancestors)):
            continue
        strangers = [j for j in running.values() if j.id not in ancestors]
        if job.losses and strangers:
            held = True
        elif not any(j.losses for j in strangers) and (not held or ancestors & running.keys()):
            running[job.id] = job
            chosen.append(job)
            holders = _holders(running, by_id)
    return chosen


def _holders(running: Mapping[str, Job], by_id: Mapping[str, Job]) -> set[str]:
    """The running jobs that hold a place: those that wait for no running job below them.

    A job below one of them may start in its place. That makes nothing more draw, so it may also
    when more than ``capacity`` do (a parent that ended before its child left that a place of its
    own).
    """
    waited_for = {above for job in running.values() for above in _ancestors(job, by_id)}
    return set(running.keys() - waited_for)


def descendants(job_id: str, jobs: Iterable[Job]) -> list[Job]:
    """The unfinished jobs submitted by this job, their children, and so on."""
    live = [j for j in jobs if not j.ended and j.parent is not None]
    found: list[Job] = []
    wanted = [job_id]
    while wanted:
        children = [j for j in live if j.parent in wanted]
        found += children
        wanted = [j.id for j in children]
    return found


def moved(queue: Sequence[Job], job_id: str, position: int) -> dict[str, Place]:
    """The new places that bring a queued job to ``position`` (0 is next) in ``queue``.

    Its priority becomes that of the neighbourhood it moves into; orders are dealt out anew among
    the queued jobs, and only the changed ones are returned. It and those of its priority before it
    are placed: they hold these places against turns, also those of owners who come later. The last
    of its priority is only put behind those that are there: they go on taking turns.
    """
    job = next(j for j in queue if j.id == job_id)
    others = [j for j in queue if j.id != job_id]
    position = max(0, min(position, len(others)))
    priority = job.priority
    if position > 0:
        priority = min(priority, others[position - 1].priority)
    if position < len(others):
        priority = max(priority, others[position].priority)
    is_last = position == len(others) or others[position].priority < priority
    row = [*others[:position], job, *others[position:]]
    if row == list(queue) and priority == job.priority:
        return {}
    orders = sorted(j.order for j in queue)
    places: dict[str, Place] = {}
    for index, (j, order) in enumerate(zip(row, orders, strict=True)):
        own = priority if j.id == job_id else j.priority
        if j.id == job_id and is_last:
            held = -1
        elif index <= position and own == priority and not is_last:
            held = 1
        else:
            held = j.placed
        places[j.id] = Place(order, own, held)
    return {j.id: p for j in queue if (p := places[j.id]) != Place(j.order, j.priority, j.placed)}


def surplus(ended: Sequence[Job], jobs: int, images: int) -> list[Job]:
    """Which of the ended jobs (oldest first) to forget, to keep so many jobs and pictures."""
    pictures = 0
    for count, job in enumerate(reversed(ended), start=1):
        pictures += len(job.images)
        if count > jobs or (pictures > images and count > 1):
            return list(ended[: len(ended) - count + 1])
    return []


def progress_at(job: Job, step: JobStep, now: float) -> JobProgress:
    """How far ``job`` is after ``step``, and how long it will still take."""
    images = max(step.images, 1)
    batch = max(min(step.batch or job.request.batch_size, images - step.image), 1)
    within = min(step.step / max(step.steps, 1), 1.0)
    fraction = min((step.image + batch * within) / images, 1.0)
    return JobProgress(
        fraction=fraction,
        phase=job.progress.phase,
        step=step.step,
        steps=step.steps,
        image=step.image,
        images=step.images,
        seconds_per_step=step.seconds_per_step,
        seconds_left=_seconds_left(job, step, fraction, now),
    )


def _seconds_left(job: Job, step: JobStep, fraction: float, now: float) -> float | None:
    if step.seconds_per_step is not None:
        batches = -(-(step.images - step.image) // max(job.request.batch_size, 1))
        steps = max(step.steps - step.step, 0) + max(batches - 1, 0) * step.steps
        return steps * step.seconds_per_step
    if fraction <= 0 or job.started is None:
        return None
    return max(now - job.started, 0.0) * (1 - fraction) / fraction


def _ancestors(job: Job, by_id: Mapping[str, Job]) -> set[str]:
    found: set[str] = set()
    parent = job.parent
    while parent is not None and parent not in found:
        found.add(parent)
        above = by_id.get(parent)
        parent = above.parent if above else None
    return found
