"""The fields of A1111's requests that say how a picture is drawn over: hires fix, and img2img.

What the request does not say of img2img comes from ``infotext``, by the keys that A1111's page
reads, and by "Resize mode", which only our own texts have. As there, a text that names parameters
and is silent about the mask means the page's values, not those of the API.
Where we differ: ``mask_blur_x`` and ``mask_blur_y`` that differ become the larger of the two, and
what A1111 takes from ``latent_mask`` besides is passed over; both are named in the answer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from webui.api.a1111.pictures import picture_bytes
from webui.api.errors import NotSupported
from webui.core.errors import InvalidRequest
from webui.core.hires_fields import SAME
from webui.core.image_fields import ImageFields
from webui.core.params import fields_of
from webui.core.registry import Registry
from webui.core.requests import DrawRequest, Series, Txt2Img
from webui.core.second_pass import MASK_MODES, MASKED_CONTENTS, RESIZE_MODES
from webui.core.seeds import MAX_SEED, resolve_seed

if TYPE_CHECKING:
    from webui.library.inputs import Inputs

MAX_INIT_IMAGES = 64
HIRES = frozenset(f.name for f in fields_of(Txt2Img) if f.param.section == "hires")
_OVER = {f.name for f in fields_of(ImageFields)} - {f.name for f in fields_of(DrawRequest)}
_SAME_CHECKPOINT = ("", "none", "use same checkpoint")
_SAME = {
    "hires_sampler": ("", "none", "use same sampler", "use same"),
    "hires_scheduler": ("", "none", "use same scheduler", "use same"),
}
_NUMBERED: Mapping[str, Registry[str]] = {
    "resize_mode": RESIZE_MODES,
    "inpainting_fill": MASKED_CONTENTS,
    "inpainting_mask_invert": MASK_MODES,
}
"""A1111's numbers of what we call by name."""
_DEFAULTS = {"inpainting_fill": 0, "inpaint_full_res": True, "inpaint_full_res_padding": 0}
"""What A1111's API takes for a mask where its page has other values."""
_BLURS = frozenset({"mask_blur", "mask_blur_x", "mask_blur_y"})
_OURS = {
    theirs: f.name
    for f in fields_of(ImageFields)
    if f.name in _OVER and (theirs := f.param.a1111) and theirs not in _BLURS
}
"""Our fields by the request's names; blurs are looked at together."""
_STRENGTH = 0.75
PAGE = {
    f.name: f.default
    for f in fields_of(ImageFields)
    if f.name in ("mask_mode", "masked_content", "inpaint_area", "masked_padding")
}
"""What A1111's page takes for a mask, and a text with parameters that says nothing of one."""


def hires(given: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """The second pass's values of a txt2img request; none where it is off, whatever else is said.

    ``values`` are those found so far (an infotext's among them). ``NotSupported`` for another
    checkpoint.
    """
    wanted = given.get("enable_hr", values.get("hires", False))
    if not wanted:
        return {}
    checkpoint = given.get("hr_checkpoint_name", "")
    if checkpoint.strip().casefold() not in _SAME_CHECKPOINT:
        raise NotSupported(
            "Easel's second pass is drawn by the first one's checkpoint; "
            "leave hr_checkpoint_name out.",
            field="hr_checkpoint_name",
        )
    found = {name: value for name, value in values.items() if name in HIRES}
    for name, words in _SAME.items():
        if str(found.get(name, "")).strip().casefold() in words:
            found[name] = SAME
    if found.get("hires_upscaler") == "":
        del found["hires_upscaler"]
    if "denoising_strength" not in given and "denoising_strength" not in values:
        found["denoising_strength"] = _STRENGTH
    return {**found, "hires": True}


def picture_fields(
    given: Mapping[str, Any], values: Mapping[str, Any], changed: list[str]
) -> dict[str, Any]:
    """How img2img draws over its picture; ``changed`` is told of values that became others.

    ``values`` are those found so far (an infotext's among them).
    """
    found = {name: value for name, value in values.items() if name in _OVER}
    whole = {
        **{name: value for name, value in _DEFAULTS.items() if _OURS[name] not in found},
        **given,
    }
    for theirs, ours in _OURS.items():
        if theirs in whole:
            found[ours] = _meant(theirs, whole[theirs])
    if "mask_blur" not in found or not _BLURS.isdisjoint(given):
        found["mask_blur"] = _blur(given, changed)
    return found


def kept_pictures(pictures: Sequence[Any], field: str, inputs: Inputs) -> list[str]:
    """The ids of pictures that came as base64; all are read before any is kept."""
    if len(pictures) > MAX_INIT_IMAGES:
        raise InvalidRequest(
            f"There are {len(pictures)} pictures; the most is {MAX_INIT_IMAGES}.", field=field
        )
    files = [picture_bytes(one, field) for one in pictures]
    return [inputs.put(data, field=field).id for data in files]


def each_picture(request: DrawRequest, pictures: Sequence[str]) -> Series:
    """The request for each of the pictures, with seeds that count on."""
    seed = resolve_seed(request.seed)
    base = replace(request, seed=seed, batch_size=1)
    cells = [
        (("init_image", one), ("seed", (seed + number * base.batch_count) % (MAX_SEED + 1)))
        for number, one in enumerate(pictures)
    ]
    return Series(base=base, cells=tuple(cells), at_once=request.batch_size)


def without_pictures(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """As A1111 echoes a request: without its pictures, unless ``include_init_images`` is set."""
    if parameters.get("include_init_images"):
        return dict(parameters)
    return {**parameters, "init_images": None, "mask": None}


def _meant(field: str, value: Any) -> Any:
    """What a value of A1111's request is here."""
    if field in _NUMBERED:
        return _name(field, value, _NUMBERED[field])
    if field == "inpaint_full_res":
        return "Only masked" if value else "Whole picture"
    return value


def _name(field: str, number: int, names: Registry[str]) -> str:
    known = names.names()
    if not 0 <= number < len(known):
        raise InvalidRequest(
            f"{field} is {number}; it is 0 to {len(known) - 1}: {', '.join(known)}.", field=field
        )
    return known[number]


def _blur(given: Mapping[str, Any], changed: list[str]) -> int:
    if "mask_blur" in given:
        return given["mask_blur"]
    usual = next(f.default for f in fields_of(ImageFields) if f.name == "mask_blur")
    both = [given.get(name, usual) for name in ("mask_blur_x", "mask_blur_y")]
    if both[0] != both[1]:
        changed.append(f"mask_blur={max(both)}")
    return max(both)
