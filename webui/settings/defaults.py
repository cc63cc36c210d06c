"""The form values that a browser which remembers none begins with."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from webui.core.errors import InvalidRequest
from webui.core.params import fields_of
from webui.core.requests import Img2Img, Txt2Img
from webui.settings.save import write_text

FILE_NAME = "defaults.json"
REQUESTS: Mapping[str, type] = {"txt2img": Txt2Img, "img2img": Img2Img}
"""The forms that have defaults, and what their values become."""
MAX_CHARS = 1_000_000


class Defaults:
    """The saved form values of each tab, in ``defaults.json`` of the data folder."""

    def __init__(self, data: Path) -> None:
        self.path = data / FILE_NAME

    def all(self) -> dict[str, dict[str, Any]]:
        """The values by tab and field; a value that is no longer valid is left out.

        A file that is missing or damaged has none.
        """
        try:
            text = self.path.read_text(encoding="utf-8")
            found = json.loads(text) if len(text) <= MAX_CHARS else {}
        except (OSError, ValueError, RecursionError):
            return {}
        if not isinstance(found, dict):
            return {}
        return {tab: _valid(kind, found.get(tab)) for tab, kind in REQUESTS.items() if tab in found}

    def put(self, values: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
        """Keep ``{"txt2img": {"steps": 30}}``; tabs that are not named keep theirs.

        ``InvalidRequest`` names the field of a bad value, ``StorageError`` says why the file cannot
        be written; the file is then as it was.
        """
        merged = {**self.all(), **check(values)}
        write_text(self.path, json.dumps(merged, ensure_ascii=False, indent=2) + "\n")
        return merged

    def clear(self) -> None:
        """Forget all of them."""
        self.path.unlink(missing_ok=True)


def check(values: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Form values by tab as requests hold them: canonical names, whole numbers as ``int``."""
    found: dict[str, dict[str, Any]] = {}
    for tab, given in values.items():
        kind = REQUESTS.get(tab)
        if kind is None:
            known = ", ".join(REQUESTS)
            raise InvalidRequest(
                f"There is no form {tab[:60]!r}; there is {known}.", field=tab[:60]
            )
        if not isinstance(given, Mapping):
            raise InvalidRequest(f"{tab} is no object of fields and values.", field=tab)
        present = {name: value for name, value in given.items() if value is not None}
        request = kind.from_mapping(present)  # type: ignore[attr-defined]
        found[tab] = {name: getattr(request, name) for name in present}
    return found


def _valid(kind: type, given: Any) -> dict[str, Any]:
    if not isinstance(given, dict):
        return {}
    found: dict[str, Any] = {}
    for field in fields_of(kind):
        if field.name in given:
            try:
                kind.from_mapping({field.name: given[field.name]})  # type: ignore[attr-defined]
            except InvalidRequest:
                continue
            found[field.name] = given[field.name]
    return found
