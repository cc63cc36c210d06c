"""What an infotext's keys mean here, by the program and the version that wrote them.

A1111 changes what it reads from texts that name an older version (``backcompat`` in its
modules/infotext_versions.py). Of its cases

* "Old prompt editing timelines" (before 1.6.0: fractions of a schedule count the second pass in),
* "Pad conds v0" (before 1.6.0, DDIM and PLMS: prompts of unequal length),
* "Downcast alphas_cumprod" (before 1.7.0-225: noise levels rounded to half precision) and
* "Refiner switch by sampling steps" (before 1.8.0)

none is a field of our requests: there is no refiner yet, a prompt's schedule has one meaning, and
the other two describe rounding. What does touch one is the schedule: before 1.9.0 it stood behind
the sampler's name ("DPM++ 2M Karras"), so that the name alone ("DPM++ 2M") meant the model's own
noise levels, which "Automatic" no longer does. That is kept wherever the text names such a version.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

from webui.core.requests import Txt2Img
from webui.core.samplers import split_schedule
from webui.metadata.infotext import DDIM_ETA, ETA_OF_TIMESTEPS
from webui.metadata.names import plain_schedule, schedule_name

SCHEDULES_SINCE = (1, 9, 0)
"""The version of A1111 that gave schedules a key of their own."""

HIRES = "Hires fix"
"""The key that says of a text, once it is parsed, that there was a second pass."""

_OF_HIRES = ("Hires upscale", "Hires upscaler", "Hires resize-1", "Hires steps")
_A1111 = re.compile(r"(?:f[\w.]{0,20}?v|v)(\d{1,3})\.(\d{1,3})(?:\.(\d{1,3}))?(?![\d.])")
_OURS = {
    "Scheduler": "Schedule type",  # Fooocus
    "Sampler sigma": "Schedule type",  # SD.Next
    "Variation strength": "Variation seed strength",  # SD.Next
    "Sampler eta delta": "ENSD",  # SD.Next
    "Eta noise seed delta": "ENSD",
}
_HELPFUL = (
    "Version", "Model hash", DDIM_ETA, "CLIP score", "Template", "Negative Template", "Lora hashes",
)  # fmt: skip
"""Keys of no field that are understood: they find models, or say where a prompt came from."""
_NAMES = (
    (re.compile(r"easel\b"), "Easel"),
    (re.compile(r"f\d+\.\d"), "Forge"),
    (re.compile(r"v\d+\.\d"), "AUTOMATIC1111"),
    (re.compile(r"ComfyUI"), "ComfyUI"),
    (re.compile(r"Fooocus"), "Fooocus"),
    (re.compile(r"InvokeAI"), "InvokeAI"),
    (re.compile(r"NovelAI"), "NovelAI"),
)
A1111_LIKE = "A1111 format"
"""Who wrote a text that does not say."""


def program(parsed: Mapping[str, str]) -> str:
    """The program that wrote a parsed text; "" when the text holds no parameters."""
    if "Steps" not in parsed:
        return ""
    if parsed.get("App") == "SD.Next":
        return "SD.Next"
    version = parsed.get("Version", "")
    if "Civitai resources" in parsed or version.casefold().startswith("civitai"):
        return "Civitai"
    return next((name for known, name in _NAMES if known.match(version)), A1111_LIKE)


def meant(parsed: Mapping[str, str]) -> dict[str, str]:
    """A parsed text with its keys as A1111 1.10 would have written them."""
    found = dict(parsed)
    for theirs, ours in _OURS.items():
        if theirs in found and found.get(ours, "Automatic") == "Automatic":
            found[ours] = found[theirs]
    if "Schedule type" in found:
        found["Schedule type"] = schedule_name(found["Schedule type"])
    if any(key in found for key in _OF_HIRES):
        found[HIRES] = "True"
    _take_eta(found)
    _take_old_schedule(found)
    return found


def is_known(key: str, fields: Collection[str]) -> bool:
    """Whether a key says something about a request, under its own name or another program's;
    ``fields`` are the keys of fields as parsed texts have them ("Size-1")."""
    helpful = key in _OURS or key in _HELPFUL
    return helpful or key in fields or f"{key}-1" in fields


def a1111_version(text: str) -> tuple[int, int, int] | None:
    """The version of A1111 behind a "Version" value, Forge's too; None if it names none.

    "v1.6.0-2-g4afaaf8a" is 1.6.0, Forge's "f0.0.17v1.8.0rc-latest-276-g29be1da7" is 1.8.0.
    """
    found = _A1111.match(text.strip())
    return (int(found[1]), int(found[2]), int(found[3] or 0)) if found else None


def _take_eta(found: dict[str, str]) -> None:
    """One field of ours has both etas of A1111; the sampler says which one it was."""
    theirs = found.pop(DDIM_ETA, None)
    if found.get("Sampler") in ETA_OF_TIMESTEPS:
        found.pop("Eta", None)
        if theirs is not None:
            found["Eta"] = theirs


def _take_old_schedule(found: dict[str, str]) -> None:
    version = a1111_version(found.get("Version", ""))
    if version is None or version >= SCHEDULES_SINCE or found.get("Schedule type") != "Automatic":
        return
    sampler, schedule = split_schedule(found.get("Sampler", Txt2Img.sampler))
    if schedule is None:
        found["Schedule type"] = plain_schedule(sampler)
