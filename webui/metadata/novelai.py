"""NovelAI's pictures: a JSON "Comment" beside "Software: NovelAI", in chunks or hidden in alpha.

Read as A1111 1.10 reads them: clip skip 2, and 31337 added to the seed of the noise that steps add.
NovelAI's weights are written in A1111's way: ``{x}`` is ×1.05, ``[x]`` ÷1.05, ``1.3::x::`` ×1.3,
and round brackets mean nothing there.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from webui.metadata.infotext import compose
from webui.metadata.json_text import as_list, as_object, as_text, load_object
from webui.metadata.names import plain_schedule, sampler_name, schedule_name

_STEP = 1.05
_MOST_CHARS = 50_000
_TOKEN = re.compile(r"(-?\d{1,4}(?:\.\d{1,4})?)::|::|[{}\[\]()\\]")
_OPENS, _CLOSES = "{[", "}]"


def read(texts: Mapping[str, str]) -> str | None:
    """A1111's text of a NovelAI picture; None when the file's texts are none of NovelAI's."""
    outer = load_object(texts.get("UserComment")) or dict[str, Any](texts)
    said = load_object(outer.get("Comment"))
    if "NovelAI" not in as_text(outer.get("Software")) and "uc" not in said:
        return None
    if "steps" not in said:
        return None
    prompt = _v4(said, "v4_prompt") or as_text(said.get("prompt"))
    negative = _v4(said, "v4_negative_prompt") or as_text(said.get("uc"))
    size = "x".join(as_text(said.get(key)) for key in ("width", "height"))
    sampler = sampler_name(as_text(said.get("sampler", "k_euler_ancestral")))
    pairs = {
        "Steps": as_text(said["steps"]),
        "Sampler": sampler,
        "Schedule type": _schedule(as_text(said.get("noise_schedule")), sampler),
        "CFG scale": as_text(said.get("scale")),
        "Seed": as_text(said.get("seed")),
        "Size": size if len(size) > 2 else "",
        "Clip skip": "2",
        "ENSD": "31337",
        "CFG rescale": _unless_zero(said.get("cfg_rescale")),
        "Source": as_text(outer.get("Source")),
        "Version": "NovelAI",
    }
    written = {key: value for key, value in pairs.items() if value}
    prompt = prompt or as_text(outer.get("Description"))
    return compose(weights(prompt), weights(negative), written)


def weights(text: str) -> str:
    """NovelAI's weights in A1111's syntax; brackets without a partner stay words."""
    text = text[:_MOST_CHARS]
    tokens = list(_TOKEN.finditer(text))
    partners = _partners([token[0] for token in tokens])
    pieces: list[str] = []
    end = 0
    for place, token in enumerate(tokens):
        pieces += [text[end : token.start()], _written(token, place, partners)]
        end = token.end()
    return "".join([*pieces, text[end:]])


def _written(token: re.Match[str], place: int, partners: Mapping[int, float]) -> str:
    sign = token[0]
    if sign in "()\\":
        return "\\" + sign
    if place not in partners:
        return "\\" + sign if sign in "[]" else sign
    closes = sign in _CLOSES or sign == "::"
    return f":{partners[place]:.4g})" if closes else "("


def _partners(signs: list[str]) -> dict[int, float]:
    """The tokens that open a weight (0.0), and those that close one, with it."""
    found: dict[int, float] = {}
    waiting: list[int] = []
    for place, sign in enumerate(signs):
        if sign in _OPENS or len(sign) > len("::"):
            waiting.append(place)
        elif waiting and _fit(signs[waiting[-1]], sign):
            begun = waiting.pop()
            found |= {begun: 0.0, place: _weight(signs[begun])}
    return found


def _fit(opening: str, closing: str) -> bool:
    return closing == ("::" if opening.endswith("::") else _CLOSES[_OPENS.index(opening)])


def _weight(opening: str) -> float:
    if opening.endswith("::"):
        return float(opening[:-2])
    return _STEP if opening == "{" else 1 / _STEP


def _v4(said: Mapping[str, Any], key: str) -> str:
    """The prompt of the fourth model: one caption, and one for each character."""
    caption = as_object(as_object(said.get(key)).get("caption"))
    characters = map(as_object, as_list(caption.get("char_captions")))
    parts = [caption.get("base_caption"), *(one.get("char_caption") for one in characters)]
    return "\n".join(text for text in map(as_text, parts) if text)


def _schedule(name: str, sampler: str) -> str:
    """ "native" are the model's own noise levels."""
    return plain_schedule(sampler) if name == "native" else schedule_name(name)


def _unless_zero(value: object) -> str:
    text = as_text(value)
    return "" if text == "0" else text
