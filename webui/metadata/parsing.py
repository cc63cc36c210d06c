"""A1111's text read back into a request, whoever wrote it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from webui.core.errors import InvalidRequest
from webui.core.params import Field, fields_of
from webui.core.requests import DrawRequest, Img2Img, Txt2Img
from webui.metadata.dialects import HIRES, meant
from webui.metadata.infotext import NEGATIVE, unquote

MAX_CHARS = 200_000
"""Longer texts are cut before they are read: no request gives one that long."""

NEVER_WRITTEN = ("batch_count", "batch_size", "clip_score")
"""Fields a picture's text says nothing about: they ask for pictures, they do not change them."""

_PAIR = re.compile(r'(\w[\w \-/]{0,80}+):\s*("(?:\\.|[^\\"])*"|[^,]*)(?:,|$)')
_SIZE = re.compile(r"(\d{1,6})x(\d{1,6})")
_JSON = re.compile(r"(Civitai \w{1,20}): (?=[\[{])")
_MOST_JSON = 20
_WHEN_ABSENT = {"Clip skip": "1", "RNG": "NV", "Schedule type": "Automatic"}
_FIELDS = {f.name: f for kind in (Img2Img, Txt2Img) for f in fields_of(kind)}
"""Every field of what draws, by name; those of both kinds as txt2img has them."""
_TEXT_KEYS = {f.param.infotext for f in _FIELDS.values() if f.type is str and f.param.infotext}
_KEYS = {
    "prompt": "Prompt",
    "negative_prompt": "Negative prompt",
    "width": "Size-1",
    "height": "Size-2",
    "seed_resize_width": "Seed resize from-1",
    "seed_resize_height": "Seed resize from-2",
    "hires": HIRES,
    "hires_width": "Hires resize-1",
    "hires_height": "Hires resize-2",
}


@dataclass(frozen=True, slots=True)
class Usable:
    """What of a text this Easel can use.

    ``values`` are request fields by name, each valid by itself; ``problems`` sentences about the
    values left out (a sampler not known here, say).
    """

    values: dict[str, Any]
    problems: tuple[str, ...] = ()


def parse(text: str) -> dict[str, str]:
    """The keys and values of an infotext, with "Prompt" and "Negative prompt" among them.

    As A1111 reads it: the last line counts as parameters when it holds at least three, every line
    loses the spaces around it, and ``WxH`` values become two keys ("Size-1", "Size-2"). Keys whose
    absence means something are filled in. The lists that Civitai puts there as JSON are one value
    each. Any text is accepted.
    """
    lines, pairs = _taken_apart(text)
    prompt, negative = _prompts(lines)
    found = dict(_WHEN_ABSENT) if pairs else {}
    for key, value in pairs:
        found.update(_entries(key, value))
    return {**found, "Prompt": prompt, "Negative prompt": negative}


def written_pairs(text: str) -> list[tuple[str, str]]:
    """The keys and values of an infotext's last line as they are written, for people to see."""
    return _taken_apart(text)[1]


def usable(parsed: Mapping[str, str]) -> Usable:
    """The request fields a parsed text gives, and sentences about what cannot be used."""
    values: dict[str, Any] = {}
    problems: list[str] = []
    for field, text in _texts(parsed):
        try:
            value = field.parse(text)
            _kind_of(field)(**{field.name: value})
        except InvalidRequest as error:
            problems.append(error.message)
        else:
            values[field.name] = value
    return Usable(values, tuple(problems))


def to_request(parsed: Mapping[str, str]) -> Txt2Img:
    """The request a parsed text describes; ``InvalidRequest`` when a value is not valid here."""
    own = {field.name for field in fields_of(Txt2Img)}
    said = [(field, text) for field, text in _texts(parsed) if field.name in own]
    return Txt2Img(**{field.name: field.parse(text) for field, text in said})


@cache
def keys() -> Mapping[str, str]:
    """The key that a parsed text has for a field of what draws, by the field's name."""
    named = {f.name: f.param.infotext or _KEYS.get(f.name) for f in _FIELDS.values()}
    return {name: key for name, key in named.items() if key and name not in NEVER_WRITTEN}


def _kind_of(field: Field) -> type[DrawRequest]:
    """The request that has this field."""
    return Txt2Img if field in fields_of(Txt2Img) else Img2Img


def _taken_apart(text: str) -> tuple[list[str], list[tuple[str, str]]]:
    """The lines of an infotext's prompts, and the pairs of its last line."""
    *lines, last = text[:MAX_CHARS].strip().split("\n")
    lists, rest = _lists(last)
    pairs = [(key.strip(), unquote(value.strip())) for key, value in _PAIR.findall(rest)]
    if len(pairs) + len(lists) < 3:
        return [*lines, last], []
    return lines, [*pairs, *lists]


def _prompts(lines: list[str]) -> tuple[str, str]:
    positive: list[str] = []
    negative: list[str] = []
    chosen = positive
    for line in map(str.strip, lines):
        if line.startswith(NEGATIVE):
            chosen = negative
            line = line[len(NEGATIVE) :].strip()
        if chosen or line:
            chosen.append(line)
    return "\n".join(positive), "\n".join(negative)


def _lists(last: str) -> tuple[list[tuple[str, str]], str]:
    """Civitai's lists in a last line, and the line without them."""
    lists: list[tuple[str, str]] = []
    decoder = json.JSONDecoder()
    for _ in range(_MOST_JSON):
        found = _JSON.search(last)
        if found is None:
            break
        try:
            _, end = decoder.raw_decode(last, found.end())
        except (ValueError, RecursionError):
            break
        lists.append((found[1], last[found.end() : end]))
        last = last[: found.start()] + last[end:].lstrip(", ")
    return lists, last


def _entries(key: str, value: str) -> dict[str, str]:
    size = None if key in _TEXT_KEYS else _SIZE.fullmatch(value)
    if size is None:
        return {key: value}
    return {f"{key}-1": size[1], f"{key}-2": size[2]}


def _texts(parsed: Mapping[str, str]) -> Iterator[tuple[Field, str]]:
    """The fields a text says something about, with what it says."""
    found = meant(parsed)
    known = keys()
    for field in _FIELDS.values():
        key = known.get(field.name)
        if key is not None and key in found:
            yield field, found[key]
        elif key is not None and "Steps" in parsed and field.name in _off_when_absent():
            yield field, _off_when_absent()[field.name]


@cache
def _off_when_absent() -> Mapping[str, str]:
    """Fields that are written only where they differ from their default, with that as text."""
    always = {"prompt", "negative_prompt", "checkpoint", "sampler", "steps", "width", "height",
              "cfg_scale", "seed", "variation_seed", "denoising_strength"}  # fmt: skip
    return {
        field.name: "" if field.default is None else str(field.default)
        for field in fields_of(Txt2Img)
        if field.name not in always
    }
