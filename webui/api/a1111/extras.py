"""What A1111 does with finished pictures: enlarge them, read their parameters, describe them.

``/sdapi/v1/extra-single-image``, ``extra-batch-images``, ``png-info`` and ``interrogate``. Two
calls are worked on at a time, in threads; when many wait for that, further ones are asked to come
later (429).
"""

from __future__ import annotations

import html
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from fastapi import APIRouter, Request
from fastapi.responses import Response

from webui.api.a1111.body import Known, read_body, take
from webui.api.a1111.ignored import ignored
from webui.api.a1111.interrogate import caption
from webui.api.a1111.pictures import decode, encoded, picture_bytes
from webui.api.a1111.upscale import Enlarging, enlarge
from webui.api.errors import NotSupported
from webui.api.few import Few
from webui.api.guard import caller_of
from webui.api.native import answer
from webui.core.errors import InvalidRequest, TooLarge
from webui.metadata import Told, parse, read_picture, small_png
from webui.metadata.infotext import quote

if TYPE_CHECKING:
    from webui.services import Services

PREFIX = "/sdapi/v1"
MAX_BATCH = 100
MAX_BATCH_PIXELS = 100_000_000
"""Of all pictures that one call makes."""

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
_BOUNDS = {
    "gfpgan_visibility": (0, 1),
    "codeformer_visibility": (0, 1),
    "extras_upscaler_2_visibility": (0, 1),
    "upscaling_resize": (0.01, 64),
    "upscaling_resize_w": (1, 65_536),
    "upscaling_resize_h": (1, 65_536),
    "resize_mode": (0, 1),
}


class _Made(NamedTuple):
    """A picture that was made: as base64, what A1111 notes about it, and its number of pixels."""

    image: str
    notes: str
    pixels: int


def router(services: Services) -> APIRouter:
    """The routes."""
    return Extras(services).router()


class Extras:
    """The routes' functions."""

    def __init__(self, services: Services) -> None:
        self._services = services
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
        """Enlarge a picture (base64), by Lanczos or Nearest; the answer has it as PNG in base64."""
        body = await read_body(request)
        return await self._few.run(lambda: _single(body))

    async def batch(self, request: Request) -> Response:
        """The same with several pictures, [{"data": base64, "name": "a.png"}], 100 at most."""
        body = await read_body(request)
        return await self._few.run(lambda: _batch(body))

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


def _single(body: Mapping[str, Any]) -> Response:
    values = take(SINGLE, body)
    asked = _enlarging(values)
    made = _processed(_data(values), asked, "image", MAX_BATCH_PIXELS)
    found = {"html_info": _html(made.notes), "image": made.image}
    return _pictures(found, SINGLE, body)


def _batch(body: Mapping[str, Any]) -> Response:
    values = take(BATCH, body)
    asked = _enlarging(values)
    listed = values.get("imageList") or []
    if not 1 <= len(listed) <= MAX_BATCH:
        raise InvalidRequest(
            f"imageList has {len(listed)} pictures; send 1 to {MAX_BATCH}.", field="imageList"
        )
    made: list[str] = []
    notes, left = "", MAX_BATCH_PIXELS
    for number, one in enumerate(listed):
        field = f"imageList[{number}]"
        data = picture_bytes(one.get("data") if isinstance(one, dict) else None, field)
        one_made = _processed(data, asked, field, left)
        notes, left = one_made.notes, left - one_made.pixels
        made.append(one_made.image)
    return _pictures({"html_info": _html(notes), "images": made}, BATCH, body)


def _png_info(body: Mapping[str, Any]) -> Response:
    data = _data(take(PNG_INFO, body))
    told = read_picture(data)
    if told is None:
        decode(data)  # says what is wrong with it, or that it is a picture that says nothing
        told = Told("")
    items = {_item(name): text for name, text in (told.texts or {}).items() if name != "parameters"}
    found = {"info": told.infotext, "items": items, "parameters": parse(told.infotext)}
    return answer(found, headers=_passed_over(PNG_INFO, body))


def _processed(data: bytes, asked: Enlarging, field: str, room: int) -> _Made:
    """A picture enlarged; ``room`` is how many pixels it may have at most."""
    image, notes = enlarge(decode(data, field), asked)
    pixels = image.width * image.height
    if pixels > room:
        raise TooLarge("The pictures together would be too large; send fewer.", field=field)
    told = read_picture(data)
    written = _notes(notes)
    texts = {"parameters": told.infotext if told else "", "postprocessing": written}
    return _Made(encoded(image, {k: v for k, v in texts.items() if v}), written, pixels)


def _enlarging(values: Mapping[str, Any]) -> Enlarging:
    """What the fields ask for; ``NotSupported`` for faces, ``InvalidRequest`` out of bounds."""
    for name, (least, most) in _BOUNDS.items():
        value = values.get(name, least)
        if not least <= value <= most:
            raise InvalidRequest(f"{name} is {value:g}; it can be {least} to {most}.", field=name)
    for name in ("gfpgan_visibility", "codeformer_visibility"):
        if values.get(name, 0) > 0:
            raise NotSupported("Easel cannot restore faces yet; leave this at 0.", field=name)
    asked = Enlarging(
        first=values.get("upscaler_1") or "None",
        second=values.get("upscaler_2") or "None",
        visibility=values.get("extras_upscaler_2_visibility", 0.0),
        mode=1 if values.get("resize_mode", 0) == 1 else 0,
        factor=values.get("upscaling_resize", 2.0),
        width=values.get("upscaling_resize_w", 512),
        height=values.get("upscaling_resize_h", 512),
        crop=values.get("upscaling_crop", True),
    )
    asked.check()
    return asked


def _data(values: Mapping[str, Any]) -> bytes:
    return picture_bytes(values.get("image"), "image")


def _notes(notes: Mapping[str, str]) -> str:
    return ", ".join(f"{name}: {quote(value)}" for name, value in notes.items())


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
        if name in _BOUNDS:
            properties[name] |= dict(zip(("minimum", "maximum"), _BOUNDS[name], strict=True))
        if one.kind == "list":
            properties[name] = {"type": "array", "items": {"type": "object"}, "maxItems": MAX_BATCH}
    schema = {"type": "object", "properties": properties}
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}
