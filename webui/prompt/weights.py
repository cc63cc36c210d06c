"""Emphasis: how much each part of a prompt weighs, by A1111's rules.

``(x)`` ×1.1, ``[x]`` ÷1.1, ``(x:1.5)`` ×1.5; brackets nest and multiply. A bracket that is never
closed holds to the end of the text; one that closes nothing is text. A backslash makes the next
character text. Round and square brackets are matched apart, so they may overlap. Weights are kept
within ±1000: beyond, and in thousands of nested brackets, they would overflow.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

ROUND = 1.1
SQUARE = 1 / 1.1
MOST = 1000.0

_TOKEN = re.compile(
    r"""
    \\(?P<escaped>[()\[\]\\]?)                 # an escape; before other characters it is dropped
    | (?P<open>[(\[])
    | :\s*(?P<weight>[+-]?[.\d]+)\s*\)         # the end of (x:1.2)
    | (?P<close>[)\]])
    | (?P<text>[^\\()\[\]:]+|:)
    """,
    re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class Span:
    """A piece of a prompt and its weight; 1 is neutral."""

    text: str
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class _Range:
    """Pieces ``start`` to ``end`` (exclusive) are multiplied by ``factor``."""

    start: int
    end: int
    factor: float


def parse(text: str) -> tuple[Span, ...]:
    """The pieces of ``text`` with their weights; at least one, neighbours differ in weight.

    Never fails: what is not valid emphasis is text. Takes time linear in the text's length.
    """
    pieces, round_ranges, square_ranges = _scan(text)
    weights = zip(
        _products(round_ranges, len(pieces)), _products(square_ranges, len(pieces)), strict=True
    )
    spans = (Span(p, _bounded(r * s)) for p, (r, s) in zip(pieces, weights, strict=True) if p)
    return tuple(_merged(spans)) or (Span(""),)


def _scan(text: str) -> tuple[list[str], list[_Range], list[_Range]]:
    """Pieces of text, and the ranges of round and square brackets over them."""
    pieces: list[str] = []
    opened: dict[str, list[int]] = {")": [], "]": []}
    ranges: dict[str, list[_Range]] = {")": [], "]": []}
    factors = {")": ROUND, "]": SQUARE}
    for match in _TOKEN.finditer(text):
        kind, value = match.lastgroup, match[0]
        weight = _number(match["weight"]) if kind == "weight" else None
        if kind == "open":
            opened[")" if value == "(" else "]"].append(len(pieces))
        elif weight is not None and opened[")"]:
            ranges[")"].append(_Range(opened[")"].pop(), len(pieces), weight))
        elif kind == "close" and opened[value]:
            ranges[value].append(_Range(opened[value].pop(), len(pieces), factors[value]))
        else:
            pieces.append(match["escaped"] if kind == "escaped" else value)
    for bracket, starts in opened.items():
        ranges[bracket] += [_Range(start, len(pieces), factors[bracket]) for start in starts]
    return pieces, ranges[")"], ranges["]"]


def _number(text: str) -> float | None:
    try:
        return _bounded(float(text))
    except ValueError:  # "(x:1.2.3)": digits and dots, but no number
        return None


def _bounded(weight: float) -> float:
    return max(-MOST, min(MOST, weight))


def _products(ranges: Iterable[_Range], count: int) -> Iterator[float]:
    """For each of ``count`` pieces the product over the nested ``ranges`` it lies in."""
    waiting = sorted(ranges, key=lambda r: (-r.start, r.end))
    around: list[tuple[int, float]] = [(count, 1.0)]
    for index in range(count):
        while around[-1][0] <= index:
            around.pop()
        while waiting and waiting[-1].start <= index:
            inner = waiting.pop()
            if inner.end > index:
                around.append((inner.end, _bounded(around[-1][1] * inner.factor)))
        yield around[-1][1]


def _merged(spans: Iterable[Span]) -> Iterator[Span]:
    """Neighbours of equal weight joined."""
    texts: list[str] = []
    weight = 1.0
    for span in spans:
        if texts and not math.isclose(span.weight, weight, rel_tol=1e-12):
            yield Span("".join(texts), weight)
            texts = []
        if not texts:
            weight = span.weight
        texts.append(span.text)
    if texts:
        yield Span("".join(texts), weight)
