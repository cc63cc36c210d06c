"""Which job goes when, and how far it is: pure functions of the records."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set

from webui.core.messages import JobStep
from webui.core.results import JobProgress
from webui.jobs.record import Job, Place


def queue_order(jobs: Iterable[Job]) -> list[Job]:
    """The queued jobs in the order in which they are to start.

    First those whose worker was lost (they were running already), then those below running jobs
    (somebody waits for them), then by priority and order.
    """
    live = list(jobs)
    by_id = {j.id: j for j in live}
    running = {j.id for j in live if j.state == "running"}
    return sorted(
        (j for j in live if j.state == "queued"),
        key=lambda j: (
            not j.losses,
            running.isdisjoint(_ancestors(j, by_id)),
            -j.priority,
            j.order,
        ),
    )


def next_jobs(jobs: Iterable[Job], capacity: int) -> list[Job]:
    """The jobs to start now, when ``capacity`` may draw at once.

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
    chosen: list[Job] = []
    held = False
    for job in queue_order(live):
        ancestors = _ancestors(job, by_id)
        if job.id in waiting or not _has_place(ancestors, running, by_id, capacity):
            continue
        strangers = [j for j in running.values() if j.id not in ancestors]
        if job.losses and strangers:
            held = True
        elif not any(j.losses for j in strangers) and (not held or ancestors & running.keys()):
            running[job.id] = job
            chosen.append(job)
    return chosen


def _has_place(
    ancestors: Set[str], running: Mapping[str, Job], by_id: Mapping[str, Job], capacity: int
) -> bool:
    """Whether a job below these ``ancestors`` may start: in a free place, or in an ancestor's."""
    waited_for = {above for job in running.values() for above in _ancestors(job, by_id)}
    holders = running.keys() - waited_for
    takes_over = not holders.isdisjoint(ancestors)
    return len(holders) - takes_over < capacity


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
    the queued jobs, and only the changed ones are returned.
    """
    job = next(j for j in queue if j.id == job_id)
    others = [j for j in queue if j.id != job_id]
    position = max(0, min(position, len(others)))
    priority = job.priority
    if position > 0:
        priority = min(priority, others[position - 1].priority)
    if position < len(others):
        priority = max(priority, others[position].priority)
    row = [*others[:position], job, *others[position:]]
    orders = sorted(j.order for j in queue)
    places = {
        j.id: Place(order, priority if j.id == job_id else j.priority)
        for j, order in zip(row, orders, strict=True)
    }
    return {j.id: p for j in queue if (p := places[j.id]) != Place(j.order, j.priority)}


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
