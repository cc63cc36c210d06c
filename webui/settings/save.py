"""Writing the settings file: small TOML, atomically, readable by its owner only."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from webui.core.errors import SetupError, StorageError
from webui.settings.declared import convert, describe
from webui.settings.load import FILE_NAME, find_home, read_file
from webui.settings.sections import Settings


def settings_file(settings: Settings) -> Path:
    """Where the settings are kept."""
    return settings.paths.data / FILE_NAME


def save_settings(changes: Mapping[str, Any], settings: Settings) -> None:
    """Change settings in the file: ``{"saving.format": "webp"}``; None goes back to the default.

    Takes effect at the next ``load_settings``. What else the file holds is kept, comments are not.
    An unknown name or bad value raises ``SetupError``, a failed write ``StorageError``; the file
    is then as it was.
    """
    known = {s.key: s for s in describe() if s.key != "paths.data"}
    path = settings_file(settings)
    data = read_file(path)
    for key, value in changes.items():
        if key not in known:
            raise SetupError(f"There is no setting {key!r} that can be saved.")
        section, name = key.split(".", 1)
        values = data[section] = data[section] if isinstance(data.get(section), dict) else {}
        if value is None:
            values.pop(name, None)
        else:
            convert(known[key], value, source=key, base=find_home())
            values[name] = value
    write_text(path, _toml(data))


def write_text(path: Path, text: str) -> None:
    """Write a small file atomically, readable by its owner only; ``StorageError`` if that fails."""
    temporary: str | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(prefix=".settings-", dir=path.parent)
        with os.fdopen(handle, "w", encoding="utf-8", errors="replace", newline="\n") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except OSError as error:
        if temporary:
            with suppress(OSError):
                Path(temporary).unlink()
        raise StorageError(f"The file {path} cannot be written ({error.strerror}).") from None


def _toml(data: Mapping[str, Any]) -> str:
    plain = [f"{_key(k)} = {_value(v)}" for k, v in data.items() if not isinstance(v, dict)]
    lines = ["# Easel's settings. Delete a line to go back to its default.", *plain]
    for section, values in data.items():
        if isinstance(values, dict) and values:
            lines += ["", f"[{_key(section)}]"]
            lines += [f"{_key(name)} = {_value(value)}" for name, value in values.items()]
    return "\n".join(lines) + "\n"


def _key(name: str) -> str:
    bare = name.isascii() and name.replace("_", "").replace("-", "").isalnum()
    return name if bare else _value(name)


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return repr(value)
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(_value(v) for v in value) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_key(k)} = {_value(v)}" for k, v in value.items()) + "}"
    return json.dumps(str(value), ensure_ascii=False).replace("\x7f", "\\u007f")
