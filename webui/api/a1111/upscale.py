"""A1111's extras as jobs of the one queue: its fields become ours, its answer is made of files.

What is made is saved like any other picture and, once it was answered, put away again, as A1111's
API saves none of these.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, NamedTuple

from PIL import Image

from webui.api.a1111.pictures import encoded
from webui.api.errors import NotSupported
from webui.core.errors import Conflict, EaselError, InvalidRequest, NotFound, TooLarge
from webui.core.requests import Upscale
from webui.core.upscale import Plan, plan
from webui.core.upscalers import NEAREST, NONE
from webui.jobs.enlarging import told
from webui.metadata.infotext import quote

if TYPE_CHECKING:
    from webui.jobs import Job
    from webui.library.inputs import Input, Inputs
    from webui.services import Services

MAX_TOTAL_PIXELS = 100_000_000
"""Of all pictures that one call makes."""
BOUNDS = {
    "gfpgan_visibility": (0, 1),
    "codeformer_visibility": (0, 1),
    "extras_upscaler_2_visibility": (0, 1),
    "upscaling_resize": (0.01, 64),
    "upscaling_resize_w": (1, 65_536),
    "upscaling_resize_h": (1, 65_536),
    "resize_mode": (0, 1),
}
_THEIRS = {
    "upscaler": "upscaler_1",
    "upscaler_2": "upscaler_2",
    "visibility": "extras_upscaler_2_visibility",
    "scale": "upscaling_resize",
    "width": "upscaling_resize_w",
    "height": "upscaling_resize_h",
    "images": "image",
}


class Made(NamedTuple):
    """Pictures that were made, as base64, and what A1111 notes about the last of them."""

    images: list[str]
    notes: str


def fields_of(values: Mapping[str, Any]) -> dict[str, Any]:
    """Our request's fields; ``NotSupported`` for faces, ``InvalidRequest`` out of bounds."""
    for name, (least, most) in BOUNDS.items():
        value = values.get(name, least)
        if not least <= value <= most:
            raise InvalidRequest(f"{name} is {value:g}; it can be {least} to {most}.", field=name)
    for name in ("gfpgan_visibility", "codeformer_visibility"):
        if values.get(name, 0) > 0:
            raise NotSupported("Easel cannot restore faces yet; leave this at 0.", field=name)
    fields: dict[str, Any] = {
        "upscaler": values.get("upscaler_1") or NONE,
        "upscaler_2": values.get("upscaler_2") or NONE,
        "visibility": values.get("extras_upscaler_2_visibility", 0.0),
    }
    if values.get("resize_mode", 0) != 1:
        return {**fields, "scale": values.get("upscaling_resize", 2.0)}
    return {
        **fields,
        "width": values.get("upscaling_resize_w", 512),
        "height": values.get("upscaling_resize_h", 512),
        "crop": values.get("upscaling_crop", True),
    }


def request_of(services: Services, fields: Mapping[str, Any], pictures: Sequence[Input]) -> Upscale:
    """The request for these kept pictures; what is refused is named as A1111 names it.

    An upscaler that there is not is refused also where nothing would come of it, as there.
    """
    with theirs():
        known = services.catalog.upscalers()
        for name in ("upscaler", "upscaler_2"):
            _check_known(known.find, fields[name], name)
        request = Upscale(images=tuple(picture.id for picture in pictures), **fields)
        made = [plan(request, picture.width, picture.height).result for picture in pictures]
    if sum(width * height for width, height in made) > MAX_TOTAL_PIXELS:
        raise TooLarge("The pictures together would be too large; send fewer.")
    return request


def answered(services: Services, job: Job) -> Made:
    """The pictures of an ended job; what it failed of, ``Conflict`` when nothing was finished.

    They come as PNG with the parameters of the picture they are made of, its transparency too.
    """
    request = job.request
    assert isinstance(request, Upscale), "it was made of fields of extras"
    if job.error is not None:
        with theirs():
            raise job.error.to_exception()
    images: list[str] = []
    notes = ""
    for saved in job.images:
        aim = plan(request, *request.sizes[saved.index])
        source = request.images[saved.index]
        with suppress(OSError, NotFound):
            with Image.open(services.library.file(saved.id)) as image:
                picture = image.convert("RGB")
            _make_transparent(picture, services.inputs, source, aim, request.upscaler)
            notes = ", ".join(f"{name}: {quote(value)}" for name, value in aim.notes)
            texts = {"parameters": told(services.inputs, source), "postprocessing": notes}
            images.append(encoded(picture, {k: v for k, v in texts.items() if v}))
    if not images:
        raise Conflict("The job was interrupted before a picture was finished.")
    return Made(images, notes)


def _make_transparent(
    picture: Image.Image, inputs: Inputs, source: str, aim: Plan, upscaler: str
) -> None:
    """Give the picture the transparency of the one it is made of, where that has any."""
    with Image.open(inputs.path(source)) as image:
        if "A" not in image.getbands():
            return
        alpha = image.getchannel("A")
    how = Image.Resampling.NEAREST if upscaler == NEAREST else Image.Resampling.LANCZOS
    alpha = alpha.resize(aim.size, how)
    if aim.crop is not None:
        width, height = aim.crop
        place = Image.new("L", aim.crop)
        place.paste(alpha, (width // 2 - alpha.width // 2, height // 2 - alpha.height // 2))
        alpha = place
    picture.putalpha(alpha)


@contextmanager
def theirs() -> Iterator[None]:
    """Errors within the block are about A1111's fields."""
    try:
        yield
    except EaselError as error:
        error.field = _THEIRS.get(error.field or "", error.field)
        raise


def _check_known(find: Any, name: str, field: str) -> None:
    try:
        find(name, field=field)
    except NotFound as error:
        raise InvalidRequest(error.message, field=field) from None
