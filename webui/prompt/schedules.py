"""Prompts that change from step to step: ``[from:to:when]`` and ``[a|b]``, as A1111 reads them.

::

    [to:8]  [from::8]  [from:to:8]     something appears, goes, or is exchanged at step 8
    [from:to:0.25]                     a number with a point is a share of the steps
    [a|b|]                             another one at each step; one may be empty

All of it nests, in itself and in emphasis, and emphasis in it. Shares from 1 to 2 are of the steps
of a second pass: in the first they never come. The grammar is A1111's: a bracket is read if what is
in it can be read, so one that is never closed, or that crosses another, makes text of itself and of
all around it, not of what it holds. Where we differ: A1111 gives up on a whole prompt for one ``|``
(or final backslash) that separates nothing; here that is text.
"""

from __future__ import annotations

import math
import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

_SIGN = re.compile(r"[^\\\[\]():|]+|\\.|.", re.DOTALL)
_NUMBER = re.compile(r"\s*([+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)\s*")
_MOST_FAULTS = 20
_EXCERPT = 40


class Piece(NamedTuple):
    """A text that holds until a step; ``end`` counts from 1, as the prompt does."""

    end: int
    text: str


Pieces = tuple[Piece, ...]
"""What a prompt says over the steps; the last piece ends with the last step."""


class Fault(NamedTuple):
    """Something that looks like a schedule and is used as text: its beginning, and why."""

    excerpt: str
    reason: str


def pieces_of(text: str, steps: int, *, first_pass: int | None = None) -> Pieces:
    """What ``text`` says over ``steps`` steps: see :meth:`Schedule.pieces`."""
    return parse(text).pieces(steps, first_pass=first_pass)


def piece_at(ends: Sequence[int], step: int) -> int:
    """The index of the piece that holds at ``step``, counted from 0; ``ends`` are those of pieces.

    A1111 compares a step that it counts from 0 with an end that is counted from 1, so that the
    first piece holds one step longer than the prompt says. Its pictures depend on it.
    """
    return min(bisect_left(ends, step), len(ends) - 1)


@dataclass(frozen=True, slots=True)
class Switch:
    """Where reading goes on, by step: at one of ``starts``.

    With ``when``, a number as the prompt writes it, at the first until then and at the second from
    then on; without, at one after the other.
    """

    starts: tuple[int, ...]
    when: str | None = None


@dataclass(frozen=True, slots=True)
class Schedule:
    """A prompt, read: texts, switches, and (as integers) places to go on at, in one row."""

    ops: Sequence[str | int | Switch]
    faults: tuple[Fault, ...] = ()

    def pieces(self, steps: int, *, first_pass: int | None = None) -> Pieces:
        """The texts over ``steps`` steps, in order; neighbours may be equal.

        ``first_pass`` is given in a second pass over the same prompt: the steps that the first had.
        Whole numbers then count on from those, and shares from 1. Takes time linear in the text's
        length for each different text.
        """
        switches = {place: op for place, op in enumerate(self.ops) if isinstance(op, Switch)}
        if not switches:
            return (Piece(steps, "".join(str(op) for op in self.ops)),)
        changes = {
            place: _step_of(switch.when, steps, first_pass)
            for place, switch in switches.items()
            if switch.when is not None
        }
        lengths = sorted({len(switch.starts) for switch in switches.values() if not switch.when})
        ends = sorted({step for step in changes.values() if step >= 1} | {steps})
        known: dict[tuple[int, ...], str] = {}
        found: list[Piece] = []
        for step in range(1, steps + 1) if lengths else ends:
            # Texts of two steps are equal when no change lies between and all turns are the same.
            state = (bisect_left(ends, step), *((step - 1) % length for length in lengths))
            if state not in known:
                known[state] = self._text_at(step, changes)
            found.append(Piece(step, known[state]))
        return tuple(found)

    def shares(self) -> Iterator[float]:
        """The numbers in it that are shares of the steps."""
        for op in self.ops:
            if isinstance(op, Switch) and op.when and "." in op.when:
                yield float(op.when)

    def _text_at(self, step: int, changes: dict[int, int]) -> str:
        texts: list[str] = []
        place = 0
        while place < len(self.ops):
            op = self.ops[place]
            if isinstance(op, str):
                texts.append(op)
                place += 1
            elif isinstance(op, int):
                place = op
            elif op.when is None:
                place = op.starts[(step - 1) % len(op.starts)]
            else:
                place = op.starts[step > changes[place]]
        return "".join(texts)


def parse(text: str) -> Schedule:
    """Read a prompt; never fails. Takes time linear in its length, however deep brackets nest."""
    if "[" not in text or not (":" in text or "|" in text):
        return Schedule((text,))
    signs = _SIGN.findall(text)
    reading = _Reading(signs)
    for place, sign in enumerate(signs):
        if sign in "[(":
            reading.opened.append(place)
            reading.first_marks.append(len(reading.marks))
        elif sign in "])":
            reading.close(place)
        elif sign in ":|" and reading.opened:
            reading.marks.append(place)
    reading.give_up(len(signs) - 1, "a bracket is not closed")
    return Schedule(reading.ops, tuple(reading.faults))


@dataclass(slots=True)
class _Reading:
    """A prompt being read: ``ops`` are its signs, replaced where brackets turn out to switch."""

    signs: Sequence[str]
    ops: list[str | int | Switch] = field(init=False)
    opened: list[int] = field(default_factory=list[int])
    """Places of the brackets that are open."""
    first_marks: list[int] = field(default_factory=list[int])
    """For each of these: how many marks are of those around it."""
    marks: list[int] = field(default_factory=list[int])
    """Places of colons and bars in the brackets that are open, outermost first."""
    faults: list[Fault] = field(default_factory=list[Fault])

    def __post_init__(self) -> None:
        self.ops = list(self.signs)

    def close(self, place: int) -> None:
        """Read the bracket that the one at ``place`` closes."""
        if not self.opened:
            return
        begun, first_mark = self.opened[-1], self.first_marks[-1]
        if self.signs[begun] + self.signs[place] not in ("[]", "()"):
            self.give_up(place, "brackets cross each other")
            return
        marks = self.marks[first_mark:]
        del self.marks[first_mark:]
        colons = [mark for mark in marks if self.signs[mark] == ":"]
        if self.signs[begun] == "(":
            if len(colons) > 1:
                self.give_up(place, "round brackets in it hold more than one colon")
                return
        elif colons:
            reason = self._change(begun, colons, place)
            if reason:
                self.marks += marks
                self.give_up(place, reason)
                return
        elif marks:
            self._turn(begun, marks, place)
        self.opened.pop()
        self.first_marks.pop()

    def give_up(self, place: int, reason: str) -> None:
        """All brackets that are open are text, up to ``place``, where that became clear."""
        # Of round brackets, and of square ones that are emphasis, nothing is lost.
        if self.marks and len(self.faults) < _MOST_FAULTS:
            begun = next((o for o in self.opened if self.signs[o] == "["), None)
            if begun is not None:
                self.faults.append(Fault(_excerpt(self.signs, begun, place + 1), reason))
        self.opened.clear()
        self.first_marks.clear()
        self.marks.clear()

    def _change(self, begun: int, colons: Sequence[int], end: int) -> str:
        """Make the brackets exchange something at a step; the reason if they do not."""
        number = _NUMBER.fullmatch(self.signs[end - 1]) if colons[-1] == end - 2 else None
        if number is None:
            return "after its last colon there is no number"
        if len(colons) > 2:
            return "it has more than two colons"
        after = end + 1
        starts = (begun + 1, colons[0] + 1) if len(colons) == 2 else (after, begun + 1)
        self.ops[begun] = Switch(starts, number[1])
        for colon in colons:
            self.ops[colon] = after
        return ""

    def _turn(self, begun: int, bars: Sequence[int], end: int) -> None:
        """Make the brackets give one of their options at each step."""
        self.ops[begun] = Switch((begun + 1, *(bar + 1 for bar in bars)))
        for mark in (*bars, end):
            self.ops[mark] = end + 1


def _step_of(number: str, steps: int, first_pass: int | None) -> int:
    """The last step (from 1) before a change at ``number``; below 1 it is changed from the first.

    A1111's rule: what has a point is a share of the steps, and rounded down.
    """
    value = float(number)
    if "." in number:
        value = (value - (first_pass is not None)) * steps
    else:
        value -= first_pass or 0
    return math.trunc(max(-1.0, min(float(steps), value)))


def _excerpt(signs: Sequence[str], begun: int, end: int) -> str:
    text = " ".join("".join(signs[begun : min(end, begun + _EXCERPT)]).split())
    return text if len(text) <= _EXCERPT else f"{text[: _EXCERPT - 1]}…"
