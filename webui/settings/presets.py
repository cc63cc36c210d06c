"""Presets: named request values that everybody may begin with."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from webui.core.errors import Conflict, InvalidRequest, NotFound, StorageError
from webui.core.requests import Txt2Img
from webui.settings.save import write_text

FILE_NAME = "presets.json"
MAX_PRESETS = 500
MAX_PRESET_CHARS = 100
_MAX_FILE_CHARS = 20_000_000
_LOCK = threading.Lock()  # one file for all instances of the class in this process


class Presets:
    """The presets in ``presets.json`` of the data folder, by name; safe to use from threads.

    A preset holds some fields of a txt2img request. The file is written whole or not at all.
    """

    def __init__(self, data: Path) -> None:
        self._path = data / FILE_NAME

    def all(self) -> dict[str, dict[str, Any]]:
        """Every preset by name, in the order they were made.

        ``StorageError`` when the file is there and cannot be read, so that nothing overwrites it.
        """
        try:
            text = self._path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as error:
            raise StorageError(f"{self._path.name} cannot be read ({error}).") from None
        try:
            found = json.loads(text) if len(text) <= _MAX_FILE_CHARS else None
        except (ValueError, RecursionError):
            found = None
        if not isinstance(found, dict) or not all(isinstance(v, dict) for v in found.values()):
            raise StorageError(f"{self._path} holds no presets; mend or delete it.")
        return found

    def get(self, name: str) -> dict[str, Any]:
        """The values of a preset; ``NotFound`` if there is none of that name."""
        found = self.all().get(name)
        if found is None:
            raise NotFound(f"There is no preset {name[:60]!r}.", field="preset")
        return found

    def put(self, name: str, values: Mapping[str, Any]) -> dict[str, Any]:
        """Make or replace a preset; the values as requests hold them.

        ``InvalidRequest`` names a bad field, ``Conflict`` says that there are 500 already.
        """
        checked_name(name)
        request = Txt2Img.from_mapping(values)
        kept = {field: getattr(request, field) for field in values}
        with _LOCK:
            found = self.all()
            if name not in found and len(found) >= MAX_PRESETS:
                raise Conflict(f"There are {MAX_PRESETS} presets already; delete one first.")
            self._write({**found, name: kept})
        return kept

    def remove(self, name: str) -> None:
        """Delete a preset; ``NotFound`` if there is none of that name."""
        with _LOCK:
            found = self.all()
            if name not in found:
                raise NotFound(f"There is no preset {name[:60]!r}.", field="name")
            del found[name]
            self._write(found)

    def _write(self, presets: Mapping[str, Any]) -> None:
        write_text(self._path, json.dumps(presets, ensure_ascii=False, indent=2) + "\n")


def checked_name(name: str) -> str:
    """A preset's name: one printable line of 1 to 100 characters, no slash, no space around it."""
    fits = 0 < len(name) <= MAX_PRESET_CHARS and name.isprintable() and name == name.strip()
    if not fits or "/" in name:
        raise InvalidRequest(
            f"A preset's name is a line of 1 to {MAX_PRESET_CHARS} characters without a slash.",
            field="name",
        )
    return name
