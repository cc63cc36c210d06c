"""A request as the text A1111 writes under a picture.

::

    a red circle
    Negative prompt: blurry
    Steps: 20, Sampler: Euler a, Schedule type: Automatic, CFG scale: 7, Seed: 1, Size: 512x512, …

Keys and their order are those of A1111 1.10 (``create_infotext`` in modules/processing.py); behind
"Tiling" come, as there, what extra networks, text encoder, schedule, sampler and guidance each add
(``extra_generation_params``), in the order they run. Where we differ: "Model" is the name requests
carry, with its folder, so that two files of one name stay apart; "RNG: NV" and "RNG: GPU" are
written out, because the absence of the key is read as NVIDIA's noise, which is what pictures made
on GPUs elsewhere have; and "Schedule type: Automatic" stays what was asked for, where A1111 writes
the schedule it chose (it reads both alike).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from functools import cache
from typing import Any

from webui.core.params import Field, fields_of
from webui.core.requests import DrawRequest, Img2Img, Txt2Img

NEGATIVE = "Negative prompt:"
DDIM_ETA = "Eta DDIM"
"""What A1111 calls the eta of the samplers that walk over timesteps."""
ETA_OF_TIMESTEPS = frozenset({"DDIM", "DDIM CFG++"})
BETA_KEYS = ("beta_alpha", "beta_beta")

_HEAD = ("steps", "sampler", "scheduler", "cfg_scale", "seed", "checkpoint", "variation_seed",
         "variation_strength", "clip_skip", "ensd", "noise_source", "tiling")  # fmt: skip
_HIRES = ("hires_cfg_scale", "hires_sampler", "hires_prompt", "hires_negative_prompt",
          "hires_scheduler")  # fmt: skip
_EXTRA = ("emphasis", "noise_schedule", "discard_penultimate", "sigma_min", "sigma_max", "rho",
          *BETA_KEYS, "eta", "s_churn", "s_tmin", "s_tmax", "s_noise", "unipc_variant",
          "unipc_skip", "unipc_order", "unipc_lower_order_final", "skip_early_cfg",
          "ngms")  # fmt: skip
"""Fields in the order in which A1111's code adds their keys behind "Tiling"."""


def infotext(
    request: DrawRequest,
    *,
    seed: int,
    model_hash: str | None,
    version: str,
    variation_seed: int | None = None,
    clip_score: float | None = None,
    extras: Mapping[str, str] | None = None,
) -> str:
    """The ``parameters`` text of one picture of a request.

    ``seed`` and ``variation_seed`` are this picture's own (None: the request's); ``model_hash``
    the checkpoint's first ten hex digits if known; ``version`` the program with its version
    ("easel-0.1.0"); ``clip_score`` 100 × the cosine of picture and prompt if it was measured;
    ``extras`` further keys with their values ("Template", "Lora hashes", "TI hashes"), written
    where A1111 writes those of extra networks and scripts; "" is not written. What the request
    leaves open (size, checkpoint) is left out.
    """
    if variation_seed is not None:
        request = replace(request, variation_seed=variation_seed)
    pairs = parameters(
        request, seed=seed, model_hash=model_hash, version=version, extras=extras or {}
    )
    if clip_score is not None:
        version = pairs.pop("Version")
        pairs |= {"CLIP score": f"{clip_score:.1f}", "Version": version}
    return compose(request.prompt, request.negative_prompt, pairs)


def compose(prompt: str, negative: str, pairs: Mapping[str, str]) -> str:
    """A1111's text of two prompts, and of keys with their values in order."""
    last = ", ".join(f"{key}: {quote(value)}" for key, value in pairs.items())
    below = f"\n{NEGATIVE} {negative}" if negative else ""
    return f"{prompt}{below}\n{last}".strip()


def parameters(
    request: DrawRequest,
    *,
    seed: int,
    model_hash: str | None,
    version: str,
    extras: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """The keys and values of the text's last line, in order."""
    pairs: dict[str, str | None] = {
        "Steps": str(request.steps),
        "Sampler": request.sampler,
        "Schedule type": request.scheduler,
        "CFG scale": number(request.cfg_scale),
        "Seed": str(seed),
        "Size": _size(request.width, request.height),
        "Model hash": model_hash,
        "Model": request.checkpoint or None,
        **_variation(request),
        "Seed resize from": _size(request.seed_resize_width, request.seed_resize_height),
        "Denoising strength": _strength(request),
        "Clip skip": str(request.clip_skip) if request.clip_skip > 1 else None,
        "ENSD": str(request.ensd) if request.ensd else None,
        "RNG": request.noise_source,
        "Tiling": "True" if request.tiling else None,
        **dict(_drawn_over(request)),
        **{key: value for key, value in (extras or {}).items() if value},
        **dict(_extra(request)),
        "Version": version,
    }
    return {key: value for key, value in pairs.items() if value is not None}


def key_of(field: Field, request: DrawRequest) -> str | None:
    """The key a field is written under in the text of that request; None if it is not."""
    if field.name == "eta" and request.sampler in ETA_OF_TIMESTEPS:
        return DDIM_ETA
    return field.param.infotext


def number(value: float) -> str:
    """A number as A1111's page writes it: 7, 7.5."""
    return str(int(value)) if value == int(value) else repr(value)


def quote(value: str) -> str:
    """``value`` as A1111 quotes it: JSON when it holds a comma, colon or newline.

    Also when it would not read back as it is (quotes around it, spaces at its ends).
    """
    is_plain = not any(sign in value for sign in ",:\n")
    return value if is_plain and _reads_back(value) else json.dumps(value, ensure_ascii=False)


def unquote(text: str) -> str:
    """What :func:`quote` was given; text that is no JSON string stays as it is.

    So does one that holds half a character, which no text may.
    """
    if len(text) < 2 or text[0] != '"' or text[-1] != '"':
        return text
    try:
        value = json.loads(text)
        str(value).encode("utf-8")
    except ValueError:
        return text
    return value if isinstance(value, str) else text


def _extra(request: DrawRequest) -> Iterator[tuple[str, str]]:
    """What differs from the default, and the Beta schedule's two numbers, which A1111 writes
    whenever it is the schedule."""
    for field in _extra_fields():
        value = getattr(request, field.name)
        is_beta = field.name in BETA_KEYS and request.scheduler == "Beta"
        key = key_of(field, request)
        if key is not None and (is_beta or value != field.default):
            yield key, _as_text(value)


@cache
def _extra_fields() -> tuple[Field, ...]:
    """The fields behind "Tiling": A1111's in its order, then those only we have, as declared."""
    fields = {f.name: f for f in fields_of(DrawRequest) if f.param.infotext and f.name not in _HEAD}
    return tuple(fields[name] for name in dict.fromkeys([*_EXTRA, *fields]))


def _as_text(value: Any) -> str:
    is_number = isinstance(value, float)
    return number(value) if is_number else str(value)


def _size(width: int | None, height: int | None) -> str | None:
    return f"{width}x{height}" if width and height else None


def _strength(request: DrawRequest) -> str | None:
    """How much is drawn anew, where something is drawn over."""
    if isinstance(request, Img2Img) or (isinstance(request, Txt2Img) and request.hires):
        return number(request.denoising_strength)
    return None


def _drawn_over(request: DrawRequest) -> Iterator[tuple[str, str]]:
    """What says how a second pass, or what a picture starts from, is drawn over: A1111's keys in
    its order."""
    if isinstance(request, Txt2Img) and request.hires:
        yield from _changed(request, _HIRES)
        if request.hires_width or request.hires_height:
            yield "Hires resize", f"{request.hires_width}x{request.hires_height}"
        else:
            yield "Hires upscale", number(request.hires_scale)
        yield from _changed(request, ("hires_steps",))
        yield "Hires upscaler", request.hires_upscaler
    if isinstance(request, Img2Img):
        yield from _changed(request, ("resize_mode", "noise_multiplier"))
        if request.mask:
            yield from _masked(request)


def _masked(request: Img2Img) -> Iterator[tuple[str, str]]:
    yield "Mask blur", str(request.mask_blur)
    yield from _changed(request, ("mask_mode", "masked_content"))
    if request.inpaint_area == "Only masked":
        yield "Inpaint area", request.inpaint_area
        yield "Masked area padding", str(request.masked_padding)


def _changed(request: DrawRequest, names: Iterable[str]) -> Iterator[tuple[str, str]]:
    """The keys of those fields that differ from their default."""
    fields = {f.name: f for f in fields_of(type(request))}
    for name in names:
        field, value = fields[name], getattr(request, name)
        if field.param.infotext is not None and value != field.default:
            yield field.param.infotext, _as_text(value)


def _variation(request: DrawRequest) -> dict[str, str | None]:
    """The variation's seed and strength, where there is one."""
    if not request.variation_strength:
        return {}
    return {
        "Variation seed": str(request.variation_seed),
        "Variation seed strength": number(request.variation_strength),
    }


def _reads_back(value: str) -> bool:
    return value == value.strip() and not value.startswith('"') and value.isprintable()
