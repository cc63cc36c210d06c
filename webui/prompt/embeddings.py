"""Textual inversions (Gal et al. 2022) in a prompt: bare names among its words, as in A1111."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
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
        # By a name's first word and how far into the name it begins, then by the name's length.
        self._known: dict[str, dict[tuple[int, int], dict[str, str]]] = {}
        for name in names:
            if word := _WORD.search(name):
                kinds = self._known.setdefault(word[0].casefold(), {})
                kinds.setdefault((-len(name), word.start()), {})[name.casefold()] = name

    def find(self, text: str) -> tuple[Called, ...]:
        """The names in ``text``, in order, none within another."""
        return tuple(self._find(text))

    def parts(self, text: str) -> Iterator[str | Called]:
        """``text`` in order: what no name stands in, and the names called."""
        end = 0
        for called in self._find(text):
            if called.start > end:
                yield text[end : called.start]
            yield called
            end = called.start + len(called.name)
        if end < len(text):
            yield text[end:]

    def __bool__(self) -> bool:
        return bool(self._known)

    def _find(self, text: str) -> Iterator[Called]:
        end = 0
        for word in _WORD.finditer(text) if self._known else ():
            kinds = self._known.get(word[0].casefold())
            if kinds is None or word.start() < end:
                continue
            if (called := _first(text, word.start(), kinds, end)) is not None:
                end = called.start + len(called.name)
                yield called


def _first(
    text: str, place: int, kinds: Mapping[tuple[int, int], Mapping[str, str]], least: int
) -> Called | None:
    """The longest name whose first word stands at ``place``, beginning not before ``least``."""
    for length, before in sorted(kinds):
        start = place - before
        end = start - length
        name = kinds[length, before].get(text[start:end].casefold()) if start >= least else None
        if (
            name is None
            or _is_word(text[max(start - 1, 0) : start])
            or _is_word(text[end : end + 1])
        ):
            continue
        return Called(name, start)
    return None


def _is_word(sign: str) -> bool:
    return bool(sign) and _WORD.match(sign) is not None
