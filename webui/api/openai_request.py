"""A body of OpenAI's ``/v1/images/generations`` as our request: pure translation.

Source: OpenAI's API reference, "Create image"; fields, bounds and defaults are those.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, cast

from webui.api.openai_errors import NoSuchModel
from webui.core.errors import EaselError, InvalidRequest, NotFound
from webui.core.requests import Txt2Img
from webui.core.results import ImageFormat

MOST = 10
ALIASES = frozenset({"dall-e-2", "dall-e-3", "gpt-image-1", "gpt-image-1-mini", "gpt-image-1.5"})
"""OpenAI's own models: front ends ask for them by default. They mean the default checkpoint."""

STEPS: Mapping[str, int | None] = {
    "auto": None,
    "low": 12,
    "standard": None,
    "medium": None,
    "high": 40,
    "hd": 40,
}
"""What ``quality`` means here: sampling steps; None leaves the default."""

EXTENSIONS = ("negative_prompt", "seed", "steps", "cfg_scale", "sampler", "scheduler")
"""Our own fields that are taken beside OpenAI's."""

_CHOICES: Mapping[str, Collection[str]] = {
    "quality": tuple(STEPS),
    "style": ("vivid", "natural"),
    "response_format": ("url", "b64_json"),
    "output_format": ("png", "jpeg", "webp"),
    "background": ("auto", "opaque", "transparent"),
    "moderation": ("auto", "low"),
}
_NAMES = frozenset(
    {"prompt", "model", "n", "size", "user", "output_compression", "stream", "partial_images"}
    | {*_CHOICES, *EXTENSIONS}
)
_SIZE = re.compile(r"([0-9]{1,5})x([0-9]{1,5})")
_FIELDS = {"width": "size", "height": "size", "batch_count": "n", "checkpoint": "model"}
"""Our fields by what they are called there."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What is to be drawn, and how it is handed over.

    ``format`` is None where the file may be as it is saved; ``compression`` (0..100) is the quality
    of JPEG and WebP, None where nothing is said of it.
    """

    request: Txt2Img
    model: str
    as_url: bool
    quality: str
    format: ImageFormat | None
    compression: int | None


def read(values: Mapping[str, Any], checkpoints: Collection[str]) -> Asked:
    """A body, checked; errors name OpenAI's fields.

    ``checkpoints`` are the names of what there is. A ``model`` of OpenAI's means the default
    checkpoint unless one has that name.
    """
    for name in values:
        if name not in _NAMES:
            shown = str(name)[:60]
            raise InvalidRequest(f"Unknown parameter: {shown!r}.", field=shown)
    if values.get("stream") or values.get("partial_images"):
        raise InvalidRequest("Easel does not stream pictures here; ask without stream.",
                             field="stream")  # fmt: skip
    chosen = {name: _choice(values, name) for name in _CHOICES}
    if chosen["background"] == "transparent":
        raise InvalidRequest("Easel draws opaque pictures only.", field="background")
    fmt = cast("ImageFormat | None", chosen["output_format"])
    return Asked(
        request=_request(values, chosen, checkpoints),
        model=str(values.get("model") or ""),
        as_url=_as_url(values, chosen["response_format"]),
        quality=chosen["quality"] or "auto",
        format=fmt,
        compression=_compression(values, fmt),
    )


def _request(
    values: Mapping[str, Any], chosen: Mapping[str, str | None], checkpoints: Collection[str]
) -> Txt2Img:
    if values.get("prompt") is None:
        raise InvalidRequest("Missing required parameter: 'prompt'.", field="prompt")
    fields: dict[str, Any] = {"prompt": values["prompt"], "batch_count": _count(values)}
    fields |= _size(values) | {"checkpoint": _model(values, checkpoints)}
    steps = STEPS[chosen["quality"] or "auto"]
    if steps is not None:
        fields["steps"] = steps
    fields |= {name: values[name] for name in EXTENSIONS if values.get(name) is not None}
    try:
        return Txt2Img.from_mapping(fields)
    except EaselError as error:
        error.field = _FIELDS.get(error.field or "", error.field)
        raise


def renamed(error: EaselError) -> EaselError:
    """An error of the queue's with its field called as there; an unknown model as OpenAI says."""
    if isinstance(error, NotFound) and error.field == "checkpoint":
        return NoSuchModel(error.message, field="model")
    error.field = _FIELDS.get(error.field or "", error.field)
    return error


def _model(values: Mapping[str, Any], checkpoints: Collection[str]) -> str:
    model = values.get("model")
    if model is None:
        return ""
    if not isinstance(model, str):
        raise InvalidRequest("model is not text.", field="model")
    return "" if model in ALIASES and model not in checkpoints else model


def _count(values: Mapping[str, Any]) -> int:
    count = values.get("n")
    if count is None:
        return 1
    if not isinstance(count, int) or isinstance(count, bool) or not 1 <= count <= MOST:
        raise InvalidRequest(f"n is a whole number from 1 to {MOST}.", field="n")
    return count


def _size(values: Mapping[str, Any]) -> dict[str, int]:
    size = values.get("size")
    if size in (None, "auto"):
        return {}
    match = _SIZE.fullmatch(size) if isinstance(size, str) else None
    if match is None:
        raise InvalidRequest('size is "auto" or written like "1024x1024".', field="size")
    return {"width": int(match[1]), "height": int(match[2])}


def _choice(values: Mapping[str, Any], name: str) -> str | None:
    value = values.get(name)
    if value is None or (isinstance(value, str) and value in _CHOICES[name]):
        return value
    raise InvalidRequest(f"{name} can be {', '.join(_CHOICES[name])}.", field=name)


def _as_url(values: Mapping[str, Any], wanted: str | None) -> bool:
    """gpt-image models always answer with base64, the others with addresses by default."""
    by_default = "b64_json" if str(values.get("model")).startswith("gpt-image") else "url"
    return (wanted or by_default) == "url"


def _compression(values: Mapping[str, Any], fmt: ImageFormat | None) -> int | None:
    value = values.get("output_compression")
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= 100:
        raise InvalidRequest(
            "output_compression is a whole number from 0 to 100.", field="output_compression"
        )
    if fmt not in ("jpeg", "webp"):
        if value == 100:
            return None
        raise InvalidRequest(
            "output_compression goes with an output_format of jpeg or webp.",
            field="output_compression",
        )
    return value
