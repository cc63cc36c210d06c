"""InvokeAI's pictures: one JSON in the PNG, of which there have been three kinds.

"invokeai_metadata" since version 3, "sd-metadata" in version 2 (its settings below "image"), and
before that a command line in "Dream", which the second has, too. Noise came from the processor.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from typing import Any

from webui.metadata.infotext import compose
from webui.metadata.json_text import as_list, as_object, as_text, load_object
from webui.metadata.names import model_name, plain_schedule, sampler_name

_FLAGS = {"s": "steps", "S": "seed", "W": "width", "H": "height", "C": "cfg_scale", "A": "sampler"}
_MAX_LINE = 40_000
_BRACKETED = re.compile(r"\[([^\]]*)(?:\]|$)")


def read(texts: Mapping[str, str]) -> str | None:
    """A1111's text of an InvokeAI picture; None when the file's texts are none of InvokeAI's."""
    said = load_object(texts.get("invokeai_metadata"))
    if said:
        return _text(said, as_text(said.get("positive_prompt")), _negative(said))
    old = load_object(texts.get("sd-metadata"))
    if old:
        return _of_version_2(old)
    return _of_command(texts.get("Dream", ""))


def _text(said: Mapping[str, Any], prompt: str, negative: str) -> str | None:
    sampler, schedule = _sampler(as_text(said.get("scheduler") or said.get("sampler")))
    width, height = (as_text(said.get(key)) for key in ("width", "height"))
    skipped = as_text(said.get("clip_skip"))
    pairs = {
        "Steps": as_text(said.get("steps")),
        "Sampler": sampler,
        "Schedule type": schedule,
        "CFG scale": as_text(said.get("cfg_scale")),
        "Seed": as_text(said.get("seed")),
        "Size": f"{width}x{height}" if width and height else "",
        "Model": _model(said.get("model")),
        "Clip skip": str(int(skipped) + 1) if skipped.isdecimal() and len(skipped) < 3 else "",
        "RNG": "CPU",
        "Tiling": "True" if said.get("seamless") is True else "",
        "CFG rescale": _unless_zero(said.get("cfg_rescale_multiplier")),
        "Denoising strength": as_text(said.get("strength")),
        "Version": f"InvokeAI {as_text(said.get('app_version'))}".strip(),
    }
    if not pairs["Steps"]:
        return None
    prompt = " ".join([prompt, *_loras(said)]).strip()
    return compose(prompt, negative, {key: value for key, value in pairs.items() if value})


def _of_version_2(old: Mapping[str, Any]) -> str | None:
    image = as_object(old.get("image"))
    parts = [as_text(as_object(one).get("prompt")) for one in as_list(image.get("prompt"))]
    prompt, negative = _split("\n".join(parts) or as_text(image.get("prompt")))
    said = {"model": old.get("model_weights"), "app_version": old.get("app_version"), **image}
    return _text(said, prompt, negative)


def _of_command(line: str) -> str | None:
    """``"a cat" -s 50 -S 1 -W 512 -H 512 -C 7.5 -A k_lms``"""
    if not line or len(line) > _MAX_LINE:
        return None
    try:
        words = shlex.split(line)
    except ValueError:
        return None
    said: dict[str, str] = {}
    prompt: list[str] = []
    waiting = iter(words)
    for word in waiting:
        if len(word) > 1 and word[0] == "-" and word[1] in _FLAGS:
            said[_FLAGS[word[1]]] = word[2:] or next(waiting, "")
        elif not word.startswith("-"):
            prompt.append(word)
    return _text(said, *_split(" ".join(prompt)))


def _split(prompt: str) -> tuple[str, str]:
    """The prompt, and what stands in square brackets: version 2's negative prompt."""
    positive: list[str] = []
    negative: list[str] = []
    for number, part in enumerate(_BRACKETED.split(prompt)):
        (negative if number % 2 else positive).append(part)
    return "".join(positive).strip(), ", ".join(negative)


def _negative(said: Mapping[str, Any]) -> str:
    return as_text(said.get("negative_prompt"))


def _sampler(name: str) -> tuple[str, str]:
    """Sampler and schedule of diffusers' names: "dpmpp_2m_k" is DPM++ 2M with Karras's levels."""
    plain = name.removesuffix("_k")
    label = sampler_name(plain)
    return label, "Karras" if plain != name else plain_schedule(label)


def _model(model: object) -> str:
    said = as_object(model)
    name = said.get("model_name") or said.get("name") or model
    return model_name(as_text(name))


def _loras(said: Mapping[str, Any]) -> list[str]:
    found: list[str] = []
    for one in map(as_object, as_list(said.get("loras"))[:100]):
        name = _model(one.get("lora") or one.get("model"))
        if name:
            found.append(f"<lora:{name}:{as_text(one.get('weight')) or '1'}>")
    return found


def _unless_zero(value: object) -> str:
    text = as_text(value)
    return "" if text == "0" else text
