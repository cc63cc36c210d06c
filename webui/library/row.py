"""One picture as the index keeps it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Any

_LORA = re.compile(r"<(?:lora|lyco):([^:<>]{1,300})(?::[^<>]*)?>", re.IGNORECASE)
_WRAP = 1 << 64
_HIGHEST = (1 << 63) - 1


@dataclass(frozen=True, slots=True)
class Row:
    """One picture in the index.

    ``path`` is relative to the output folder, with ``/``; that of an imported picture which lies
    elsewhere is absolute. ``created`` and ``deleted`` are seconds since 1970; a picture with
    ``deleted`` is in the trash. ``missing`` says that its file was not there when last looked for.
    """

    id: str
    job_id: str | None
    image_index: int
    path: str
    format: str
    created: float
    seconds: float
    width: int
    height: int
    seed: int
    prompt: str
    negative_prompt: str
    model: str
    sampler: str
    infotext: str
    owner: str
    favourite: bool = False
    tags: tuple[str, ...] = ()
    deleted: float | None = None
    missing: bool = False
    imported: bool = False

    @property
    def loras(self) -> tuple[str, ...]:
        """The names in ``<lora:name:weight>``, each once, in order."""
        return tuple(dict.fromkeys(name.strip() for name in _LORA.findall(self.prompt)))

    @property
    def name(self) -> str:
        """The file's name."""
        return self.path.replace("\\", "/").rsplit("/", 1)[-1]


NAMES = tuple(f.name for f in fields(Row))
COLUMNS = ", ".join(NAMES)


def to_values(row: Row) -> tuple[Any, ...]:
    """The values of :data:`COLUMNS`, as SQLite takes them."""
    values = {name: getattr(row, name) for name in NAMES}
    values["tags"] = to_text(row.tags)
    # SQLite's numbers have a sign; ComfyUI's seeds fill 64 bits without one.
    values["seed"] = row.seed - _WRAP if row.seed > _HIGHEST else row.seed
    return storable(values.values())


def to_text(names: Iterable[str]) -> str:
    """Several names as one text."""
    return str(*storable([json.dumps(list(names), ensure_ascii=False)]))


def to_row(values: Iterable[Any]) -> Row:
    """The row of what was read from :data:`COLUMNS`."""
    found = dict(zip(NAMES, values, strict=True))
    found["tags"] = tuple(str(tag) for tag in json.loads(found["tags"]))
    if found["seed"] < -1:
        found["seed"] += _WRAP
    for name in ("favourite", "missing", "imported"):
        found[name] = bool(found[name])
    return Row(**found)


def storable(values: Iterable[object]) -> tuple[object, ...]:
    """Values as SQLite takes them: texts without lone surrogates."""
    return tuple(
        value.encode("utf-8", "replace").decode("utf-8") if isinstance(value, str) else value
        for value in values
    )
