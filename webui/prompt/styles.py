"""Styles: named pieces of prompt that are added to what somebody types, in A1111's CSV format."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from dataclasses import dataclass

PLACE = "{prompt}"
COLUMNS = ("name", "prompt", "negative_prompt")
_MOST_CHARS = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Style:
    """A named addition to prompt and negative prompt.

    Where a text holds ``{prompt}``, the typed prompt goes there; else the text follows it.
    """

    name: str
    prompt: str = ""
    negative_prompt: str = ""


def read_styles(text: str) -> tuple[Style, ...]:
    """The styles of a ``styles.csv``; of two with one name the last counts.

    A byte order mark is ignored; so are rows without a name and columns of other names. Without a
    header line the columns are name, prompt, negative_prompt. Never fails.
    """
    rows = [row for row in _rows(text.removeprefix("\ufeff")) if any(row)]
    columns: tuple[str, ...] = COLUMNS
    if rows and "name" in (heads := tuple(cell.strip().casefold() for cell in rows[0])):
        columns, rows = heads, rows[1:]
    found: dict[str, Style] = {}
    for row in rows:
        cells = dict(zip(columns, row, strict=False))
        name = cells.get("name", "").strip()
        if name:
            # A1111's first versions called the column "text".
            prompt = cells.get("prompt", cells.get("text", ""))
            found[name] = Style(name, prompt, cells.get("negative_prompt", ""))
    return tuple(found.values())


def write_styles(styles: Iterable[Style]) -> str:
    """The text of a ``styles.csv`` that holds these styles and reads back as they are."""
    out = io.StringIO()
    # Every cell in quotes: the csv module would leave a lone "\r" bare, which ends a row.
    writer = csv.writer(out, lineterminator="\n", quoting=csv.QUOTE_ALL)
    writer.writerow(COLUMNS)
    writer.writerows((s.name, s.prompt, s.negative_prompt) for s in styles)
    return out.getvalue()


def merge(prompt: str, addition: str) -> str:
    """``prompt`` with one style's text: in its ``{prompt}``, else after a comma."""
    if PLACE in addition:
        return addition.replace(PLACE, prompt)
    return ", ".join(part for part in (prompt.strip(), addition.strip()) if part)


def _rows(text: str) -> list[list[str]]:
    reader = csv.reader(io.StringIO(text, newline=""))
    rows: list[list[str]] = []
    csv.field_size_limit(_MOST_CHARS)  # else all behind a long cell would be lost on writing
    try:
        for row in reader:
            rows.append(row)  # noqa: PERF402  what was read before an error is kept
    except csv.Error:
        pass
    return rows
