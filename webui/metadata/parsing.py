"""A1111's text read back into a request, whoever wrote it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from webui.core.errors import InvalidRequest
from webui.core.params import fields_of
from webui.core.requests import Txt2Img
from webui.metadata.infotext import NEGATIVE, unquote

MAX_CHARS = 200_000
"""Longer texts are cut before they are read: no request gives one that long."""

_PAIR = re.compile(r'(\w[\w \-/]{0,80}):\s*("(?:\\.|[^\\"])*"|[^,]*)(?:,|$)')
_SIZE = re.compile(r"(\d{1,6})x(\d{1,6})")
_WHEN_ABSENT = {"Clip skip": "1", "RNG": "NV", "Schedule type": "Automatic"}
_OFF_WHEN_ABSENT = {"Variation seed strength": "0", "Tiling": "False", "Best of": "1"}
_TEXT_KEYS = {f.param.infotext for f in fields_of(Txt2Img) if f.type is str and f.param.infotext}


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
    absence means something are filled in. Any text is accepted.
    """
    *lines, last = text[:MAX_CHARS].strip().split("\n")
    pairs = _PAIR.findall(last)
    if len(pairs) < 3:
        lines.append(last)
        pairs = []
    prompt, negative = _prompts(lines)
    found = dict(_WHEN_ABSENT) if pairs else {}
    for key, value in pairs:
        found.update(_entries(key.strip(), unquote(value.strip())))
    return {**found, "Prompt": prompt, "Negative prompt": negative}


def usable(parsed: Mapping[str, str]) -> Usable:
    """The request fields a parsed text gives, and sentences about what cannot be used."""
    values: dict[str, Any] = {}
    problems: list[str] = []
    fields = {field.name: field for field in fields_of(Txt2Img)}
    for name, text in _texts(parsed):
        try:
            value = fields[name].parse(text)
            Txt2Img(**{name: value})
        except InvalidRequest as error:
            problems.append(error.message)
        else:
            values[name] = value
    return Usable(values, tuple(problems))


def to_request(parsed: Mapping[str, str]) -> Txt2Img:
    """The request a parsed text describes; ``InvalidRequest`` when a value is not valid here."""
    fields = {field.name: field for field in fields_of(Txt2Img)}
    return Txt2Img(**{name: fields[name].parse(text) for name, text in _texts(parsed)})


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


def _entries(key: str, value: str) -> dict[str, str]:
    size = None if key in _TEXT_KEYS else _SIZE.fullmatch(value)
    if size is None:
        return {key: value}
    return {f"{key}-1": size[1], f"{key}-2": size[2]}


def _texts(parsed: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    keys = {"prompt": "Prompt", "negative_prompt": "Negative prompt"}
    keys |= {"width": "Size-1", "height": "Size-2"}
    found = {**(_OFF_WHEN_ABSENT if "Steps" in parsed else {}), **parsed}
    for field in fields_of(Txt2Img):
        key = field.param.infotext or keys.get(field.name)
        if key is not None and key in found:
            yield field.name, found[key]
