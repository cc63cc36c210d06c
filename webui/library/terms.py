"""Texts as the search index keeps them: pure functions.

Everything a picture can be found by is a word in SQLite's full-text index. Texts are cut into
words here, in the same way when they are indexed and when they are searched; facts (owner, board,
size …) become words of a column of their own, so that one query answers all of it.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterable

from webui.library.row import Row

COLUMNS = ("prompt", "negative", "file", "model", "sampler", "loras", "tags", "facts")
MAX_CHARS = 50_000
"""Of each text; what is behind is not searched."""

LIVE, TRASHED, FAVOURITE = "live", "trashed", "favourite"
_UNSPACED = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_WORD = re.compile(rf"[{_UNSPACED}]|[^\W_{_UNSPACED}]+")


def words(text: str) -> str:
    """The words of a text with spaces between: no case, accents or punctuation.

    Where a script writes no spaces, every character is a word, so that any part can be found.
    """
    text = text[:MAX_CHARS].casefold()
    if not text.isascii():
        plain = unicodedata.normalize("NFKD", text)
        text = "".join(c for c in plain if not unicodedata.combining(c))
    return " ".join(_WORD.findall(text))


def document(row: Row, boards: Iterable[str]) -> tuple[str, ...]:
    """What the index keeps of a picture: the values of :data:`COLUMNS`."""
    apart = " zzz ".join  # a phrase does not reach from one name into the next
    return (
        words(row.prompt),
        words(row.negative_prompt),
        words(row.name),
        words(row.model),
        words(row.sampler),
        apart(map(words, row.loras)),
        apart(map(words, row.tags)),
        " ".join(_facts(row, boards)),
    )


def owner_fact(owner: str) -> str:
    """The word that pictures of this owner have."""
    return "o" + _digest(owner)


def tag_fact(tag: str) -> str:
    """The word that pictures with exactly this tag have, in upper or lower case."""
    return "t" + _digest(tag.casefold())


def board_fact(board_id: str) -> str:
    """The word that pictures on this board have."""
    return "b" + _digest(board_id)


def size_fact(width: int, height: int) -> str:
    """The word that pictures of this size have."""
    return f"s{width}x{height}"


def seed_fact(seed: int) -> str:
    """The word that pictures of this seed have."""
    return f"n{seed}"


def _facts(row: Row, boards: Iterable[str]) -> Iterable[str]:
    yield LIVE if row.deleted is None else TRASHED
    if row.favourite:
        yield FAVOURITE
    yield owner_fact(row.owner)
    yield size_fact(row.width, row.height)
    if row.seed >= 0:
        yield seed_fact(row.seed)
    yield from map(tag_fact, row.tags)
    yield from map(board_fact, boards)


def _digest(text: str) -> str:
    return hashlib.blake2s(text.encode("utf-8", "replace"), digest_size=8).hexdigest()
