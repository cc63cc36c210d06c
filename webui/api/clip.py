"""Pictures and texts compared by CLIP: ``/api/v1/rank`` and ``/api/v1/labels``."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from fastapi import APIRouter, Request
from fastapi.responses import Response
from starlette.concurrency import run_in_threadpool

from webui.api.guard import caller_of
from webui.api.live import Hub
from webui.api.native import PREFIX, answer, read_json
from webui.api.views import job_view, score_view
from webui.api.waiting import Wait, ended
from webui.core.errors import Conflict, InvalidRequest, NotFound, TooLarge
from webui.core.measure import MAX_PICTURES, TEMPLATE, Measure, Picture, label_list
from webui.core.results import Caller
from webui.metadata import small_png

if TYPE_CHECKING:
    from webui.services import Services

MAX_TOTAL_BYTES = 32 * 1024 * 1024
_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_DATA_URL = re.compile(r"data:image/[a-z0-9.+-]{1,40};base64,", re.IGNORECASE)
_PICTURE = {
    "type": "string",
    "description": "A library picture's id, or a PNG, JPEG or WebP file as base64 or data URL.",
}
_MODEL = {"type": "string", "default": "", "description": "A CLIP model of models/clip."}
_RANK = {
    "type": "object",
    "required": ["prompt", "images"],
    "additionalProperties": False,
    "properties": {
        "prompt": {"type": "string"},
        "images": {"type": "array", "maxItems": MAX_PICTURES, "items": _PICTURE},
        "model": _MODEL,
    },
}
_LABELS = {
    "type": "object",
    "required": ["image", "labels"],
    "additionalProperties": False,
    "properties": {
        "image": _PICTURE,
        "labels": {"type": "array", "items": {"type": "string"}},
        "template": {"type": "string", "default": TEMPLATE},
        "model": _MODEL,
    },
}


class ClipRoutes:
    """The routes' functions."""

    def __init__(self, services: Services, hub: Hub) -> None:
        self._services = services
        self._hub = hub

    def router(self) -> APIRouter:
        """The routes."""
        router = APIRouter(prefix=PREFIX)
        for path, function, schema in (
            ("/rank", self.rank, _RANK),
            ("/labels", self.labels, _LABELS),
        ):
            content = {"application/json": {"schema": schema}}
            body = {"requestBody": {"required": True, "content": content}}
            router.add_api_route(path, function, methods=["POST"], openapi_extra=body)
        return router

    async def rank(self, request: Request, wait: bool = True) -> Response:
        """Order pictures by how well they fit a prompt, best first.

        It is a job in the ordinary queue. With wait=false it answers at once with the job, whose
        scores come as an event. clip_score is 100 × the cosine; clipscore is the one of Hessel et
        al. 2021, 2.5 × max(cosine, 0); probability is the softmax over all that were compared.
        """
        caller = caller_of(request)
        values = _known(await read_json(request), _RANK)
        images = values.get("images")
        if not isinstance(images, list):
            raise InvalidRequest("images is a list of ids or pictures as base64.", field="images")
        if len(images) > MAX_PICTURES:
            raise InvalidRequest(
                f"There are {len(images)} pictures; give 1 to {MAX_PICTURES}.", field="images"
            )
        pictures = await run_in_threadpool(self._pictures, images, caller, "images")
        wanted = Measure(
            prompt=_text(values, "prompt"), pictures=pictures, model=_text(values, "model")
        )
        return await self._answer(wanted, caller, wait)

    async def labels(self, request: Request, wait: bool = True) -> Response:
        """Say which of some labels fits a picture, likeliest first.

        Each label is put into template in place of {}. Otherwise as rank.
        """
        caller = caller_of(request)
        values = _known(await read_json(request), _LABELS)
        labels = label_list(values.get("labels"))
        pictures = await run_in_threadpool(self._pictures, [values.get("image")], caller, "image")
        wanted = Measure(
            task="labels",
            labels=labels,
            template=_text(values, "template") or TEMPLATE,
            pictures=pictures,
            model=_text(values, "model"),
        )
        return await self._answer(wanted, caller, wait)

    async def _answer(self, wanted: Measure, caller: Caller, wait: bool) -> Response:
        job = await run_in_threadpool(self._services.queue.submit, wanted, caller=caller)
        if wait:
            job = await ended(self._hub, job.id, caller, Wait(None))
        if job.error is not None:
            raise job.error.to_exception()
        if job.state == "cancelled":
            raise Conflict("The job was cancelled before it was done.")
        scores = [score_view(score) for score in job.scores]
        location = {"location": f"{PREFIX}/jobs/{job.id}"}
        found = {"job": job_view(job, caller), "scores": scores}
        return answer(found, 200 if job.ended else 202, location)

    def _pictures(self, sources: list[Any], caller: Caller, field: str) -> tuple[Picture, ...]:
        pictures: list[Picture] = []
        total = 0
        for number, source in enumerate(sources, start=1):
            picture = self._picture(source, str(number), caller, field)
            total += len(picture.png)
            if total > MAX_TOTAL_BYTES:
                raise TooLarge("The pictures together are too large; send fewer.", field=field)
            pictures.append(picture)
        return tuple(pictures)

    def _picture(self, source: Any, number: str, caller: Caller, field: str) -> Picture:
        """A library picture by its id, or one sent along, which is called by its number."""
        if not isinstance(source, str) or not source:
            raise InvalidRequest(
                f"Picture {number} is neither an id nor a picture as base64.", field=field
            )
        if _ID.fullmatch(source):
            return Picture.of(source, self._from_library(source, caller, field))
        return Picture.of(number, small_png(_decoded(source, number, field), number, field=field))

    def _from_library(self, image_id: str, caller: Caller, field: str) -> bytes:
        library = self._services.library
        try:
            picture = library.get(image_id)
        except NotFound:
            picture = None
        if picture is None or not (caller.is_admin or picture.owner == caller.user):
            raise NotFound(f"There is no picture {image_id!r}.", field=field)
        return small_png(library.file(image_id), image_id, field=field)


def _decoded(text: str, number: str, field: str) -> bytes:
    start = _DATA_URL.match(text)
    try:
        return base64.b64decode(text[start.end() if start else 0 :], validate=True)
    except (ValueError, binascii.Error):
        raise InvalidRequest(f"Picture {number} is not valid base64.", field=field) from None


def _known(values: Mapping[str, Any], schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """``values``, once none of them has another name than the schema's."""
    names = cast("dict[str, Any]", schema["properties"])
    for name in values:
        if name not in names:
            shown = name if len(name) <= 60 else name[:57] + "..."
            raise InvalidRequest(
                f"There is no field {shown!r}; the fields are {', '.join(names)}.",
                field=name[:60],
            )
    return values


def _text(values: Mapping[str, Any], name: str) -> str:
    value = values.get(name, "")
    if not isinstance(value, str):
        raise InvalidRequest(f"{name} is no text.", field=name)
    return value
