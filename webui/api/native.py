"""Easel's own HTTP API, ``/api/v1``: JSON in, JSON out; the docstrings are its documentation."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import FileResponse, Response
from starlette.concurrency import run_in_threadpool

from webui.api.errors import BadRequest, Json
from webui.api.guard import caller_of
from webui.api.live import Hub, with_marks
from webui.api.views import image_view, job_view, request_fields, worker_view
from webui.core.choices import CHOICES
from webui.core.errors import Forbidden, InvalidRequest, NotFound, TooLarge
from webui.core.results import Caller, SavedImage

if TYPE_CHECKING:
    from webui.jobs import Job, JobQueue
    from webui.library import Library
    from webui.services import Services

LONGEST_POLL = 25.0
MAX_LISTED = 500
PREFIX = "/api/v1"
_ID = re.compile(r"[A-Za-z0-9_-]{1,100}")
_TYPES = {
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".webp": "image/webp",
    ".avif": "image/avif",
}
_STATES = ("queued", "running", "done", "failed", "cancelled")


class Native:
    """The routes' functions; each translates between HTTP and one call of a service."""

    def __init__(self, services: Services, hub: Hub, version: str) -> None:
        self._services = services
        self._queue = services.queue
        self._hub = hub
        self._version = version

    def router(self) -> APIRouter:
        """The routes."""
        router = APIRouter(prefix=PREFIX)
        for action in (self.move, self.cancel, self.interrupt, self.skip):
            path = f"/jobs/{{job_id}}/{action.__name__}"
            router.add_api_route(path, action, methods=["POST"])
        for path, function in (
            ("/jobs", self.jobs),
            ("/jobs/{job_id}", self.job),
            ("/jobs/{job_id}/images", self.job_images),
            ("/jobs/{job_id}/preview", self.preview),
            ("/events", self.events),
            ("/images", self.images),
            ("/images/{image_id}", self.image),
            ("/options", self.options),
            ("/status", self.status),
        ):
            router.add_api_route(path, function, methods=["GET"])
        return router

    # ---- jobs

    def jobs(
        self,
        request: Request,
        state: Annotated[str, Query(description="Only these states, comma between.")] = "",
        limit: Annotated[int, Query(ge=1, le=MAX_LISTED, description="The most to list.")] = 50,
        before: Annotated[str | None, Query(description="Only those before this job.")] = None,
    ) -> Response:
        """The newest jobs, oldest first: your own, or everybody's for an administrator.

        next is what to give as before for those that came earlier, null when there are none; total
        counts all that fit.
        """
        caller = caller_of(request)
        wanted = [s.strip() for s in state.split(",") if s.strip()] or list(_STATES)
        if not set(wanted) <= set(_STATES):
            raise InvalidRequest(f"state can be {', '.join(_STATES)}.", field="state")
        found = self._queue.jobs(caller, [s for s in _STATES if s in wanted])
        total = len(found)
        if before is not None:
            mark = self._job(before, caller)
            found = [j for j in found if (j.created, j.order) < (mark.created, mark.order)]
        page = with_marks(found[-limit:], self._services.library.gallery)
        views = [job_view(j, caller, whole=False) for j in page]
        more = page[0].id if len(found) > len(page) else None
        return answer({"jobs": views, "total": total, "next": more})

    def job(self, request: Request, job_id: str) -> Response:
        """One job with its request, progress and pictures."""
        caller = caller_of(request)
        [job] = with_marks([self._job(job_id, caller)], self._services.library.gallery)
        return answer(job_view(job, caller))

    def job_images(self, request: Request, job_id: str) -> Response:
        """A job's pictures, as long as the library has them: also when the job is forgotten.

        state is the job's, or null when the queue remembers it no longer. Pictures in the trash are
        left out.
        """
        caller = caller_of(request)
        try:
            state = self._job(job_id, caller).state
        except NotFound:
            state = None
        owner = None if caller.is_admin else caller.user
        is_id = _ID.fullmatch(job_id) is not None
        found = self._services.library.gallery.of_job(job_id, owner) if is_id else ()
        if state is None and not found:
            raise NotFound("There is no such job, and no picture of it.")
        return answer({"state": state, "images": [image_view(image, caller) for image in found]})

    def cancel(self, request: Request, job_id: str) -> Response:
        """End a job; finished pictures stay. One that has ended stays as it is."""
        return self._told(request, job_id, self._queue.cancel)

    def interrupt(self, request: Request, job_id: str) -> Response:
        """The same as cancel, under the name that A1111's button has."""
        return self._told(request, job_id, self._queue.interrupt)

    def skip(self, request: Request, job_id: str) -> Response:
        """Give up the batch being drawn and go on with the next."""
        return self._told(request, job_id, self._queue.skip)

    def _told(self, request: Request, job_id: str, tell: Callable[[str], Job]) -> Response:
        caller = caller_of(request)
        self._job(job_id, caller)
        return answer(job_view(tell(job_id), caller))

    async def move(self, request: Request, job_id: str) -> Response:
        """Bring a waiting job to another place in the queue; for administrators."""
        caller = caller_of(request)
        values = await read_json(request)
        self._job(job_id, caller)
        if not caller.is_admin:
            raise Forbidden("Only an administrator may change the order of the queue.")
        position = values.get("position")
        if not isinstance(position, int) or isinstance(position, bool) or position < 0:
            raise InvalidRequest("position is a whole number from 0.", field="position")
        job = await run_in_threadpool(self._queue.move, job_id, min(position, 1_000_000))
        return answer(job_view(job, caller))

    def preview(self, request: Request, job_id: str) -> Response:
        """What a running job's picture looks like now, as JPEG; 204 when there is nothing yet."""
        self._job(job_id, caller_of(request))
        preview = self._queue.preview(job_id)
        if preview is None:
            return Response(None, 204, headers={"cache-control": "no-store"})
        headers = {"cache-control": "no-store", "x-preview-seq": str(preview[0])}
        return Response(preview[-1], media_type="image/jpeg", headers=headers)

    async def events(
        self,
        request: Request,
        after: Annotated[
            int | None, Query(ge=0, le=10**15, description="The last number you know.")
        ] = None,
        timeout: Annotated[
            float, Query(ge=0, le=LONGEST_POLL, description="How many seconds to wait.")
        ] = 20.0,
        job_id: Annotated[str | None, Query(description="Only of this job.")] = None,
    ) -> Response:
        """What happened to your jobs after an event number, waiting for it (long polling).

        Without after it answers at once with the newest number. missed says that older events are
        no longer known: ask for the jobs again.
        """
        caller = caller_of(request)
        if job_id is not None:
            self._job(job_id, caller)
        if after is None:
            return answer({"events": [], "last": self._queue.last_seq, "missed": False})
        return answer(await self._hub.since(caller, after, timeout, job_id))

    # ---- pictures

    def images(
        self,
        request: Request,
        limit: Annotated[int, Query(ge=1, le=MAX_LISTED, description="The most to list.")] = 50,
        before: Annotated[str | None, Query(description="Only older than this picture.")] = None,
    ) -> Response:
        """The newest pictures, newest first: your own, or everybody's for an administrator."""
        caller = caller_of(request)
        if before is not None:
            before = self._picture(before, caller).id
        owner = None if caller.is_admin else caller.user
        found = self._services.library.recent(limit, before, owner=owner)
        known = self._services.library.gallery.pictures(image.id for image in found)
        return answer({"images": [image_view(known.get(i.id, i), caller) for i in found]})

    def image(
        self,
        request: Request,
        image_id: str,
        download: Annotated[bool, Query(description="Offer to save the file.")] = False,
    ) -> Response:
        """A picture's file; download=true offers to save it."""
        picture = self._picture(image_id, caller_of(request))
        path = self._services.library.file(picture.id)
        return picture_response(picture, path, request.headers, download=download)

    # ---- what there is

    def options(self) -> Response:
        """What can be chosen: checkpoints, samplers, schedules, and every field's declaration."""
        catalog = self._services.catalog
        default = catalog.default()
        found = {
            "checkpoints": [
                {"name": r.name, "family": r.family, "native_size": r.native_size}
                for r in catalog.checkpoints()
            ],
            "default": default.name if default else None,
            "problems": [{"name": n, "message": text} for n, text in catalog.problems()],
            **{name: list(known.names()) for name, known in CHOICES.items()},
            "hires_upscalers": list(catalog.choices()["hires_upscalers"]),
            "fields": request_fields(),
        }
        return answer(found)

    def status(self, request: Request) -> Response:
        """How the server and its worker are, and who you are."""
        caller = caller_of(request)
        found = {
            "version": self._version,
            "worker": worker_view(self._queue.status),
            "queue": self._queue.counts(),
            "caller": {"user": caller.user, "is_admin": caller.is_admin},
        }
        return answer(found)

    def _job(self, job_id: str, caller: Caller) -> Job:
        return visible_job(self._queue, job_id, caller)

    def _picture(self, image_id: str, caller: Caller) -> SavedImage:
        return own_picture(self._services.library, image_id, caller)


def own_picture(library: Library, image_id: str, caller: Caller) -> SavedImage:
    """A picture that the caller may see; other people's are not there: ``NotFound``."""
    picture = library.get(image_id) if _ID.fullmatch(image_id) else None
    if picture is None or not (caller.is_admin or picture.owner == caller.user):
        raise NotFound("There is no such picture.")
    return picture


def visible_job(queue: JobQueue, job_id: str, caller: Caller) -> Job:
    """A job that the caller may see; other people's are not there."""
    job = queue.get(job_id) if _ID.fullmatch(job_id) else None
    if job is None or not (caller.is_admin or job.owner == caller.user):
        raise NotFound("There is no such job.")
    return job


def picture_response(
    picture: SavedImage, path: Path, headers: Mapping[str, str], *, download: bool
) -> Response:
    """A saved picture's file. Ids are never used again, so browsers may keep it for good."""
    kept = {
        "etag": f'"{picture.id}"',
        "cache-control": "private, max-age=31536000, immutable",
        "content-security-policy": "default-src 'none'; sandbox",
    }
    tags = [tag.strip().removeprefix("W/") for tag in headers.get("if-none-match", "").split(",")]
    if kept["etag"] in tags:
        return Response(None, 304, headers=kept)
    kind = _TYPES.get(path.suffix.casefold())
    return FileResponse(
        path,
        headers=kept,
        media_type=kind or "application/octet-stream",
        filename=safe_name(path.name),
        content_disposition_type="inline" if kind and not download else "attachment",
    )


def safe_name(name: str) -> str:
    """A file name that is plain on every system: no quotes, separators or control characters."""
    plain = "".join(c if c.isprintable() and c not in '"\\/:*?<>|;%' else "_" for c in name)
    return plain[-120:].strip(" .") or "picture"


async def read_bytes(request: Request, most: int) -> bytes:
    """A picture's file in a request's body; ``TooLarge`` once it has more than ``most`` bytes."""
    data = bytearray()
    async for part in request.stream():
        data += part
        if len(data) > most:
            raise TooLarge(f"A picture may have {most >> 20} MiB at most.")
    return bytes(data)


async def read_json(request: Request) -> Mapping[str, Any]:
    """The JSON object in a request's body; ``BadRequest`` when it is not JSON at all."""
    body = await request.body()
    try:
        values = json.loads(body or b"{}", parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise BadRequest("The body is not valid JSON.") from None
    if not isinstance(values, dict):
        raise InvalidRequest("The body is not a JSON object with fields.")
    return values


def _no_constant(name: str) -> float:
    raise ValueError(name)


def answer(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A value as JSON that nobody keeps."""
    return Json(value, status, headers={"cache-control": "no-store", **(headers or {})})
