"""What people may write on pictures: checked values."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from webui.core.errors import InvalidRequest

MAX_TAGS = 100
"""Of one picture."""

MAX_TAG_CHARS = 100
MAX_IDS = 5000
"""In one request."""

ACTIONS = (
    "delete",
    "restore",
    "favourite",
    "unfavourite",
    "add_to_board",
    "remove_from_board",
    "tag",
    "untag",
)


def checked_tag(value: Any, field: str = "tag") -> str:
    """A tag with single spaces and none around it; ``InvalidRequest`` if it cannot be one."""
    text = " ".join(value.split()) if isinstance(value, str) else ""
    if not text or len(text) > MAX_TAG_CHARS or not text.isprintable():
        shown = f", not {len(value)} of them" if isinstance(value, str) and len(value) > 100 else ""
        raise InvalidRequest(
            f"A tag is a text of 1 to {MAX_TAG_CHARS} characters{shown}.", field=field
        )
    return text


def checked_tags(values: Any) -> tuple[str, ...]:
    """A picture's tags, each once whatever its case."""
    if not isinstance(values, list):
        raise InvalidRequest("tags is a list of texts.", field="tags")
    found = with_tags((), [checked_tag(value, "tags") for value in values[: 10 * MAX_TAGS]])
    if len(found) > MAX_TAGS or len(values) > 10 * MAX_TAGS:
        raise InvalidRequest(f"A picture can have {MAX_TAGS} tags at most.", field="tags")
    return found


def with_tags(tags: Sequence[str], more: Iterable[str]) -> tuple[str, ...]:
    """The tags with ``more`` behind them, where they are not there already."""
    found = {tag.casefold(): tag for tag in tags}
    for tag in more:
        found.setdefault(tag.casefold(), tag)
    return tuple(found.values())


def without_tag(tags: Sequence[str], tag: str) -> tuple[str, ...]:
    """The tags without that one."""
    return tuple(t for t in tags if t.casefold() != tag.casefold())


def checked_ids(values: Any) -> list[str]:
    """Ids of pictures, each once; ``InvalidRequest`` if they are none or too many."""
    if not isinstance(values, list) or not all(isinstance(v, str) for v in values):
        raise InvalidRequest("ids is a list of pictures' ids.", field="ids")
    if not 0 < len(values) <= MAX_IDS:
        raise InvalidRequest(
            f"ids names 1 to {MAX_IDS} pictures, not {len(values)}; ask several times.", field="ids"
        )
    return list(dict.fromkeys(values))
