"""Submitting: one request, or many at once, with a preset, a key against doing it twice, a wait."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Header, Query, Request
from fastapi.responses import Response
from starlette.concurrency import run_in_threadpool

from webui.api.guard import caller_of
from webui.api.live import Hub
from webui.api.native import PREFIX, answer, read_json
from webui.api.views import job_view
from webui.api.waiting import LONGEST_WAIT, Wait, ended
from webui.core.errors import EaselError, InvalidRequest
from webui.core.requests import DrawRequest, Img2Img, Txt2Img, drawn_from
from webui.jobs import Once
from webui.jobs.once import MAX_KEY_CHARS
from webui.settings.presets import MAX_PRESET_CHARS, Presets

if TYPE_CHECKING:
    from webui.services import Services

MAX_BATCH = 100
"""Requests in one batch."""

REPLAYED = "idempotent-replayed"
"""The header of an answer whose jobs an earlier request with the same key made."""

Key = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=MAX_KEY_CHARS,
        pattern="^[!-~]+$",
        description=(
            f"1 to {MAX_KEY_CHARS} visible characters of your choice. The same key with the same "
            "body gives the same job again, as long as the job is remembered; with another body "
            "it is refused."
        ),
    ),
]
Prefer = Annotated[
    str | None,
    Header(
        alias="Prefer",
        description=(
            f"wait=30 (RFC 7240) waits up to so many seconds, {LONGEST_WAIT} at most, for the "
            "job's end; Preference-Applied says what was done."
        ),
    ),
]


class Submit:
    """The routes' functions. A client that leaves while it waits does not end its job."""

    def __init__(self, services: Services, hub: Hub) -> None:
        self._queue = services.queue
        self._hub = hub
        self._presets = Presets(services.settings.paths.data)

    def router(self) -> APIRouter:
        """The routes."""
        router = APIRouter(prefix=PREFIX)
        for path, function in (
            ("/txt2img", self.txt2img),
            ("/img2img", self.img2img),
            ("/batch", self.batch),
        ):
            router.add_api_route(path, function, methods=["POST"], status_code=202)
        return router

    async def txt2img(
        self,
        request: Request,
        wait: Annotated[bool, Query(description="Answer when the job has ended.")] = False,
        preset: Annotated[
            str,
            Query(
                max_length=MAX_PRESET_CHARS,
                description="A preset's name: its values where the body gives none.",
            ),
        ] = "",
        prefer: Prefer = None,  # noqa: ARG002  declared to be documented; read from the headers
        key: Key = None,
    ) -> Response:
        """Draw pictures from a prompt; answers at once with the job.

        It answers 202 while the job goes on and 200 when it has ended. With wait=true it answers
        when the job has ended, with the header Prefer: wait=30 after so many seconds at the latest;
        a client that leaves before does not end the job. While the drawing process is restarted,
        a request that waits is answered 503 with the kept job's address in Location.
        """
        values = await read_json(request)
        whole = await run_in_threadpool(self._with_preset, preset, values)
        once = None if key is None else Once.of(key, [preset, values])
        return await self._submitted(request, Txt2Img.from_mapping(whole), once, wait)

    async def img2img(
        self,
        request: Request,
        wait: Annotated[bool, Query(description="Answer when the job has ended.")] = False,
        prefer: Prefer = None,  # noqa: ARG002  declared to be documented; read from the headers
        key: Key = None,
    ) -> Response:
        """Draw over a picture, or over the part of it that a mask says; otherwise as txt2img.

        init_image and mask are ids of pictures that were sent to /inputs. A mask says where by what
        is light in it, or by what is opaque where it has no other than opaque colours.
        """
        values = await read_json(request)
        once = None if key is None else Once.of(key, ["img2img", values])
        return await self._submitted(request, Img2Img.from_mapping(values), once, wait)

    async def _submitted(
        self, request: Request, wanted: DrawRequest, once: Once | None, wait: bool
    ) -> Response:
        caller = caller_of(request)
        replayed = bool(self._queue.submitted(once, caller))
        job = await run_in_threadpool(self._queue.submit, wanted, caller=caller, once=once)
        patience = Wait.of(request, wait)
        job = await ended(self._hub, job.id, caller, patience)
        headers = {**_location(job.id), **patience.headers, **_said(replayed)}
        return answer({"job": job_view(job, caller)}, 200 if job.ended else 202, headers)

    async def batch(self, request: Request, key: Key = None) -> Response:
        """Submit up to 100 requests at once; answers at once with their jobs, in order.

        Each is one of txt2img or, where it has an init_image, of img2img.
        All of them are checked first: when one is refused none is drawn, and field names its place
        and field, requests[2].width, counted from 0.
        """
        caller = caller_of(request)
        values = await read_json(request)
        once = None if key is None else Once.of(key, ["batch", values])
        wanted = _batch(values)
        replayed = bool(self._queue.submitted(once, caller))
        try:
            jobs = await run_in_threadpool(self._queue.submit_all, wanted, caller=caller, once=once)
        except EaselError as error:
            raise _placed(error) from None
        status = 200 if all(job.ended for job in jobs) else 202
        found = {"jobs": [job_view(job, caller) for job in jobs]}
        return answer(found, status, _said(replayed))

    def _with_preset(self, name: str, values: Mapping[str, Any]) -> Mapping[str, Any]:
        return {**self._presets.get(name), **values} if name else values


def _location(job_id: str) -> dict[str, str]:
    return {"location": f"{PREFIX}/jobs/{job_id}"}


def _said(replayed: bool) -> dict[str, str]:
    return {REPLAYED: "true"} if replayed else {}


def _batch(values: Mapping[str, Any]) -> list[DrawRequest]:
    """The requests of a batch, each checked; ``InvalidRequest`` names the place of a bad one."""
    unknown = [name for name in values if name != "requests"]
    if unknown:
        raise InvalidRequest(
            f"A batch has requests, not {unknown[0][:60]!r}.", field=unknown[0][:60]
        )
    given = values.get("requests")
    if not isinstance(given, list) or not 0 < len(given) <= MAX_BATCH:
        raise InvalidRequest(f"requests is a list of 1 to {MAX_BATCH} requests.", field="requests")
    return [_request(one, place) for place, one in enumerate(given)]


def _request(given: Any, place: int) -> DrawRequest:
    name = f"requests[{place}]"
    if not isinstance(given, dict):
        raise InvalidRequest(f"{name} is not an object with fields.", field=name)
    try:
        return drawn_from(given)
    except InvalidRequest as error:
        field = f"{name}.{error.field}" if error.field else name
        raise InvalidRequest(f"{name}: {error.message}", field=field) from None


def _placed(error: EaselError) -> EaselError:
    """The error of one request of a batch, with its place in the sentence, too."""
    field = error.field or ""
    if not field.startswith("requests["):
        return error
    return type(error)(f"{field.partition('.')[0]}: {error.message}", field=field)
