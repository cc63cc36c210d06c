"""Emphasis as A1111 reads it."""

from __future__ import annotations

import re
import time
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webui.prompt import Span, parse
from webui.prompt.weights import bad_weights, sections


def pairs(text: str) -> list[tuple[str, object]]:
    return [(span.text, pytest.approx(span.weight)) for span in parse(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", [("", 1.0)]),
        ("a red circle", [("a red circle", 1.0)]),
        ("an (important) word", [("an ", 1), ("important", 1.1), (" word", 1)]),
        ("((very)) so", [("very", 1.21), (" so", 1)]),
        ("[less]", [("less", 1 / 1.1)]),
        ("([even])", [("even", 1.0)]),
        ("(much:1.5)", [("much", 1.5)]),
        ("(much : 1.5 )", [("much ", 1.5)]),
        ("(none:0)", [("none", 0.0)]),
        ("(away:-0.5)", [("away", -0.5)]),
        ("(half:.5)", [("half", 0.5)]),
        ("((a:2) b)", [("a", 2.2), (" b", 1.1)]),
        ("(unbalanced", [("unbalanced", 1.1)]),
        ("a [b (c", [("a ", 1), ("b ", 1 / 1.1), ("c", 1.0)]),
        ("closing) only]", [("closing) only]", 1.0)]),
        ("time 12:30, ratio 1:1.5)", [("time 12:30, ratio 1:1.5)", 1.0)]),
        ("[no:0.5]", [("no:0.5", 1 / 1.1)]),
        ("(a:1.2.3)", [("a:1.2.3)", 1.1)]),
        (r"\(literal\)", [("(literal)", 1.0)]),
        (r"\[literal\]", [("[literal]", 1.0)]),
        (r"(an \(inner\) one)", [("an (inner) one", 1.1)]),
        (r"back\\slash", [("back\\slash", 1.0)]),
        (r"dropped \n", [("dropped n", 1.0)]),
        ("end\\", [("end", 1.0)]),
        ("(a [b) c]", [("a ", 1.1), ("b", 1.0), (" c", 1 / 1.1)]),
        ("()", [("", 1.0)]),
    ],
)
def test_weights(text: str, expected: list[tuple[str, float]]) -> None:
    assert pairs(text) == expected


def test_a_whole_sentence_with_everything() -> None:
    assert pairs("a (((tower:1.3)) [by] a (lake:0.5), sun, (((clouds))).") == [
        ("a ", 1.0),
        ("tower", 1.573),
        (" ", 1.1),
        ("by", 1.0),
        (" a ", 1.1),
        ("lake", 0.55),
        (", sun, ", 1.1),
        ("clouds", 1.4641),
        (".", 1.1),
    ]


@given(st.text(alphabet="ab ()[]:\\.1-,", max_size=60))
def test_nothing_fails_and_neighbours_differ(text: str) -> None:
    spans = parse(text)
    assert spans
    assert all(a.weight != b.weight for a, b in pairwise(spans))


@given(st.text(alphabet=st.characters(exclude_characters="()[]\\"), max_size=40))
def test_text_without_brackets_stays_as_it_is(text: str) -> None:
    (span,) = parse(text)
    assert (span.text, span.weight) == (text, 1.0)


@pytest.mark.parametrize("piece", ["(a", "[a", "(a:1.1)", "((a)", "\\(", ":"])
def test_a_long_hostile_prompt_takes_no_time(piece: str) -> None:
    begun = time.perf_counter()
    parse(piece * 20_000)
    parse("(" * 20_000 + "a)" * 20_000)
    assert time.perf_counter() - begun < 2


@pytest.mark.parametrize(
    ("text", "weight"),
    [
        ("(a:" + "9" * 400 + ")", 1000.0),
        ("(a:-5000)", -1000.0),
        ("(" * 5000 + "a", 1000.0),
        ("[" * 50_000 + "a", 0.0),
        ("(" * 200 + "(a:0)", 0.0),
    ],
)
def test_a_weight_is_never_too_large_to_compute_with(text: str, weight: float) -> None:
    (span,) = parse(text)
    assert span.weight == pytest.approx(weight, abs=1e-9)


def section_texts(text: str, emphasis: str = "Original") -> list[list[tuple[str, object]]]:
    return [
        [(span.text, pytest.approx(span.weight)) for span in section]
        for section in sections(text, emphasis)
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a BREAK b", [["a"], ["b"]]),
        ("a\n BREAK\n\tb", [["a"], ["b"]]),
        ("BREAK b", [[""], ["b"]]),
        ("a BREAK", [["a"], [""]]),
        ("a BREAK BREAK b", [["a"], [""], ["b"]]),
        ("a:BREAK,b", [["a:"], [",b"]]),
        ("BREAKFAST break BREAKS", [["BREAKFAST break BREAKS"]]),
        ("", [[""]]),
    ],
)
def test_break_ends_a_section_and_takes_the_space_around_it(text, expected) -> None:
    assert [[span.text for span in section] for section in sections(text)] == expected


def test_emphasis_goes_on_behind_a_break() -> None:
    assert section_texts("x (a BREAK b:1.5) c") == [
        [("x ", 1), ("a", 1.5)],
        [("b", 1.5), (" c", 1)],
    ]


def test_emphasis_modes() -> None:
    text = r"a (b:1.5) [c] \(d BREAK e"
    weighed = [[("a ", 1), ("b", 1.5), (" ", 1), ("c", 1 / 1.1), (" (d", 1)], [("e", 1)]]
    assert section_texts(text) == section_texts(text, "No norm") == weighed
    ignored = [[(text, 1.0) for text, _ in section] for section in weighed]
    assert section_texts(text, "Ignore") == ignored
    assert section_texts(text, "None") == [[(text, 1)]]


def test_what_is_no_weight_is_told() -> None:
    assert list(bad_weights("(a:1,3) (b:1.2.3) (c:1.3) (d : - ) (e:.)")) == ["1,3", "1.2.3", "."]


@given(st.text(alphabet="ab ()[]\\:1", max_size=40))
def test_an_escaped_text_is_itself(text: str) -> None:
    escaped = re.sub(r"([()\[\]\\])", r"\\\1", text)
    assert parse(escaped) == (Span(text),)
