"""What people type, as parts and as what it finds."""

from __future__ import annotations

import time
from typing import Any

import pytest

from webui.library.query import MAX_TERMS, Range, Term, parse, search
from webui.library.terms import words


@pytest.mark.parametrize(
    ("typed", "parts"),
    [
        ("", []),
        ("red cat", [Term("red"), Term("cat")]),
        ('"two cats" -dog', [Term("two cats", whole=True), Term("dog", negated=True)]),
        ('"not closed', [Term("not closed")]),
        ('-"no dogs"', [Term("no dogs", negated=True, whole=True)]),
        ("model:xl", [Term("xl", "model")]),
        ('MODEL:"sd xl"', [Term("sd xl", "model", whole=True)]),
        ("-tag:old", [Term("old", "tag", negated=True)]),
        ("model: red", [Term("red")]),
        ("red model:", [Term("red")]),
        ("http://a.b", [Term("http://a.b")]),
        ("“curly quotes”", [Term("curly quotes", whole=True)]),
        ("fav：yes", [Term("yes", "fav")]),
        ("-", [Term("-")]),
        ("a" * 5000, [Term("a" * 1000)]),
    ],
)
def test_parts(typed: str, parts: list[Term]) -> None:
    assert parse(typed) == parts


def test_very_long_queries_are_cut() -> None:
    assert len(parse("a b " * 100)) == MAX_TERMS


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Red, (cat:1.2)!", "red cat 1 2"),
        ("Crème BRÛLÉE straße", "creme brulee strasse"),
        ("sd_xl-base", "sd xl base"),
        ("一只猫 cat", "一 只 猫 cat"),
        ("ねこcat", "ね こ cat"),
        ("🙂", ""),
        ("\ud800x", "x"),
    ],
)
def test_words(text: str, found: str) -> None:
    assert words(text) == found


def ranges(typed: str) -> Any:
    return search(typed, facts=["live"], boards=lambda _: []).ranges


def at(year: int, month: int, day: int) -> int:
    return int(time.mktime((year, month, day, 0, 0, 0, 0, 0, -1)) * 1000)


@pytest.mark.parametrize(
    ("typed", "limits"),
    [
        ("date:2026", [Range(at(2026, 1, 1), at(2027, 1, 1))]),
        ("date:2026-12", [Range(at(2026, 12, 1), at(2027, 1, 1))]),
        ("date:2026-11-30", [Range(at(2026, 11, 30), at(2026, 12, 1))]),
        ("after:2026-11 before:2026-11-21", [Range(at(2026, 11, 1), None),
                                             Range(None, at(2026, 11, 21))]),
        ("-date:2026-2-3", [Range(at(2026, 2, 3), at(2026, 2, 4), inside=False)]),
        ("date:2026-13", []),
        ("date:2026-02-30", []),
        ("date:soon", []),
        ("date:0000", []),
    ],
)  # fmt: skip
def test_dates(typed: str, limits: list[Range]) -> None:
    assert list(ranges(typed)) == limits
