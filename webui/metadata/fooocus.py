"""Fooocus's pictures, in both of its schemes: its own JSON, or A1111's text.

PNG says which in "fooocus_scheme"; JPEG and WebP in EXIF's MakerNote. Its own log files have the
same JSON with the page's labels as keys ("Guidance Scale"). Noise comes from the processor.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from webui.metadata.infotext import compose
from webui.metadata.json_text import as_list, as_text, load_object
from webui.metadata.names import model_name, sampler_name, schedule_name

_SIZE = re.compile(r"\(?\D{0,3}(\d{1,5})\D{1,6}(\d{1,5})\D{0,3}\)?")
_LORA = re.compile(r"(?:lora_combined_|LoRA )\d{1,2}")
_STEPS = {"Quality": "60", "Speed": "30", "Extreme Speed": "8", "Lightning": "4", "Hyper-SD": "4"}
"""What "Performance" means where the steps are not written."""


def read(texts: Mapping[str, str]) -> str | None:
    """A1111's text of a picture in Fooocus's own scheme; None when the texts are none of it.

    What it wrote in A1111's scheme is A1111's text already.
    """
    text = texts.get("parameters") or texts.get("UserComment")
    said = load_object(text)
    if not _is_fooocus(texts, said):
        return None
    size = _SIZE.fullmatch(_of(said, "resolution"))
    pairs = {
        "Steps": _of(said, "steps") or _STEPS.get(_of(said, "performance"), ""),
        "Sampler": sampler_name(_of(said, "sampler")),
        "Schedule type": schedule_name(_of(said, "scheduler")),
        "CFG scale": _of(said, "guidance_scale"),
        "Seed": _of(said, "seed"),
        "Size": f"{size[1]}x{size[2]}" if size else "",
        "Model hash": _of(said, "base_model_hash"),
        "Model": model_name(_of(said, "base_model")),
        "Clip skip": _of(said, "clip_skip"),
        "RNG": "CPU",
        "Sharpness": _of(said, "sharpness"),
        "ADM Guidance": _of(said, "adm_guidance"),
        "Performance": _of(said, "performance"),
        "Styles": _of(said, "styles"),
        "Refiner": _refiner(said),
        "Version": _of(said, "version") or "Fooocus",
    }
    prompt, negative = (_prompt(said, kind) for kind in ("prompt", "negative_prompt"))
    prompt = " ".join([prompt, *_loras(said)]).strip()
    return compose(prompt, negative, {key: value for key, value in pairs.items() if value})


def _is_fooocus(texts: Mapping[str, str], said: Mapping[str, Any]) -> bool:
    scheme = texts.get("fooocus_scheme", texts.get("MakerNote", ""))
    version = _of(said, "version")
    known = scheme.strip("\0 ") == "fooocus" or version.startswith("Fooocus")
    return (known and "steps" in said) or "Guidance Scale" in said


def _of(said: Mapping[str, Any], key: str) -> str:
    """A value by its key, or by the label it has in log files."""
    label = key.replace("_", " ").title()
    return as_text(said.get(key, said.get(label)))


def _prompt(said: Mapping[str, Any], kind: str) -> str:
    """The whole prompt that was drawn with, styles and all, else what was typed."""
    whole = [as_text(part) for part in as_list(said.get(f"full_{kind}"))]
    return "\n".join(part for part in whole if part) or _of(said, kind)


def _loras(said: Mapping[str, Any]) -> list[str]:
    """``<lora:name:weight>`` of "name : 0.5", or of "True : name : 0.5"."""
    found: list[str] = []
    for key, value in said.items():
        parts = as_text(value).split(" : ") if _LORA.fullmatch(key) else []
        if len(parts) in (2, 3) and parts[0] != "False":
            found.append(f"<lora:{model_name(parts[-2])}:{parts[-1]}>")
    return found


def _refiner(said: Mapping[str, Any]) -> str:
    name = _of(said, "refiner_model")
    return "" if name == "None" else model_name(name)
