"""What the server answers, as frozen values; pure functions from its JSON.

Names that a newer server adds are ignored, and kept where an answer as a whole is kept (``raw``).
Something that is no answer of Easel's raises ``ApiError``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import wraps
from typing import Any, TypeVar

from webui.client.errors import ApiError

T = TypeVar("T")
ENDED = ("done", "failed", "cancelled")
_NOT_EASEL = "This address does not answer as Easel does; is it another program's?"


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a job failed: a code, one sentence, and the request field at fault if there is one."""

    code: str
    message: str
    field: str | None = None

    def to_exception(self) -> ApiError:
        """The failure as what a client raises."""
        return ApiError(self.message, code=self.code, field=self.field)


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a job is: ``fraction`` is 0..1 over all its pictures; times are in seconds."""

    fraction: float = 0.0
    phase: str = ""
    step: int = 0
    steps: int = 0
    image: int = 0
    images: int = 0
    seconds_left: float | None = None


@dataclass(frozen=True, slots=True)
class Image:
    """A picture in the server's library.

    ``id`` asks for its file, ``index`` is its place in its job, ``name`` its file's name, ``url``
    its address below the server's, ``seconds`` how long drawing it took, ``created`` seconds since
    the epoch.
    """

    id: str
    index: int
    seed: int
    width: int
    height: int
    infotext: str
    name: str
    url: str
    created: float
    seconds: float = 0.0
    favourite: bool = False
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Input:
    """A picture that was sent for requests to start from: its id there, its size in pixels."""

    id: str
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Job:
    """A job as it was when the server answered.

    ``state`` is queued, running, done, failed or cancelled; ``position`` the number of jobs that
    go before it while it is queued. ``summary`` is its prompt's beginning, or what is done where
    it has none. Pictures of a cancelled or failed job stay. ``request`` has the
    request's fields as the server completed them (empty in lists).
    """

    id: str
    state: str
    position: int | None
    created: float
    started: float | None
    finished: float | None
    progress: Progress
    images: tuple[Image, ...]
    error: Failure | None
    prompt: str
    owner: str = ""
    summary: str = ""
    request: Mapping[str, Any] = field(default_factory=dict[str, Any])

    @property
    def ended(self) -> bool:
        """Whether nothing will happen to it any more."""
        return self.state in ENDED


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened to a job.

    ``kind`` is queued, started, progress, preview, image, done, failed, cancelled or one that a
    newer server has; ``image``, ``progress`` and ``error`` are set where the kind has them.
    """

    seq: int
    job_id: str
    kind: str
    time: float
    position: int | None = None
    progress: Progress | None = None
    image: Image | None = None
    error: Failure | None = None


@dataclass(frozen=True, slots=True)
class Events:
    """What long polling answers: events, the newest number, and whether older ones are lost."""

    events: tuple[Event, ...]
    last: int
    missed: bool


@dataclass(frozen=True, slots=True)
class Found:
    """A window of the library: ``total`` pictures fit, these begin at ``offset``."""

    images: tuple[Image, ...]
    total: int
    offset: int


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A model that draws; ``native_size`` is the side in pixels it was trained at."""

    name: str
    family: str
    native_size: int


@dataclass(frozen=True, slots=True)
class Options:
    """What can be chosen. ``fields`` declares every request field; ``raw`` is the whole answer."""

    checkpoints: tuple[Checkpoint, ...]
    default: str | None
    samplers: tuple[str, ...]
    schedules: tuple[str, ...]
    fields: tuple[Mapping[str, Any], ...]
    raw: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Status:
    """How the server is: its worker's state and device, its queue, and who it takes us for."""

    version: str
    worker: str
    device: str | None
    running: int
    queued: int
    user: str
    is_admin: bool
    raw: Mapping[str, Any]


def _reading(parse: Callable[[Any], T]) -> Callable[[Any], T]:
    """A reader of answers for which anything but Easel's JSON is an ``ApiError``."""

    @wraps(parse)
    def checked(value: Any) -> T:
        try:
            return parse(value)
        except (KeyError, TypeError, ValueError, AttributeError):
            raise ApiError(_NOT_EASEL, code="not_easel") from None

    return checked


@_reading
def job(value: Any) -> Job:
    """A job's JSON."""
    return Job(
        id=str(value["id"]),
        state=str(value["state"]),
        position=value.get("position"),
        created=float(value["created"]),
        started=value.get("started"),
        finished=value.get("finished"),
        progress=_progress(value.get("progress") or {}),
        images=tuple(image(one) for one in value["images"]),
        error=_failure(value.get("error")),
        prompt=str(value.get("prompt", "")),
        owner=str(value.get("owner", "")),
        summary=str(value.get("summary", value.get("prompt", ""))),
        request=dict(value.get("request") or {}),
    )


@_reading
def submitted(value: Any) -> Job:
    """The answer to a submission."""
    return job(value["job"])


@_reading
def jobs(value: Any) -> tuple[Job, ...]:
    """A list of jobs."""
    return tuple(job(one) for one in value["jobs"])


@_reading
def image(value: Any) -> Image:
    """A picture's JSON."""
    return Image(
        id=str(value["id"]),
        index=int(value["index"]),
        seed=int(value["seed"]),
        width=int(value["width"]),
        height=int(value["height"]),
        infotext=str(value["infotext"]),
        name=str(value["name"]),
        url=str(value["url"]),
        created=float(value["created"]),
        seconds=float(value.get("seconds", 0.0)),
        favourite=bool(value.get("favourite", False)),
        tags=tuple(str(tag) for tag in value.get("tags", ())),
    )


@_reading
def sent(value: Any) -> Input:
    """The answer to a picture that was sent."""
    kept = value["input"]
    return Input(str(kept["id"]), int(kept["width"]), int(kept["height"]))


@_reading
def found(value: Any) -> Found:
    """A window of the library."""
    images = tuple(image(one) for one in value["images"])
    return Found(images, int(value["total"]), int(value["offset"]))


@_reading
def events(value: Any) -> Events:
    """The answer to a long poll."""
    happened = tuple(_event(one) for one in value["events"])
    return Events(happened, int(value["last"]), bool(value["missed"]))


@_reading
def options(value: Any) -> Options:
    """What can be chosen."""
    return Options(
        checkpoints=tuple(
            Checkpoint(str(c["name"]), str(c["family"]), int(c["native_size"]))
            for c in value["checkpoints"]
        ),
        default=value["default"],
        samplers=tuple(str(name) for name in value["samplers"]),
        schedules=tuple(str(name) for name in value["schedules"]),
        fields=tuple(dict(one) for one in value["fields"]),
        raw=dict(value),
    )


@_reading
def status(value: Any) -> Status:
    """How the server is."""
    return Status(
        version=str(value["version"]),
        worker=str(value["worker"]["state"]),
        device=value["worker"].get("device"),
        running=int(value["queue"]["running"]),
        queued=int(value["queue"]["queued"]),
        user=str(value["caller"]["user"]),
        is_admin=bool(value["caller"]["is_admin"]),
        raw=dict(value),
    )


def _event(value: Any) -> Event:
    progress, picture = value.get("progress"), value.get("image")
    return Event(
        seq=int(value["seq"]),
        job_id=str(value["job_id"]),
        kind=str(value["kind"]),
        time=float(value["time"]),
        position=value.get("position"),
        progress=None if progress is None else _progress(progress),
        image=None if picture is None else image(picture),
        error=_failure(value.get("error")),
    )


def _progress(value: Any) -> Progress:
    return Progress(
        fraction=float(value.get("fraction", 0.0)),
        phase=str(value.get("phase", "")),
        step=int(value.get("step", 0)),
        steps=int(value.get("steps", 0)),
        image=int(value.get("image", 0)),
        images=int(value.get("images", 0)),
        seconds_left=value.get("seconds_left"),
    )


def _failure(value: Any) -> Failure | None:
    if value is None:
        return None
    return Failure(str(value["code"]), str(value["message"]), value.get("field"))
