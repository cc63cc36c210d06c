"""OpenAI's image API, ``/v1``: chat front ends that draw through it draw here by changing the URL.

Source: OpenAI's API reference, "Images" and "Models". One job in the queue, as by every other
door; ``docs/`` says what each field means here.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Request
from fastapi.responses import Response
from starlette.concurrency import run_in_threadpool

from webui.api import openai_pictures as pictures
from webui.api.assist_files import Counters
from webui.api.few import Few
from webui.api.gate import Gate
from webui.api.guard import caller_of
from webui.api.live import Hub
from webui.api.native import answer, own_picture, picture_response, read_json
from webui.api.openai_errors import PREFIX, Cancelled, NoSuchModel, NotDone, Route
from webui.api.openai_request import EXTENSIONS, MOST, STEPS, Asked, read, renamed
from webui.api.schema import request_schema
from webui.core.errors import EaselError, InvalidRequest, NotFound, Unavailable
from webui.core.models import ModelRef
from webui.core.requests import Txt2Img
from webui.core.results import Caller, SavedImage
from webui.jobs import Once

if TYPE_CHECKING:
    from webui.jobs import Job
    from webui.services import Services

_METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]
_FILE = re.compile(r"([A-Za-z0-9_-]{1,100})\.(png|jpg|jpeg|webp|avif)")
_TYPES = {"png": "image/png", "jpeg": "image/jpeg", "webp": "image/webp", "avif": "image/avif"}
_LATER = "Easel cannot {} yet; it draws from prompts, by POST /v1/images/generations."


class OpenAI:
    """The routes' functions; each translates between OpenAI's words and one call of a service."""

    def __init__(self, services: Services, hub: Hub, gate: Gate) -> None:
        self._services = services
        self._hub = hub
        self._gate = gate
        self._counters = Counters()
        self._few = Few()

    def router(self) -> APIRouter:
        """The routes; whatever else begins with /v1 is answered in the same shape."""
        router = APIRouter(prefix=PREFIX, route_class=Route)
        router.add_api_route(
            "/images/generations", self.generate, methods=["POST"], openapi_extra=_body()
        )
        routes: tuple[tuple[str, Callable[..., Any]], ...] = (
            ("/images/files/{name}", self.file),
            ("/models", self.models),
            ("/models/{model:path}", self.model),
        )
        for path, function in routes:
            router.add_api_route(path, function, methods=["GET"])
        for path, function in (("edits", self.edit), ("variations", self.vary)):
            router.add_api_route(
                f"/images/{path}", function, methods=["POST"], include_in_schema=False
            )
        router.add_api_route(
            "/{path:path}", self.unknown, methods=_METHODS, include_in_schema=False
        )
        return router

    # ---- drawing

    async def generate(self, request: Request) -> Response:
        """Draw pictures from a prompt, as OpenAI's API does; it answers when they are drawn.

        model is a checkpoint's name (OpenAI's own names mean the default one), size "auto" or
        WxH, quality the number of steps. Pictures come as addresses, or as base64 with a
        response_format of b64_json.
        """
        caller = caller_of(request)
        values = await read_json(request)
        asked = await run_in_threadpool(self._read, values)
        key = request.headers.get("idempotency-key")
        once = None if key is None else Once.of(key, ["openai", values])
        job = await run_in_threadpool(self._submit, asked, caller, once)
        job = await self._hub.ended(job.id, caller)
        _check(job)
        headers = {"x-easel-job": job.id}
        base = self._base(request)
        return await run_in_threadpool(lambda: answer(self._answer(asked, job, base), 200, headers))

    async def edit(self) -> None:
        """Changing pictures is to come."""
        raise NotDone(_LATER.format("edit pictures"))

    async def vary(self) -> None:
        """Variations are to come."""
        raise NotDone(_LATER.format("draw variations"))

    async def unknown(self, request: Request) -> None:
        """Whatever is no route here."""
        raise NotFound(f"There is no {request.method} {request.url.path[:200]}; see /docs.")

    def _read(self, values: Any) -> Asked:
        return read(values, {ref.name for ref in self._services.catalog.checkpoints()})

    def _submit(self, asked: Asked, caller: Caller, once: Once | None) -> Job:
        try:
            return self._services.queue.submit(asked.request, caller=caller, once=once)
        except EaselError as error:
            raise renamed(error) from None

    def _answer(self, asked: Asked, job: Job, base: str) -> dict[str, Any]:
        drawn = [image for image in job.images if image.index < asked.request.count]
        first = drawn[0]
        fmt = asked.format or pictures.format_of(Path(first.path))
        found: dict[str, Any] = {
            "created": int(job.finished or job.created),
            "data": [self._datum(asked, image, base) for image in drawn],
            "background": "opaque",
            "output_format": fmt,
            "quality": asked.quality,
            "size": f"{first.width}x{first.height}",
        }
        return found | self._usage(job)

    def _datum(self, asked: Asked, image: SavedImage, base: str) -> dict[str, str]:
        fmt = asked.format or pictures.format_of(Path(image.path))
        if asked.as_url:
            query = "" if asked.compression is None else f"?compression={asked.compression}"
            return {"url": f"{base}/images/files/{image.id}{pictures.ending(fmt)}{query}"}
        library, saving = self._services.library, self._services.settings.saving
        data = pictures.data(library, saving, image, asked.format, asked.compression)
        return {"b64_json": base64.b64encode(data).decode("ascii")}

    def _usage(self, job: Job) -> dict[str, Any]:
        """The prompt's tokens by the checkpoint's own tokenizer; pictures are no tokens here."""
        try:
            count = self._counters.of(job.model).count(job.request.prompt).tokens
        except EaselError:
            return {}
        details = {"text_tokens": count, "image_tokens": 0}
        usage = {"input_tokens": count, "input_tokens_details": details, "output_tokens": 0}
        return {"usage": {**usage, "total_tokens": count}}

    def _base(self, request: Request) -> str:
        """Our address as the client knows it."""
        secure = self._gate.is_secure(request.scope, request.headers)
        return f"{'https' if secure else 'http'}://{request.headers['host']}{PREFIX}"

    # ---- pictures

    async def file(self, request: Request, name: str, compression: int | None = None) -> Response:
        """A picture that was drawn, in the format its name ends with; its owner's only.

        compression is 0 to 100, the quality of JPEG and WebP.
        """
        match = _FILE.fullmatch(name)
        if match is None:
            raise NotFound("There is no such picture.")
        if compression is not None and not 0 <= compression <= 100:
            raise InvalidRequest("compression is 0 to 100.", field="compression")
        library, fmt = self._services.library, pictures.FORMATS[match[2]]
        caller, saving = caller_of(request), self._services.settings.saving
        picture = await run_in_threadpool(own_picture, library, match[1], caller)
        path = await run_in_threadpool(library.file, picture.id)
        if pictures.is_as_wanted(path, fmt, compression):
            return picture_response(picture, path, request.headers, download=False)
        data = await self._few.run(
            lambda: pictures.data(library, saving, picture, fmt, compression)
        )
        headers = {"content-security-policy": "default-src 'none'; sandbox"}
        return Response(data, media_type=_TYPES[fmt], headers=headers)

    # ---- models

    def models(self) -> Response:
        """The checkpoints, as OpenAI lists models."""
        found = [_model_view(ref) for ref in self._services.catalog.checkpoints()]
        return answer({"object": "list", "data": found})

    def model(self, model: str) -> Response:
        """One checkpoint by its name."""
        for ref in self._services.catalog.checkpoints():
            if ref.name == model:
                return answer(_model_view(ref))
        raise NoSuchModel(f"There is no model {model[:100]!r}.", field="model")


def _check(job: Job) -> None:
    """Raise what kept a job from all of its pictures."""
    if job.error is not None:
        raise job.error.to_exception()
    if not job.ended:
        raise Unavailable("Easel is closing; the job goes on when it is back.")
    if job.state == "cancelled" or not job.images:
        raise Cancelled("The job was cancelled before its pictures were drawn.")


def _model_view(ref: ModelRef) -> dict[str, Any]:
    return {"id": ref.name, "object": "model", "created": _changed(ref), "owned_by": "easel"}


def _changed(ref: ModelRef) -> int:
    """When the model's file or folder changed last, in seconds since the epoch; 0 if it is gone."""
    try:
        return int(Path(ref.path).stat().st_mtime)
    except OSError:
        return 0


def _body() -> dict[str, Any]:
    """The body's schema: OpenAI's fields, and those of ours that are taken beside them."""
    ours = request_schema(Txt2Img)["properties"]
    text, formats = {"type": "string"}, ["png", "jpeg", "webp"]
    fields: dict[str, Any] = {
        "prompt": {**ours["prompt"], "description": "What to draw."},
        "model": {**text, "description": "A checkpoint's name."},
        "n": {"type": "integer", "minimum": 1, "maximum": MOST, "default": 1},
        "size": {**text, "default": "auto", "description": '"auto", or like "1024x1024".'},
        "quality": {**text, "enum": list(STEPS), "default": "auto"},
        "style": {**text, "enum": ["vivid", "natural"], "description": "Without effect here."},
        "response_format": {**text, "enum": ["url", "b64_json"], "default": "url"},
        "output_format": {**text, "enum": formats},
        "output_compression": {"type": "integer", "minimum": 0, "maximum": 100},
        "background": {**text, "enum": ["auto", "opaque"]},
        "moderation": {**text, "enum": ["auto", "low"], "description": "Without effect here."},
        "user": {**text, "description": "Without effect here."},
        **{name: ours[name] for name in EXTENSIONS},
    }
    schema = {
        "type": "object",
        "required": ["prompt"],
        "properties": fields,
        "additionalProperties": False,
    }
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}
