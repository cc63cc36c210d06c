"""What a client does, step by step, without doing it: generators that both clients run.

A generator yields what it wants done and is sent the outcome: a ``Call`` (outcome: ``Reply`` or
``Broken``), a ``Pause`` (nothing), or a ``Tell`` (nothing). What it returns is the result.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from webui.client import results, wire
from webui.client.errors import ApiError, LoginRequired, Refused, ServerBusy, TimedOut, Unreachable
from webui.client.results import Event, Image, Input, Job
from webui.client.saving import keep
from webui.client.sending import Picture, about, file_bytes
from webui.client.wire import Broken, Call, Reply

T = TypeVar("T")
Clock = Callable[[], float]


@dataclass(frozen=True, slots=True)
class Pause:
    """Wait so many seconds."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Tell:
    """Tell the caller of an event."""

    event: Event


Step = Call | Pause | Tell
Steps = Generator[Step, Any, T]


@dataclass(frozen=True, slots=True)
class Patience:
    """How much is tried again: ``tries`` for one call, ``silence`` seconds while a job goes on."""

    tries: int = 6
    silence: float = 120.0


def reply(call: Call, patience: Patience) -> Steps[Reply]:
    """Send a call, again where that helps; the answer, or ``ApiError``."""
    attempt = 0
    while True:
        outcome: Reply | Broken = yield call
        attempt += 1
        seconds = wire.pause(attempt, outcome, _chance())
        if seconds is None or attempt >= patience.tries:
            if isinstance(outcome, Broken):
                raise Unreachable(f"The server cannot be reached: {outcome.why}.")
            wire.check(outcome)
            return outcome
        yield Pause(seconds)


def ask(call: Call, parse: Callable[[Any], T], patience: Patience) -> Steps[T]:
    """Send a call and read its JSON."""
    return parse(wire.value_of((yield from reply(call, patience))))


def wait(
    job_id: str, patience: Patience, timeout: float | None = None, clock: Clock = time.monotonic
) -> Steps[Job]:
    """Follow a job to its end and tell of its events; the job as it ended.

    Long polling: events are numbered, so that a connection that broke is taken up where it ended,
    and a server that was started again is noticed. Events that the server no longer knows are not
    told of. ``TimedOut`` after ``timeout`` seconds, ``Unreachable`` when no answer came for
    ``patience.silence`` seconds.
    """
    end = None if timeout is None else clock() + timeout
    after = 0
    job = yield from _patiently(wire.job(job_id), results.job, patience, clock)
    while True:
        left = wire.POLL_SECONDS if end is None else min(wire.POLL_SECONDS, end - clock())
        held = 0.0 if job.ended else max(left, 0.0)
        call = wire.events(job_id, after, held)
        news = yield from _patiently(call, results.events, patience, clock)
        for event in news.events:
            yield Tell(event)
        after = news.last
        if job.ended:
            return job
        if _may_have_ended(news):
            job = yield from _patiently(wire.job(job_id), results.job, patience, clock)
            if job.ended and _told_of_end(news):
                return job
        if end is not None and clock() >= end and not job.ended:
            raise TimedOut(f"The job has not ended within {timeout:g} seconds; it goes on.")


def _may_have_ended(news: results.Events) -> bool:
    """Whether it is worth asking for the job: its end, lost events, or a long silence."""
    return news.missed or not news.events or _told_of_end(news)


def _told_of_end(news: results.Events) -> bool:
    return any(event.kind in results.ENDED for event in news.events)


def _patiently(call: Call, parse: Callable[[Any], T], patience: Patience, clock: Clock) -> Steps[T]:
    """Ask until there is an answer: a job is worth more patience than one call."""
    heard = clock()
    while True:
        try:
            return (yield from ask(call, parse, patience))
        except (Unreachable, ServerBusy) as error:
            if clock() - heard > patience.silence or _longer(error):
                raise
        yield Pause(0.5)


def _longer(error: ApiError) -> bool:
    return error.retry_after is not None and error.retry_after > wire.LONGEST_PAUSE


def upload(picture: Path | bytes, patience: Patience) -> Steps[Input]:
    """Send a picture's file; ``InvalidRequest`` for one that is no picture."""
    if isinstance(picture, bytes):
        return (yield from ask(wire.upload(picture), results.sent, patience))
    try:
        return (yield from ask(wire.upload(file_bytes(picture)), results.sent, patience))
    except LoginRequired:
        raise
    except Refused as error:
        raise about(picture, error) from None


def submit(fields: Mapping[str, Any], key: str | None, patience: Patience) -> Steps[Job]:
    """Submit a request; pictures among its fields are sent before."""
    whole = dict(fields)
    for name in ("init_image", "mask"):
        if name in whole:
            whole[name] = yield from _id_of(whole[name], patience)
    if "images" in whole:
        ids: list[Any] = []
        for one in whole["images"]:
            ids += [(yield from _id_of(one, patience))]
        whole["images"] = ids
    return (yield from ask(wire.submit(whole, key), results.submitted, patience))


def draw(
    fields: Mapping[str, Any], key: str | None, patience: Patience, timeout: float | None
) -> Steps[Job]:
    """Submit a request and follow its job; ``ApiError`` with the job's own error if it failed."""
    job = yield from submit(fields, key, patience)
    job = yield from wait(job.id, patience, timeout)
    if job.state == "failed":
        raise (job.error or results.Failure("error", "The job failed.")).to_exception()
    return job


def data(image_id: str, patience: Patience) -> Steps[bytes]:
    """A picture's file."""
    return (yield from reply(wire.file(image_id), patience)).body


def save(images: tuple[Image, ...], folder: Path, patience: Patience) -> Steps[tuple[Path, ...]]:
    """Bring pictures into a folder; where each lies."""
    places: list[Path] = []
    for image in images:
        body = yield from data(image.id, patience)
        places.append(keep(folder, image.name, body))
    return tuple(places)


def _id_of(picture: Picture | None, patience: Patience) -> Steps[str | None]:
    """The id of a picture, which is sent where it has none."""
    if isinstance(picture, Input):
        return picture.id
    if isinstance(picture, Path | bytes):
        return (yield from upload(picture, patience)).id
    return picture


def _chance() -> float:
    return secrets.randbelow(1001) / 1000
