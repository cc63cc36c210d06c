"""What A1111 does with finished pictures: enlarge them, read their parameters, describe them.

``/sdapi/v1/extra-single-image``, ``extra-batch-images``, ``png-info`` and ``interrogate``. Two
calls are worked on at a time, in threads; when many wait for that, further ones are asked to come
later (429). Enlarging itself is a job of the queue.
"""

from __future__ import annotations

import html
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Request
from fastapi.responses import Response
from starlette.concurrency import run_in_threadpool

from webui.api.a1111 import upscale
from webui.api.a1111.body import Known, read_body, take
from webui.api.a1111.ignored import ignored
from webui.api.a1111.interrogate import caption
from webui.api.a1111.pictures import decode, picture_bytes
from webui.api.a1111.tasks import Tasks
from webui.api.a1111.upscale import BOUNDS
from webui.api.errors import NotSupported
from webui.api.few import Few
from webui.api.guard import caller_of
from webui.api.live import Hub
from webui.api.native import answer
from webui.core.errors import EaselError, InvalidRequest, Unavailable
from webui.metadata import Told, parse, read_picture, small_png

if TYPE_CHECKING:
    from webui.library.inputs import Input
    from webui.services import Services

PREFIX = "/sdapi/v1"
MAX_BATCH = 100

_COMMON = (
    Known("resize_mode", "whole", 0),
    Known("show_extras_results", "flag", True, "idle"),
    Known("gfpgan_visibility", "number", 0),
    Known("codeformer_visibility", "number", 0),
    Known("codeformer_weight", "number", 0, "idle"),
    Known("upscaling_resize", "number", 2),
    Known("upscaling_resize_w", "whole", 512),
    Known("upscaling_resize_h", "whole", 512),
    Known("upscaling_crop", "flag", True),
    Known("upscaler_1", "text", "None"),
    Known("upscaler_2", "text", "None"),
    Known("extras_upscaler_2_visibility", "number", 0),
    Known("upscale_first", "flag", False, "idle"),
)
SINGLE = {k.name: k for k in (*_COMMON, Known("image", "text", ""))}
BATCH = {k.name: k for k in (*_COMMON, Known("imageList", "list"))}
PNG_INFO = {"image": Known("image", "text", "")}
INTERROGATE = {k.name: k for k in (PNG_INFO["image"], Known("model", "text", "clip"))}

PutAway = Callable[[Sequence[str]], Awaitable[None]]
"""Is given the ids of pictures that are not to be kept once they were answered."""


class Extras:
    """The routes' functions; ``tasks`` is told of every job that enlarges."""

    def __init__(self, services: Services, hub: Hub, tasks: Tasks, put_away: PutAway) -> None:
        self._services = services
        self._hub = hub
        self._tasks = tasks
        self._put_away = put_away
        self._few = Few()

    def router(self) -> APIRouter:
        """The routes."""
        router = APIRouter(prefix=PREFIX)
        for path, function, known in (
            ("/extra-single-image", self.single, SINGLE),
            ("/extra-batch-images", self.batch, BATCH),
            ("/png-info", self.png_info, PNG_INFO),
            ("/interrogate", self.interrogate, INTERROGATE),
        ):
            router.add_api_route(path, function, methods=["POST"], openapi_extra=_body(known))
        return router

    async def single(self, request: Request) -> Response:
        """Enlarge a picture (base64), by a method or a model; the answer has it as PNG in base64.

        It is a job of the ordinary queue.
        """
        body = await read_body(request)
        values = take(SINGLE, body)
        fields = upscale.fields_of(values)
        kept = await self._few.run(lambda: [self._kept(values.get("image"), "image")])
        made = await self._made(request, fields, kept)
        found = {"html_info": _html(made.notes), "image": made.images[0]}
        return _pictures(found, SINGLE, body)

    async def batch(self, request: Request) -> Response:
        """The same with several pictures, [{"data": base64, "name": "a.png"}], 100 at most."""
        body = await read_body(request)
        values = take(BATCH, body)
        fields = upscale.fields_of(values)
        listed = values.get("imageList") or []
        if not 1 <= len(listed) <= MAX_BATCH:
            raise InvalidRequest(
                f"imageList has {len(listed)} pictures; send 1 to {MAX_BATCH}.", field="imageList"
            )
        kept = await self._few.run(lambda: [self._listed(one, n) for n, one in enumerate(listed)])
        made = await self._made(request, fields, kept)
        return _pictures({"html_info": _html(made.notes), "images": made.images}, BATCH, body)

    async def png_info(self, request: Request) -> Response:
        """What a picture (base64) says of how it was made: as text, and taken apart."""
        body = await read_body(request)
        return await self._few.run(lambda: _png_info(body))

    async def interrogate(self, request: Request) -> Response:
        """Describe a picture (base64) by words that the installed CLIP finds most fitting.

        A job of the ordinary queue; the caption is put together of fixed words, best first.
        """
        body = await read_body(request)
        values = take(INTERROGATE, body)
        if values.get("model", "clip") == "deepdanbooru":
            raise NotSupported(
                "Easel has no DeepDanbooru; model clip describes pictures with CLIP.", field="model"
            )
        if values.get("model", "clip") != "clip":
            raise InvalidRequest("Model not found; there is clip.", field="model")
        small = await self._few.run(lambda: small_png(_data(values), "image", field="image"))
        found = await caption(self._services, request.app.state.hub, caller_of(request), small)
        return answer({"caption": found}, headers=_passed_over(INTERROGATE, body))

    # ---- steps

    def _kept(self, value: Any, field: str) -> Input:
        """A picture of the request, kept for the worker."""
        try:
            return self._services.inputs.put(picture_bytes(value, field), field=field)
        except EaselError as error:
            if field not in error.message:
                error.args = (f"{field}: {error.message}",)
            raise

    def _listed(self, one: Any, number: int) -> Input:
        return self._kept(
            one.get("data") if isinstance(one, dict) else None, f"imageList[{number}]"
        )

    async def _made(
        self, request: Request, fields: Mapping[str, Any], kept: Sequence[Input]
    ) -> upscale.Made:
        """The pictures, when the job that makes them has ended; they are then put away."""
        caller, services = caller_of(request), self._services
        wanted = await run_in_threadpool(upscale.request_of, services, fields, kept)
        with upscale.theirs():
            job = await run_in_threadpool(services.queue.submit, wanted, caller=caller)
        self._tasks.add(job.id, caller.user)
        job = await self._hub.ended(job.id, caller)
        if not job.ended:
            raise Unavailable(f"Easel is closing; job {job.id} goes on when it is started again.")
        made = await self._few.run(lambda: upscale.answered(services, job))
        await self._put_away([image.id for image in job.images])
        return made


def _png_info(body: Mapping[str, Any]) -> Response:
    data = _data(take(PNG_INFO, body))
    told = read_picture(data)
    if told is None:
        decode(data)  # says what is wrong with it, or that it is a picture that says nothing
        told = Told("")
    items = {_item(name): text for name, text in (told.texts or {}).items() if name != "parameters"}
    found = {"info": told.infotext, "items": items, "parameters": parse(told.infotext)}
    return answer(found, headers=_passed_over(PNG_INFO, body))


def _data(values: Mapping[str, Any]) -> bytes:
    return picture_bytes(values.get("image"), "image")


def _html(notes: str) -> str:
    """A text as A1111 puts it into its page."""
    return f"<p>{html.escape(notes)}</p>"


def _item(name: str) -> str:
    return "exif comment" if name == "UserComment" else name


def _pictures(found: Any, known: Mapping[str, Known], body: Mapping[str, Any]) -> Response:
    """An answer that holds pictures: compressing it once more would cost much and gain little."""
    return answer(found, headers={"content-encoding": "identity", **_passed_over(known, body)})


def _passed_over(known: Mapping[str, Known], body: Mapping[str, Any]) -> dict[str, str]:
    return ignored(name for name in body if name not in known)


def _body(known: Mapping[str, Known]) -> dict[str, Any]:
    kinds = {"whole": "integer", "number": "number", "flag": "boolean", "list": "array"}
    properties: dict[str, Any] = {}
    for name, one in known.items():
        properties[name] = {"type": kinds.get(one.kind, "string"), "default": one.default}
        if name in BOUNDS:
            properties[name] |= dict(zip(("minimum", "maximum"), BOUNDS[name], strict=True))
        if one.kind == "list":
            properties[name] = {"type": "array", "items": {"type": "object"}, "maxItems": MAX_BATCH}
    schema = {"type": "object", "properties": properties}
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}
