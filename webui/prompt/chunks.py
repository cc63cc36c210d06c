"""Tokens of any number as chunks of the length a text encoder reads, as A1111 cuts them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

COMMA_BACKTRACK = 20
"""A phrase behind a comma that would be cut this near to its beginning moves to the next chunk."""

Token = int | tuple[int, ...]
"""A token's id, or ids that are never parted between chunks: an embedding's vectors."""

Tokens = Iterable[tuple[Token, float]]
"""Tokens with their weights."""


@dataclass(frozen=True, slots=True)
class Marks:
    """Token ids that frame a chunk, and ``length``: tokens of a whole chunk, marks included."""

    start: int
    end: int
    pad: int
    comma: int | None
    length: int


@dataclass(frozen=True, slots=True)
class Chunk:
    """Token ids and their weights, both ``Marks.length`` long."""

    tokens: tuple[int, ...]
    weights: tuple[float, ...]

    @property
    def weighted(self) -> bool:
        """Whether any weight is not neutral."""
        return any(weight != 1.0 for weight in self.weights)


def split(sections: Iterable[Tokens], marks: Marks) -> tuple[Chunk, ...]:
    """Chunks, at least one, of the tokens of each section; a section begins a new chunk."""
    return tuple(_framed(chunk, marks) for chunk in cut(sections, marks.length - 2, marks.comma))


def cut(sections: Iterable[Tokens], room: int, comma: int | None) -> list[list[tuple[int, float]]]:
    """The tokens of each chunk, at most ``room``, without what frames and fills it.

    A section without tokens fills a chunk with padding, but for the last one.
    """
    chunks: list[list[tuple[int, float]]] = []
    current: list[tuple[int, float]] = []
    for number, tokens in enumerate(sections):
        if number:
            chunks.append(current)
            current = []
        *whole, current = _cut(tokens, room, comma)
        chunks += whole
    if current or not chunks:
        chunks.append(current)
    return chunks


def _cut(tokens: Tokens, room: int, comma: int | None) -> list[list[tuple[int, float]]]:
    chunks: list[list[tuple[int, float]]] = []
    current: list[tuple[int, float]] = []
    after_comma = 0
    for token, weight in tokens:
        if len(current) == room:
            moved: list[tuple[int, float]] = []
            if token != comma and after_comma and room - after_comma < COMMA_BACKTRACK:
                moved = current[after_comma:]
            chunks.append(current[: room - len(moved)])
            current, after_comma = moved, 0
        ids = token if isinstance(token, tuple) else (token,)
        if len(current) + len(ids) > room:
            chunks.append(current)
            current, after_comma = [], 0
        current += [(one, weight) for one in ids]
        if token == comma:
            after_comma = len(current)
    return [*chunks, current]


def _framed(pairs: Sequence[tuple[int, float]], marks: Marks) -> Chunk:
    padding = marks.length - 2 - len(pairs)
    tokens = (marks.start, *(token for token, _ in pairs), marks.end, *(marks.pad,) * padding)
    return Chunk(tokens, (1.0, *(weight for _, weight in pairs), *(1.0,) * (padding + 1)))
