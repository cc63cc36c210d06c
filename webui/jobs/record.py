"""A job and how its state changes: a frozen record and one pure function."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

from webui.core.errors import ErrorInfo, WorkerDied
from webui.core.models import ModelRef
from webui.core.requests import Request, spent
from webui.core.results import JobProgress, JobState, SavedImage, Score

MAX_LOSSES = 2  # workers a job may take down before it is given up
MAX_ATTEMPTS = 5  # starts without an end, whoever's doing, before it is given up


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One submitted request and what became of it.

    ``position`` is the number of queued jobs that go before it (None unless queued), ``order`` its
    rank among jobs of the same ``priority`` (higher priorities go first). ``owner`` is the
    submitting caller's user, ``parent`` the id of the job it was submitted by. ``placed`` is 1
    where an administrator put it where it is, or it had begun: it goes before jobs that take turns;
    and -1 where it was put last: it goes after those that were there before it.
    ``attempts`` counts starts, ``losses`` the workers that ended while it ran. ``stopping`` is set
    from the moment somebody asked for its end. ``once`` is :meth:`webui.jobs.once.Once.mark` of a
    request that may be repeated ("" without one). Times are seconds since the epoch.
    """

    id: str
    request: Request
    model: ModelRef
    owner: str
    created: float
    order: int
    state: JobState = "queued"
    position: int | None = None
    priority: int = 0
    parent: str | None = None
    placed: int = 0
    attempts: int = 0
    losses: int = 0
    stopping: bool = False
    started: float | None = None
    finished: float | None = None
    progress: JobProgress = field(default_factory=JobProgress)
    error: ErrorInfo | None = None
    images: tuple[SavedImage, ...] = ()
    scores: tuple[Score, ...] = ()
    once: str = ""

    @property
    def ended(self) -> bool:
        """Whether nothing will happen to it any more."""
        return self.state in ("done", "failed", "cancelled")


# ---- changes


@dataclass(frozen=True, slots=True)
class Begin:
    """It is given to a worker."""

    time: float


@dataclass(frozen=True, slots=True)
class Stop:
    """Somebody asked for its end."""

    time: float


@dataclass(frozen=True, slots=True)
class Place:
    """It is moved within the queue; ``placed`` as in :class:`Job`."""

    order: int
    priority: int
    placed: int = 0


@dataclass(frozen=True, slots=True)
class Progressed:
    """It got further."""

    progress: JobProgress


@dataclass(frozen=True, slots=True)
class Kept:
    """One of its pictures was saved; one of the same index is replaced."""

    image: SavedImage


@dataclass(frozen=True, slots=True)
class Scored:
    """What it was to measure is measured."""

    scores: tuple[Score, ...]


@dataclass(frozen=True, slots=True)
class Fault:
    """Something outside the worker went wrong: it fails as soon as the worker lets go of it."""

    error: ErrorInfo


@dataclass(frozen=True, slots=True)
class End:
    """The worker is through with it."""

    time: float
    error: ErrorInfo | None = None
    stopped: bool = False


@dataclass(frozen=True, slots=True)
class Lost:
    """Its worker ended while it ran.

    ``alone``: nothing else was drawn there, so it is this one's doing. ``blamed`` is False when it
    is certainly not: the worker was ended on purpose, or the job was waiting for its child.
    ``ready`` is False when the worker did not get as far as drawing.
    """

    time: float
    reason: str
    alone: bool = True
    blamed: bool = True
    ready: bool = True


@dataclass(frozen=True, slots=True)
class Recovered:
    """The server was killed while it ran, and is back."""

    time: float


@dataclass(frozen=True, slots=True)
class Released:
    """The server closes while it runs; the start does not count."""

    time: float


Change = (
    Begin | Stop | Place | Progressed | Kept | Scored | Fault | End | Lost | Recovered | Released
)


class ChangeError(ValueError):
    """A change that the job's state does not allow: a mistake in the caller."""


def advance(job: Job, change: Change) -> Job:
    """The job after ``change``; ``ChangeError`` if its state does not allow that.

    queued → running | cancelled; running → done | failed | cancelled | queued (again).
    """
    match job.state:
        case "queued":
            return _queued(job, change)
        case "running":
            return _running(job, change)
        case _:
            raise _illegal(job, change)


def _queued(job: Job, change: Change) -> Job:
    match change:
        case Begin(time):
            return replace(
                job,
                state="running",
                attempts=job.attempts + 1,
                started=time,
                progress=JobProgress(images=job.request.count),
            )
        case Stop(time):
            return _end(job, "cancelled", time)
        case Place(order, priority, placed):
            return replace(job, order=order, priority=priority, placed=placed)
        case _:
            raise _illegal(job, change)


def _running(job: Job, change: Change) -> Job:
    match change:
        case Stop():
            return replace(job, stopping=True)
        case Progressed() | Kept() | Scored():
            return _noted(job, change)
        case Fault(error):
            return replace(job, stopping=True, error=job.error or error)
        case End(time, error, stopped):
            return _settle(job, time, error, stopped)
        case Lost() | Recovered() | Released():
            return _interrupted(job, change)
        case _:
            raise _illegal(job, change)


def _noted(job: Job, change: Progressed | Kept | Scored) -> Job:
    match change:
        case Progressed(progress):
            return replace(job, progress=progress)
        case Kept(image):
            others = [i for i in job.images if i.index != image.index]
            return replace(job, images=tuple(sorted([*others, image], key=lambda i: i.index)))
        case Scored(scores):
            return replace(job, scores=scores)


def _settle(job: Job, time: float, error: ErrorInfo | None, stopped: bool) -> Job:
    error = job.error or error
    if error is not None:
        return _end(job, "failed", time, error)
    if stopped:
        return _end(job, "cancelled", time)
    full = replace(job.progress, fraction=1.0, phase="", seconds_left=0.0)
    return _end(replace(job, progress=full), "done", time)


def _interrupted(job: Job, change: Lost | Recovered | Released) -> Job:
    if job.stopping:
        return _settle(job, change.time, None, stopped=True)
    attempts, losses = job.attempts, job.losses
    match change:
        case Lost(time, _, alone, blamed):
            losses += blamed
            job = replace(job, losses=losses)
            if alone and losses >= MAX_LOSSES:
                return _end(job, "failed", time, _killer(losses, change))
            if attempts >= MAX_ATTEMPTS:
                return _end(job, "failed", time, _hopeless(attempts))
        case Recovered(time):
            if attempts >= MAX_ATTEMPTS:
                return _end(job, "failed", time, _hopeless(attempts))
        case Released():
            attempts -= 1
    return replace(
        job,
        state="queued",
        attempts=attempts,
        losses=losses,
        placed=1,
        started=None,
        progress=JobProgress(),
    )


def _end(
    job: Job,
    state: Literal["done", "failed", "cancelled"],
    time: float,
    error: ErrorInfo | None = None,
) -> Job:
    request = spent(job.request)
    job = replace(job, state=state, finished=time, error=error, stopping=False, position=None)
    return job if request is job.request else replace(job, request=request)


def _killer(losses: int, lost: Lost) -> ErrorInfo:
    if not lost.ready:
        return WorkerDied(f"The drawing process could not start. {lost.reason}").info()
    times = "twice" if losses == 2 else f"{losses} times"
    return WorkerDied(
        f"The drawing process ended {times} while it drew this, so it is not tried again. "
        f"{lost.reason}"
    ).info()


def _hopeless(attempts: int) -> ErrorInfo:
    return WorkerDied(
        f"This was started {attempts} times and interrupted each time before it was finished, "
        "so it is not tried again."
    ).info()


def _illegal(job: Job, change: Change) -> ChangeError:
    return ChangeError(f"A {job.state} job does not take {type(change).__name__} ({job.id}).")
