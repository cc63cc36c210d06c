"""A request as the text A1111 writes under a picture.

::

    a red circle
    Negative prompt: blurry
    Steps: 20, Sampler: Euler a, Schedule type: Automatic, CFG scale: 7, Seed: 1, Size: 512x512, …

Keys and their order are those of A1111 1.10 (``create_infotext`` in modules/processing.py). Where
we differ: "Model" is the name requests carry, with its folder, so that two files of one name stay
apart; and "RNG: GPU" is written out, because its absence is read as NVIDIA's noise, which is what
pictures made on GPUs elsewhere have.
"""

from __future__ import annotations

import json
from dataclasses import replace

from webui.core.requests import Txt2Img

NEGATIVE = "Negative prompt:"


def infotext(
    request: Txt2Img,
    *,
    seed: int,
    model_hash: str | None,
    version: str,
    variation_seed: int | None = None,
    clip_score: float | None = None,
) -> str:
    """The ``parameters`` text of one picture of a request.

    ``seed`` and ``variation_seed`` are this picture's own (None: the request's); ``model_hash``
    the checkpoint's first ten hex digits if known; ``version`` the program with its version
    ("easel-0.1.0"); ``clip_score`` 100 × the cosine of picture and prompt if it was measured. What
    the request leaves open (size, checkpoint) is left out.
    """
    if variation_seed is not None:
        request = replace(request, variation_seed=variation_seed)
    pairs = parameters(request, seed=seed, model_hash=model_hash, version=version)
    if clip_score is not None:
        version = pairs.pop("Version")
        pairs |= {"CLIP score": f"{clip_score:.1f}", "Version": version}
    last = ", ".join(f"{key}: {quote(value)}" for key, value in pairs.items())
    negative = f"\n{NEGATIVE} {request.negative_prompt}" if request.negative_prompt else ""
    return f"{request.prompt}{negative}\n{last}".strip()


def parameters(
    request: Txt2Img, *, seed: int, model_hash: str | None, version: str
) -> dict[str, str]:
    """The keys and values of the text's last line, in order."""
    size = f"{request.width}x{request.height}" if request.width and request.height else None
    pairs: dict[str, str | None] = {
        "Steps": str(request.steps),
        "Sampler": request.sampler,
        "Schedule type": request.scheduler,
        "CFG scale": number(request.cfg_scale),
        "Seed": str(seed),
        "Size": size,
        "Model hash": model_hash,
        "Model": request.checkpoint or None,
        **_variation(request),
        "Clip skip": str(request.clip_skip) if request.clip_skip > 1 else None,
        "RNG": request.noise_source,
        "Tiling": "True" if request.tiling else None,
        "Best of": str(request.best_of) if request.best_of > 1 else None,
        "Version": version,
    }
    return {key: value for key, value in pairs.items() if value is not None}


def _variation(request: Txt2Img) -> dict[str, str | None]:
    """The variation's seed and strength, where there is one."""
    if not request.variation_strength:
        return {}
    return {
        "Variation seed": str(request.variation_seed),
        "Variation seed strength": number(request.variation_strength),
    }


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
    """What :func:`quote` was given; text that is no JSON string stays as it is."""
    if len(text) < 2 or text[0] != '"' or text[-1] != '"':
        return text
    try:
        value = json.loads(text)
    except ValueError:
        return text
    return value if isinstance(value, str) else text


def _reads_back(value: str) -> bool:
    return value == value.strip() and not value.startswith('"') and value.isprintable()
