"""Prompts from a file or text box: one request for each line, with A1111's flags.

A line is a prompt, or begins with ``--`` and is flags::

    a red circle
    --prompt "a blue star" --negative_prompt "text" --steps 30 --cfg_scale 5 --seed 7

The flags are the names of A1111's HTTP API and our own field names.
"""

from __future__ import annotations

import shlex
from functools import cache

from webui.core.errors import InvalidRequest
from webui.core.params import Field, fields_of
from webui.core.requests import MAX_IMAGES, Changes, Txt2Img

MAX_CHARS = 1_000_000
_IGNORED = {"outpath_samples", "outpath_grids", "prompt_for_display", "do_not_save_samples",
            "do_not_save_grid", "restore_faces"}  # fmt: skip
"""A1111's flags about files and faces, which have no counterpart: they are passed over."""


def read_prompt_lines(text: str) -> list[Changes]:
    """What each line that is not empty sets; ``InvalidRequest`` names the line that is wrong."""
    if len(text) > MAX_CHARS:
        raise InvalidRequest(f"The list of prompts is longer than {MAX_CHARS} characters.")
    lines = [
        (number, line.strip())
        for number, line in enumerate(text.removeprefix("\ufeff").splitlines(), start=1)
        if line.strip()
    ]
    if len(lines) > MAX_IMAGES:
        raise InvalidRequest(f"There are {len(lines)} prompts; the most is {MAX_IMAGES}.")
    return [_line(number, line) for number, line in lines]


def _line(number: int, line: str) -> Changes:
    if not line.startswith("--"):
        return (("prompt", line),)
    try:
        words = shlex.split(line)
    except ValueError:
        raise InvalidRequest(f"Line {number} has a quote that is not closed.") from None
    try:
        return _flags(words)
    except InvalidRequest as error:
        raise InvalidRequest(f"Line {number}: {error.message}") from None


def _flags(words: list[str]) -> Changes:
    """Flags with what follows each, up to the next: prompts may be written without quotes."""
    found: dict[str, object] = {}
    place = 0
    while place < len(words):
        flag = words[place].removeprefix("--").replace("-", "_")
        end = place + 1
        while end < len(words) and not words[end].startswith("--"):
            end += 1
        value = " ".join(words[place + 1 : end])
        place = end
        if flag in _IGNORED:
            continue
        field = _fields().get(flag)
        if field is None:
            raise InvalidRequest(f"there is no flag --{flag[:60]}.")
        found[field.name] = field.parse(value or ("true" if field.type is bool else value))
    Txt2Img.from_mapping(found)
    return tuple(found.items())


@cache
def _fields() -> dict[str, Field]:
    fields = {f.name: f for f in fields_of(Txt2Img)}
    others = {f.param.a1111: f for f in fields.values() if f.param.a1111}
    return {**others, "sd_model": fields["checkpoint"], **fields}
