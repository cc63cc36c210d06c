"""One job's events as a stream, ``GET /api/v1/jobs/{id}/events`` (server-sent events).

A stream begins with ``job``, the job as it is, then tells what happens to it and ends behind
``done``, ``failed`` or ``cancelled``, which carry the whole job, too. Every event's ``id`` is its
number: a client that comes back with ``Last-Event-ID`` is told what it missed, or the job anew
where that is no longer known; when there is nothing left to tell the answer is 204, at which
browsers stop coming back. The fields of the format: https://html.spec.whatwg.org/#server-sent-events
"""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from typing import TYPE_CHECKING, Annotated, Any, Literal

from fastapi import APIRouter, Header, Query, Request
from fastapi.responses import Response, StreamingResponse
from starlette.types import Send

from webui.api.guard import caller_of
from webui.api.live import Follower, Hub, condense, with_marks
from webui.api.native import PREFIX, visible_job
from webui.api.views import event_view, job_view
from webui.core.errors import NotFound
from webui.core.results import Caller, JobEvent

if TYPE_CHECKING:
    from webui.jobs import Job

HEARTBEAT_SECONDS = 15.0
RETRY_MS = 2000
MAX_EVENT_ID = 10**15
_FINAL = ("done", "failed", "cancelled")
_HEADERS = {"cache-control": "no-store", "x-accel-buffering": "no"}

Previews = Literal["url", "base64", "none"]


class Stream:
    """The route's function. While a client listens it holds a mailbox, and no thread."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    def router(self) -> APIRouter:
        """The route."""
        router = APIRouter(prefix=PREFIX)
        router.add_api_route("/jobs/{job_id}/events", self.events, methods=["GET"])
        return router

    async def events(
        self,
        request: Request,
        job_id: str,
        preview: Annotated[
            Previews,
            Query(description="Previews as an address, as base64 of a JPEG, or none."),
        ] = "url",
        last: Annotated[
            int | None,
            Header(
                alias="Last-Event-ID",
                ge=0,
                le=MAX_EVENT_ID,
                description="The last event's id: goes on behind it.",
            ),
        ] = None,
    ) -> Response:
        """What happens to a job, as server-sent events; ends when the job has ended.

        Events: job (the job as it is, first), queued (position), started, progress, preview, image,
        scores, and at the end done, failed or cancelled with the whole job. With Last-Event-ID only
        what happened since; 204 when the job has ended and there is nothing more to tell.
        """
        caller = caller_of(request)
        job = visible_job(self._hub.queue, job_id, caller)
        telling = _Telling(self._hub, caller, job_id, preview)
        if last is not None and job.ended and telling.missed(last) == []:
            return Response(None, 204, headers=_HEADERS)
        return _EventStream(telling.run(last), media_type="text/event-stream", headers=_HEADERS)


class _EventStream(StreamingResponse):
    """A stream that is closed, and leaves its mailbox, as soon as the client is gone."""

    async def stream_response(self, send: Send) -> None:
        """Send until the events or the client end."""
        body: Any = self.body_iterator
        async with aclosing(body):
            await super().stream_response(send)


class _Telling:
    """What one client is told of one job."""

    def __init__(self, hub: Hub, caller: Caller, job_id: str, previews: Previews) -> None:
        self._hub = hub
        self._caller = caller
        self._job_id = job_id
        self._previews = previews

    def missed(self, last: int) -> list[JobEvent] | None:
        """The job's events after number ``last``; None when some may no longer be known."""
        queue = self._hub.queue
        newer = queue.events(last)
        if last > queue.last_seq or (newer and newer[0].seq > last + 1):
            return None
        if not newer and last < queue.last_seq:
            return None
        return condense(event for event in newer if event.job_id == self._job_id)

    async def run(self, last: int | None) -> AsyncGenerator[str]:
        """The texts of the stream, until the job has ended or the server stops."""
        yield f"retry: {RETRY_MS}\n\n"
        with self._hub.follow(self._caller) as follower:
            follower.only = frozenset({self._job_id})
            events = None if last is None else self.missed(last)
            if events is None:
                follower.renew()
            else:
                follower.floor = max([last or 0, *(event.seq for event in events)])
            while not self._hub.closing.is_set():
                try:
                    texts = list(self._texts(follower, events or []))
                except NotFound:  # the queue has forgotten the job meanwhile
                    return
                for text, _ in texts:
                    yield text
                if any(is_last for _, is_last in texts):
                    return
                if not await follower.wait(HEARTBEAT_SECONDS):
                    yield ": still here\n\n"
                events = follower.take()

    def _texts(self, follower: Follower, events: list[JobEvent]) -> Iterator[tuple[str, bool]]:
        """Each text to send, and whether it is the last one."""
        if follower.stale:
            yield from self._anew(follower)
            return
        for event in events:
            follower.floor = max(follower.floor, event.seq)
            text = self._text(event)
            if text:
                yield text, event.kind in _FINAL

    def _anew(self, follower: Follower) -> Iterator[tuple[str, bool]]:
        """The job as it is, and its end if it has ended."""
        follower.take()
        follower.stale = False
        seq = follower.floor = self._hub.queue.last_seq
        job = self._job()
        view = job_view(job, self._caller)
        yield _message("job", seq, view), False
        if job.ended:
            end = {"seq": seq, "job_id": job.id, "kind": job.state, "time": job.finished}
            yield _message(job.state, seq, {**end, "job": view}), True

    def _text(self, event: JobEvent) -> str:
        view = event_view(event, self._caller)
        if event.kind == "preview":
            found = self._preview()
            if found is None:
                return ""
            view |= found
        elif event.kind in _FINAL:
            view["job"] = job_view(self._job(), self._caller)
        return _message(event.kind, event.seq, view)

    def _preview(self) -> dict[str, Any] | None:
        """The newest preview; None when there is none any more, or none is wanted."""
        found = None if self._previews == "none" else self._hub.queue.preview(self._job_id)
        if found is None:
            return None
        if self._previews == "base64":
            jpeg = base64.b64encode(found[-1]).decode("ascii")
            return {"preview_seq": found[0], "jpeg": jpeg}
        return {"preview_seq": found[0], "url": f"{PREFIX}/jobs/{self._job_id}/preview"}

    def _job(self) -> Job:
        [job] = with_marks([self._hub.queue.get(self._job_id)], self._hub.gallery)
        return job


def _message(name: str, number: int, value: Any) -> str:
    """An event's text. JSON has no line breaks of its own; halves of characters become "?"."""
    data = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    data = data.encode("utf-8", "replace").decode("utf-8")
    return f"event: {name}\nid: {number}\ndata: {data}\n\n"
