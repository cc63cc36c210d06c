"""JSON from anyone's file: bounded, never an error, and read only as what it is."""

from __future__ import annotations

import json
from typing import Any, cast

MAX_CHARS = 4_000_000
"""JSON longer than this is not read."""


def load(text: object) -> Any:
    """What a JSON text says; None for what is no JSON, is too long or too deep."""
    if not isinstance(text, str) or len(text) > MAX_CHARS:
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def load_object(text: object) -> dict[str, Any]:
    """A JSON text's object; {} when it is none."""
    return as_object(load(text))


def as_object(value: object) -> dict[str, Any]:
    """``value`` if it is an object, else {}."""
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def as_list(value: object) -> list[Any]:
    """``value`` if it is a list, else []."""
    return cast("list[Any]", value) if isinstance(value, list) else []


def as_text(value: object, *, strip: bool = True) -> str:
    """A text or number as text (7.0 is "7"); "" for anything else.

    ``strip`` takes the spaces around it away. Halves of characters become "?": JSON can escape
    them, and nothing can be written with them.
    """
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    try:
        text = str(value)
    except ValueError:  # a whole number of more digits than Python will write
        return ""
    text = text.encode("utf-8", "replace").decode("utf-8")
    return text.strip() if strip else text
