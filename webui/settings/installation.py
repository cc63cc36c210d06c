"""What an installation of A1111, Forge or ComfyUI has that can be taken over; nothing is written.

Options and form values are matched by what our declarations say of A1111: the ``a1111`` names of
settings and request fields, and the labels of request fields.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from webui.core.errors import InvalidRequest, SetupError
from webui.core.params import Field, fields_of
from webui.core.paths import at_home
from webui.core.requests import Txt2Img
from webui.settings import options
from webui.settings.declared import Setting, checked

MAX_JSON_BYTES = 5_000_000
MAX_STYLES_BYTES = 20_000_000
_UI_KEY = re.compile(r"(?:customscript/[^/]+/)?txt2img/(.+)/value")
_TAKEN_FIELDS = frozenset({"CLIP_stop_at_last_layers", "randn_source"})
"""Of the options that are request fields here, those that become form values: the others stand in
every config.json with what is usual, which would only fill the form."""


@dataclass
class Installation:
    """What was found.

    ``settings`` and ``defaults`` (txt2img fields) are checked; ``taken`` and ``unknown`` are their
    names over there (``names``: the setting of each that became one), ``refused`` those whose value
    cannot be used, with one sentence each. ``checkpoint`` is the chosen checkpoint's title;
    ``styles`` the text of ``styles.csv``.
    """

    folder: Path
    program: str
    settings: dict[str, Any] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    defaults: dict[str, Any] = field(default_factory=dict)
    checkpoint: str = ""
    styles: str = ""
    taken: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)


def read_installation(folder: str) -> Installation:
    """Look through the installation in ``folder``; a sentence (``InvalidRequest``) if that fails.

    Its ``config.json``, ``ui-config.json`` and ``styles.csv`` need not be there, but have to be
    whole where they are.
    """
    root = _folder(folder)
    found = Installation(root, _program(root))
    for name, value in options.numbered(_read_json(root / "config.json")).items():
        _take_option(found, name, value)
    labels = {f.param.label.casefold(): f for f in fields_of(Txt2Img)}
    for name, value in _read_json(root / "ui-config.json").items():
        match = _UI_KEY.fullmatch(name)
        if match is not None:
            _take_field(found, name, labels.get(match[1].casefold()), value)
    found.styles = _read_text(root / "styles.csv", MAX_STYLES_BYTES)
    return found


def _folder(text: str) -> Path:
    path = at_home(text.strip()) if "\0" not in text else Path()
    if not path.is_absolute():
        raise InvalidRequest(
            f"The folder is {text[:200]!r}; give its whole path, from the root of the disk on.",
            field="folder",
        )
    if not path.is_dir():
        raise InvalidRequest(f"There is no folder {str(path)!r}.", field="folder")
    if not (path / "models").is_dir():
        raise InvalidRequest(
            f"{str(path)!r} is no A1111, Forge or ComfyUI: it has no folder 'models'.",
            field="folder",
        )
    return path


def _program(root: Path) -> str:
    if (root / "comfy").is_dir():
        return "ComfyUI"
    return "Forge" if (root / "modules_forge").is_dir() else "A1111"


def _take_option(found: Installation, name: str, value: Any) -> None:
    setting = options.SETTINGS.get(name)
    if setting is not None:
        _take_setting(found, name, setting, value)
    elif name == options.CHECKPOINT:
        if isinstance(value, str) and value.strip():
            found.checkpoint = value
    else:
        declared = options.FIELDS[name] if name in _TAKEN_FIELDS else None
        _take_field(found, name, declared, value)


def _take_setting(found: Installation, name: str, setting: Setting, value: Any) -> None:
    try:
        ours = options.to_ours(name, value)
        if ours is not None:
            found.settings[setting.key] = checked(setting, ours, base=found.folder)
            found.names[name] = setting.key
            found.taken.append(name)
    except (InvalidRequest, SetupError) as error:
        found.refused[name] = error.message


def _take_field(found: Installation, name: str, declared: Field | None, value: Any) -> None:
    if declared is None:
        found.unknown.append(name)
        return
    try:
        request = Txt2Img.from_mapping({declared.name: value})
    except InvalidRequest as error:
        found.refused[name] = error.message
        return
    found.defaults[declared.name] = getattr(request, declared.name)
    found.taken.append(name)


def _read_json(path: Path) -> Mapping[str, Any]:
    text = _read_text(path, MAX_JSON_BYTES)
    if not text:
        return {}
    try:
        values = json.loads(text)
    except (ValueError, RecursionError):
        raise InvalidRequest(
            f"{path} is not valid JSON; mend or delete it.", field="folder"
        ) from None
    if not isinstance(values, dict):
        raise InvalidRequest(f"{path} holds no JSON object with names.", field="folder")
    return values


def _read_text(path: Path, most: int) -> str:
    """A file's text; "" where there is none."""
    try:
        if path.stat().st_size > most:
            raise InvalidRequest(f"{path} is larger than {most // 1_000_000} MB.", field="folder")
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        return ""
    except UnicodeDecodeError:
        raise InvalidRequest(f"{path} is not text in UTF-8.", field="folder") from None
    except OSError as error:
        raise InvalidRequest(f"{path} cannot be read ({error.strerror}).", field="folder") from None
