"""What A1111's clients send: JSON read within bounds, and values as A1111's models take them.

A1111 checks its requests with pydantic 1, which takes ``"20"`` for a number and ``"true"`` for a
switch, and ``null`` for a field that was not sent; clients have come to rely on it.
"""

from __future__ import annotations

import json
import math
import reprlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, NoReturn, cast

from fastapi import Request
from starlette.concurrency import run_in_threadpool

from webui.api.errors import BadRequest
from webui.core.errors import InvalidRequest

MAX_DEPTH = 32
"""How deep lists and objects may lie in each other."""
_MAX_WHOLE = 2**63
_SHOWN = 60
_MAX_NUMBER_CHARS = 40

Kind = Literal["text", "whole", "number", "flag", "texts", "list", "object"]


@dataclass(frozen=True, slots=True)
class Known:
    """A field of A1111's request: what it holds, and its default there.

    ``role`` says what becomes of it: "used"; "idle" where A1111 itself makes nothing of it in a
    request that Easel can draw; "absent" where Easel has nothing it could change, so that a value
    other than the default is named in the answer. ``echoed`` says that A1111's answer lists it
    also when it was not sent.
    """

    name: str
    kind: Kind
    default: Any = None
    role: Literal["used", "idle", "absent"] = "used"
    echoed: bool = True


async def read_body(request: Request) -> dict[str, Any]:
    """The JSON object that a request's body is, read in a thread; an empty body is ``{}``.

    ``BadRequest`` for what is no JSON, ``InvalidRequest`` for what is no object, holds numbers
    that are none (NaN, infinity), or lies in itself deeper than ``MAX_DEPTH``.
    """
    return await run_in_threadpool(parse, await request.body())


def parse(body: bytes) -> dict[str, Any]:
    """See :func:`read_body`."""
    try:
        values = json.loads(body or b"{}", parse_constant=_no_number)
    except (ValueError, RecursionError):
        raise BadRequest("The body is not valid JSON.") from None
    if not isinstance(values, dict):
        raise InvalidRequest("The body is not a JSON object with fields.")
    _check_tree(cast("dict[str, Any]", values))
    return cast("dict[str, Any]", values)


def take(known: Mapping[str, Known], body: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of ``body`` that are known and not null, as their kind; others are left out.

    ``InvalidRequest`` names the first field whose value is of another kind.
    """
    return {
        name: _READERS[known[name].kind](name, value)
        for name, value in body.items()
        if name in known and value is not None
    }


def refuse(name: str, value: Any, what: str) -> NoReturn:
    """Raise the error that says that a field's value is not ``what``."""
    text = _SHORT.repr(value)
    shown = text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "..."
    raise InvalidRequest(f"The value {shown} is not {what}.", field=name)


def whole(name: str, value: Any) -> int:
    """A whole number: an int, a float without a fraction, or text that is one."""
    found = number(name, value, "a whole number")
    if found != int(found) or abs(found) >= _MAX_WHOLE:
        refuse(name, value, "a whole number")
    return value if isinstance(value, int) else int(found)


def number(name: str, value: Any, what: str = "a number") -> float:
    """A finite number: an int, a float, or text that is one."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        refuse(name, value, what)
    if isinstance(value, str) and len(value) > _MAX_NUMBER_CHARS:
        refuse(name, value, what)
    try:
        found = float(value)
    except (ValueError, OverflowError):
        refuse(name, value, what)
    if not math.isfinite(found):
        refuse(name, value, what)
    return found


def flag(name: str, value: Any) -> bool:
    """A switch: true, false, 1, 0, or a word for them."""
    if isinstance(value, bool):
        return value
    word = str(value).strip().casefold() if isinstance(value, int | str) else ""
    if word in _WORDS:
        return _WORDS[word]
    refuse(name, value, "true or false")


def text(name: str, value: Any) -> str:
    """A text."""
    if not isinstance(value, str):
        refuse(name, value, "text")
    return value


def texts(name: str, value: Any) -> list[str]:
    """A list of texts."""
    return [text(name, one) for one in items(name, value)]


def items(name: str, value: Any) -> list[Any]:
    """A list of anything."""
    if not isinstance(value, list):
        refuse(name, value, "a list")
    return cast("list[Any]", value)


def fields(name: str, value: Any) -> dict[str, Any]:
    """An object with names and values."""
    if not isinstance(value, dict):
        refuse(name, value, "an object with names and values")
    return cast("dict[str, Any]", value)


def _check_tree(values: dict[str, Any]) -> None:
    """Refuse what could not be written as JSON again."""
    left: list[tuple[Any, int]] = [(values, 1)]
    while left:
        value, depth = left.pop()
        if isinstance(value, float) and not math.isfinite(value):
            raise InvalidRequest("The body holds a number that is too large.")
        if isinstance(value, str) and not _is_sound(value):
            raise InvalidRequest("The body holds half a character, which is no text.")
        if not isinstance(value, dict | list):
            continue
        if depth > MAX_DEPTH:
            raise InvalidRequest(f"The body's lists and objects lie deeper than {MAX_DEPTH}.")
        inner = cast("list[Any]", value if isinstance(value, list) else [*value, *value.values()])
        left += [(one, depth + 1) for one in inner]


def _is_sound(text: str) -> bool:
    """Whether a text can be written in UTF-8: JSON lets halves of characters through."""
    if text.isascii():
        return True
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _no_number(name: str) -> NoReturn:
    raise ValueError(name)


_SHORT = reprlib.Repr()
_SHORT.maxlevel = 2
_SHORT.maxstring = _SHORT.maxother = _SHORT.maxlong = _SHOWN
_WORDS = {
    **dict.fromkeys(("1", "true", "yes", "on", "t", "y"), True),
    **dict.fromkeys(("0", "false", "no", "off", "f", "n"), False),
}
_READERS = {
    "text": text,
    "whole": whole,
    "number": number,
    "flag": flag,
    "texts": texts,
    "list": items,
    "object": fields,
}
