"""Emphasis: how much each part of a prompt weighs, by A1111's rules.

``(x)`` ×1.1, ``[x]`` ÷1.1, ``(x:1.5)`` ×1.5; brackets nest and multiply. A bracket that is never
closed holds to the end of the text; one that closes nothing is text. A backslash makes the next
character text. Round and square brackets are matched apart, so they may overlap. Weights are kept
within ±1000: beyond, and in thousands of nested brackets, they would overflow.

``BREAK`` ends a section of the text: what follows begins a new chunk of the text encoder. Inside
brackets too, where A1111 happens to read it as a word of negative weight.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

ROUND = 1.1
SQUARE = 1 / 1.1
MOST = 1000.0

BREAK = "BREAK"
NO_EMPHASIS = "None"
"""The emphasis mode in which brackets, and BREAK, are text."""
IGNORED = "Ignore"
"""The emphasis mode in which brackets are read, but weigh nothing."""

_SIGN = re.compile(
    r"""
    \\[()\[\]\\]?                      # an escape; before other characters it is dropped
    | [()\[\]]
    | :\s*[+-]?[.\d]+\s*\)             # the end of (x:1.2)
    | [^\\()\[\]:]+
    | :
    """,
    re.VERBOSE,
)
_BREAK = re.compile(rf"\b{BREAK}\b")
_OPENS, _CLOSES = 1, 2
_Piece = tuple[str, float]


@dataclass(frozen=True, slots=True)
class Span:
    """A piece of a prompt and its weight; 1 is neutral."""

    text: str
    weight: float = 1.0


Section = tuple[Span, ...]
"""The spans between two BREAKs."""


def parse(text: str) -> Section:
    """The pieces of ``text`` with their weights; at least one, neighbours differ in weight.

    BREAK is a word like others here. Never fails: what is not valid emphasis is text. Takes time
    linear in the text's length.
    """
    return tuple(_merged(_weighed(text))) or (Span(""),)


def sections(text: str, emphasis: str = "Original") -> tuple[Section, ...]:
    """The sections of ``text`` that BREAK separates, each as :func:`parse` gives it.

    ``emphasis`` is A1111's mode: in "None" all is text of weight 1, in "Ignore" pieces are told
    apart as ever (a word never crosses a bracket) and weigh 1.
    """
    if emphasis == NO_EMPHASIS:
        return ((Span(text),),)
    found = [tuple(_merged(section)) or (Span(""),) for section in _by_breaks(_weighed(text))]
    if emphasis == IGNORED:
        return tuple(tuple(Span(span.text) for span in section) for section in found)
    return tuple(found)


def bad_weights(text: str) -> Iterator[str]:
    """What stands where a weight belongs and is no number, such as ``1,3`` in ``(x:1,3)``."""
    for match in re.finditer(r":\s*([+-]?[.,\d]+)\s*\)", text):
        if _number(match[1]) is None:
            yield match[1]


def _weighed(text: str) -> Iterator[_Piece]:
    """The pieces between brackets with their weights, in order."""
    signs = _SIGN.findall(text)
    changes, factors = _brackets(signs)
    run: list[str] = []
    rounds, squares = [1.0], [1.0]
    weight = 1.0
    for place, sign in enumerate(signs):
        change = changes[place]
        if not change:
            run.append(sign[1:] if sign[0] == "\\" else sign)
            continue
        if run:
            yield "".join(run), weight
            run = []
        if change == _CLOSES:
            (squares if sign == "]" else rounds).pop()
        elif sign == "(":
            rounds.append(_bounded(rounds[-1] * factors.get(place, ROUND)))
        else:
            squares.append(_bounded(squares[-1] * SQUARE))
        weight = _bounded(rounds[-1] * squares[-1])
    yield "".join(run), weight


def _brackets(signs: Sequence[str]) -> tuple[bytearray, dict[int, float]]:
    """Which signs open or close a bracket (0: text), and the factors of the opened and closed."""
    changes = bytearray(len(signs))
    factors: dict[int, float] = {}
    rounds: list[int] = []
    squares: list[int] = []
    for place, sign in enumerate(signs):
        if sign in "([":
            (rounds if sign == "(" else squares).append(place)
            changes[place] = _OPENS
            continue
        if sign == "]":
            opened, weight = squares, SQUARE
        elif sign[-1] == ")" and sign[0] in "):":
            opened, weight = rounds, ROUND if len(sign) == 1 else _number(sign[1:-1])
        else:
            continue
        if opened and weight is not None:
            factors[opened.pop()] = weight
            changes[place] = _CLOSES
    return changes, factors


def _by_breaks(pieces: Iterable[_Piece]) -> Iterator[list[_Piece]]:
    """Pieces by section; a BREAK takes the whitespace around it."""
    section: list[_Piece] = []
    for text, weight in pieces:
        if BREAK in text:
            first, *others = _BREAK.split(text)
            for part in others:
                section.append((first.rstrip(), weight))
                yield section
                section, first = [], part.lstrip()
            text = first
        section.append((text, weight))
    yield section


def _number(text: str) -> float | None:
    try:
        return _bounded(float(text))
    except ValueError:  # "(x:1.2.3)": digits and dots, but no number
        return None


def _bounded(weight: float) -> float:
    return max(-MOST, min(MOST, weight))


def _merged(pieces: Iterable[_Piece]) -> Iterator[Span]:
    """Neighbours of equal weight joined, empty ones left out."""
    texts: list[str] = []
    current = 1.0
    for text, weight in pieces:
        if not text:
            continue
        if texts and not math.isclose(weight, current, rel_tol=1e-12):
            yield Span("".join(texts), current)
            texts = []
        if not texts:
            current = weight
        texts.append(text)
    if texts:
        yield Span("".join(texts), current)
