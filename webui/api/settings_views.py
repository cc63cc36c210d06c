"""Settings as JSON."""

from __future__ import annotations

import typing
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from webui.settings import Entry, Setting

_PRIVATE_SECTIONS = frozenset({"server", "paths"})
_PLAIN = {bool: "boolean", int: "integer", float: "number", str: "string", Path: "path"}


def entry_views(entries: Iterable[Entry], *, is_admin: bool) -> list[dict[str, Any]]:
    """The settings that this caller may see."""
    return [
        entry_view(entry)
        for entry in entries
        if is_admin or entry.setting.section not in _PRIVATE_SECTIONS
    ]


def entry_view(entry: Entry) -> dict[str, Any]:
    """One setting as it stands; of a secret only whether there is one (``is_set``)."""
    setting, p = entry.setting, entry.setting.param
    return {
        "name": setting.key,
        "group": setting.group,
        "label": p.label,
        "help": p.help,
        "type": kind_of(setting),
        "options": list(setting.options),
        "minimum": p.minimum,
        "maximum": p.maximum,
        "step": p.step,
        "max_chars": p.max_chars,
        "a1111": p.a1111,
        "variable": setting.variable,
        "value": None if p.secret else _json(entry.value),
        "default": None if p.secret else _json(entry.default),
        "changed": entry.value != entry.default,
        "source": entry.source,
        "restart": p.restart,
        "waits": entry.waits,
        "fixed": entry.fixed or None,
        "secret": p.secret,
        "is_set": bool(entry.value),
    }


def kind_of(setting: Setting) -> str:
    """What its value is: boolean, integer, number, string, choice, path or list."""
    if setting.options:
        return "choice"
    if typing.get_origin(setting.field.type) is tuple:
        return "list"
    return _PLAIN[setting.field.type]


def _json(value: Any) -> Any:
    if isinstance(value, Path):
        return str(value)
    return list(value) if isinstance(value, tuple) else value
