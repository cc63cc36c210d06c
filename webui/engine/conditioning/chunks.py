"""Tokens of any number as chunks of the length a text encoder reads, as A1111 cuts them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

COMMA_BACKTRACK = 20
"""A phrase behind a comma that would be cut this near to its beginning moves to the next chunk."""


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


def split(tokens: Iterable[tuple[int, float]], marks: Marks) -> tuple[Chunk, ...]:
    """Chunks, at least one, of (token, weight) pairs."""
    room = marks.length - 2
    chunks: list[list[tuple[int, float]]] = []
    current: list[tuple[int, float]] = []
    after_comma = 0
    for token, weight in tokens:
        if len(current) == room:
            moved: list[tuple[int, float]] = []
            if token != marks.comma and after_comma and room - after_comma < COMMA_BACKTRACK:
                moved = current[after_comma:]
            chunks.append(current[: room - len(moved)])
            current, after_comma = moved, 0
        current.append((token, weight))
        if token == marks.comma:
            after_comma = len(current)
    if current or not chunks:
        chunks.append(current)
    return tuple(_framed(chunk, marks) for chunk in chunks)


def _framed(pairs: list[tuple[int, float]], marks: Marks) -> Chunk:
    padding = marks.length - 2 - len(pairs)
    tokens = (marks.start, *(token for token, _ in pairs), marks.end, *(marks.pad,) * padding)
    return Chunk(tokens, (1.0, *(weight for _, weight in pairs), *(1.0,) * (padding + 1)))
