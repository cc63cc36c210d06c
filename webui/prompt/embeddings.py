"""Textual inversions (Gal et al. 2022) in a prompt: bare names among its words, as in A1111."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

_WORD = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class Called:
    """An embedding's name and where it stands in the text."""

    name: str
    start: int


class EmbeddingNames:
    """Names of embeddings, to be found in texts in any case.

    A name counts where no letter, digit or underscore touches it; of two that begin at one place
    the longer one does, as A1111's ``find_embedding_at_position`` has it (on tokens).
    """

    def __init__(self, names: Iterable[str]) -> None:
        self._by_word: dict[str, list[tuple[int, str, str]]] = {}
        for name in sorted(names, key=len, reverse=True):
            if word := _WORD.search(name):
                found = self._by_word.setdefault(word[0].casefold(), [])
                found.append((word.start(), name.casefold(), name))

    def find(self, text: str) -> tuple[Called, ...]:
        """The names in ``text``, in order, none within another."""
        return tuple(self._find(text))

    def _find(self, text: str) -> Iterator[Called]:
        end = 0
        for word in _WORD.finditer(text) if self._by_word else ():
            if word.start() < end:
                continue
            known = self._by_word.get(word[0].casefold(), ())
            if (called := _first(text, word.start(), known, end)) is not None:
                end = called.start + len(called.name)
                yield called


def _first(
    text: str, place: int, known: Sequence[tuple[int, str, str]], least: int
) -> Called | None:
    for before, folded, name in known:
        start = place - before
        end = start + len(name)
        if start < least or text[start:end].casefold() != folded:
            continue
        if not (_is_word(text[start - 1 : start]) or _is_word(text[end : end + 1])):
            return Called(name, start)
    return None


def _is_word(sign: str) -> bool:
    return bool(sign) and _WORD.match(sign) is not None
