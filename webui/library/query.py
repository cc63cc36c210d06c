"""What a person types to find pictures, as an expression for the search index: pure functions.

::

    red "two cats" -blurry model:xl size:512x768 tag:portrait after:2026-11 fav:yes

Any text is accepted; what looks like a filter and is none is searched as it stands.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date

from webui.library import terms

MAX_CHARS = 1000
MAX_TERMS = 32
"""Of a query; what is behind is not looked at."""

_TERM = re.compile(r'(-?)(?:(\w+):)?(?:"([^"]*)("?)|(\S+))')
_SAME = str.maketrans({"“": '"', "”": '"', "„": '"', "：": ":", "\0": " "})
_SIZE = re.compile(r"(\d{1,6})[x×*](\d{1,6})", re.IGNORECASE)
_DATE = re.compile(r"(\d{4})(?:-(\d{1,2})(?:-(\d{1,2}))?)?")
_TEXT = ("prompt", "negative", "file")
_COLUMN_OF = {"model": "model", "sampler": "sampler", "lora": "loras", "tag": "tags"}
_YES = ("yes", "true", "1", "on")
_NO = ("no", "false", "0", "off")
KEYS = (*_COLUMN_OF, "size", "seed", "board", "date", "after", "before", "fav")
_NOTHING = '"zzznothing"'


@dataclass(frozen=True, slots=True)
class Range:
    """Times in milliseconds, ``end`` excluded; None is open. ``inside`` or outside is wanted."""

    start: int | None
    end: int | None
    inside: bool = True


@dataclass(frozen=True, slots=True)
class Search:
    """An FTS5 expression, and the times it is limited to."""

    match: str
    ranges: tuple[Range, ...] = ()


@dataclass(frozen=True, slots=True)
class Term:
    """One part of what was typed. ``whole`` words were asked for, not beginnings of words."""

    text: str
    key: str = ""
    negated: bool = False
    whole: bool = False


def parse(typed: str) -> list[Term]:
    """The parts of what was typed."""
    found: list[Term] = []
    for match in _TERM.finditer(typed[:MAX_CHARS].translate(_SAME)):
        minus, key, quoted, closing, bare = match.groups()
        text = quoted if quoted is not None else bare
        if not key and text[-1:] == ":" and text[:-1].casefold() in KEYS:
            continue  # nothing follows it yet
        key = (key or "").casefold()
        if key and key not in KEYS:
            key, text = "", f"{match[2]}:{text}"
        found.append(Term(text, key, minus == "-", bool(closing)))
    return found[:MAX_TERMS]


def search(typed: str, *, facts: Iterable[str], boards: Callable[[str], Iterable[str]]) -> Search:
    """The search for what was typed, among pictures that have all the ``facts``.

    ``boards`` gives the ids of the boards that a beginning of a name can mean.
    """
    wanted = [f"facts:{fact}" for fact in facts]
    unwanted: list[str] = []
    ranges: list[Range] = []
    for term in parse(typed):
        limit = _range(term)
        if limit is not None:
            ranges.append(limit)
            continue
        expression = _expression(term, boards)
        if expression:
            (unwanted if term.negated != _says_no(term) else wanted).append(expression)
    match = " AND ".join(wanted)
    if unwanted:
        match = f"({match}) NOT ({' OR '.join(unwanted)})"
    return Search(match, tuple(ranges))


def _expression(term: Term, boards: Callable[[str], Iterable[str]]) -> str:
    """The term for FTS5; empty when there is no word in it."""
    fact = _fact(term)
    if fact:
        return fact
    if term.key == "board":
        found = [f"facts:{terms.board_fact(board)}" for board in boards(term.text)]
        return f"({' OR '.join(found)})" if found else f"facts:{_NOTHING}"
    if term.key in _COLUMN_OF:
        return _phrase((_COLUMN_OF[term.key],), term.text, whole=term.whole)
    text = f"{term.key} {term.text}" if term.key else term.text
    return _phrase(_TEXT, text, whole=term.whole)


def _fact(term: Term) -> str:
    text = term.text.strip()
    size = _SIZE.fullmatch(text) if term.key == "size" else None
    if size:
        return f"facts:{terms.size_fact(int(size[1]), int(size[2]))}"
    if term.key == "seed" and text.isascii() and text.isdigit() and len(text) <= 20:
        return f"facts:{terms.seed_fact(int(text))}"
    if term.key == "fav" and text.casefold() in (*_YES, *_NO):
        return f"facts:{terms.FAVOURITE}"
    return ""


def _says_no(term: Term) -> bool:
    return term.key == "fav" and term.text.strip().casefold() in _NO


def _phrase(columns: Iterable[str], text: str, *, whole: bool) -> str:
    words = terms.words(text)
    if not words:
        return ""
    return f'{{{" ".join(columns)}}} : "{words}"' + ("" if whole else " *")


def _range(term: Term) -> Range | None:
    if term.key not in ("date", "after", "before"):
        return None
    days = _days(term.text.strip())
    if days is None:
        return None
    start, end = days
    inside = not term.negated
    if term.key == "after":
        return Range(start, None, inside)
    return Range(None, start, inside) if term.key == "before" else Range(start, end, inside)


def _days(text: str) -> tuple[int, int] | None:
    """Beginning and end, in this computer's time, of a year, month or day."""
    match = _DATE.fullmatch(text)
    if match is None:
        return None
    year, month, day = (int(part) if part else None for part in match.groups())
    try:
        first = date(year or 0, month or 1, day or 1)
        if month is None:
            following = (first.year + 1, 1, 1)
        elif day is None:
            following = (first.year, first.month + 1, 1)
        else:
            following = (first.year, first.month, first.day + 1)
        return _midnight(first.year, first.month, first.day), _midnight(*following)
    except (ValueError, OverflowError):
        return None


def _midnight(year: int, month: int, day: int) -> int:
    """The day's beginning in milliseconds since 1970; months and days may run over."""
    return int(time.mktime((year, month, day, 0, 0, 0, 0, 0, -1)) * 1000)
