"""Prompts that change over the steps; what is expected was worked out by hand from the rules."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webui.prompt.schedules import parse, piece_at, pieces_of

TEXT = st.text(alphabet="ab \n[]()|:.15-\\", max_size=60)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # appears, goes, is exchanged
        ("red", [(10, "red")]),
        ("", [(10, "")]),
        ("a [cat:4] b", [(4, "a  b"), (10, "a cat b")]),
        ("a [cat::4] b", [(4, "a cat b"), (10, "a  b")]),
        ("a [cat:dog:4]", [(4, "a cat"), (10, "a dog")]),
        ("[cat:dog: 4 ]", [(4, "cat"), (10, "dog")]),
        ("[cat: dog :4]", [(4, "cat"), (10, " dog ")]),
        ("[a:b:4][c:d:7]", [(4, "ac"), (7, "bc"), (10, "bd")]),
        ("[a:b:4] [c:d:4]", [(4, "a c"), (10, "b d")]),
        ("[:4]", [(4, ""), (10, "")]),
        ("[a\nb:4]", [(4, ""), (10, "a\nb")]),
        # numbers
        ("[a:b:0]", [(10, "b")]),
        ("[a:b:-3]", [(10, "b")]),
        ("[a:b:10]", [(10, "a")]),
        ("[a:b:99]", [(10, "a")]),
        ("[a:b:.3]", [(3, "a"), (10, "b")]),
        ("[a:b:0.55]", [(5, "a"), (10, "b")]),
        ("[a:b:0.09]", [(10, "b")]),
        ("[a:b:1.0]", [(10, "a")]),
        ("[a:b:1.5]", [(10, "a")]),
        ("[a:b:1]", [(1, "a"), (10, "b")]),
        ("[a:b:+4]", [(4, "a"), (10, "b")]),
        ("[a:b:4.]", [(10, "a")]),
        ("[a:b:4e0]", [(4, "a"), (10, "b")]),
        ("[a:b:1e999]", [(10, "a")]),
        ("[a:b:-1e999]", [(10, "b")]),
        # nesting, in itself and with emphasis
        ("[a:[b:c:7]:4]", [(4, "a"), (7, "b"), (10, "c")]),
        ("[[a:b:2]:c:4]", [(2, "a"), (4, "b"), (10, "c")]),
        ("[(a:1.3):4]", [(4, ""), (10, "(a:1.3)")]),
        ("([a:b:4]:1.3)", [(4, "(a:1.3)"), (10, "(b:1.3)")]),
        ("[[a]:[[b]]:4]", [(4, "[a]"), (10, "[[b]]")]),
        ("([a:b:4])", [(4, "(a)"), (10, "(b)")]),
        (r"[\[a\::b\]:4]", [(4, r"\[a\:"), (10, r"b\]")]),
        # what cannot be read is text, the rest is read
        ("a [cat", [(10, "a [cat")]),
        ("[cat:dog]", [(10, "[cat:dog]")]),
        ("[a:b:c:4]", [(10, "[a:b:c:4]")]),
        ("[a:4b]", [(10, "[a:4b]")]),
        ("[a:(4)]", [(10, "[a:(4)]")]),
        ("]a:b:4[", [(10, "]a:b:4[")]),
        ("[a:(b:4]", [(10, "[a:(b:4]")]),
        ("[a (b] c:4]", [(10, "[a (b] c:4]")]),
        ("[[a:b]:c:4]", [(10, "[[a:b]:c:4]")]),
        ("[x (y [a:b:4]", [(4, "[x (y a"), (10, "[x (y b")]),
        ("(a:b:c [d:e:4])", [(4, "(a:b:c d)"), (10, "(a:b:c e)")]),
        ("[a:b:4]) ]: [", [(4, "a) ]: ["), (10, "b) ]: [")]),
        ("time 12:30 [a:b:4]", [(4, "time 12:30 a"), (10, "time 12:30 b")]),
        ("cat | dog [a:b:4]", [(4, "cat | dog a"), (10, "cat | dog b")]),
        ("(cat|dog)", [(10, "(cat|dog)")]),
        ("[cat|{dog:4]", [(4, ""), (10, "cat|{dog")]),
        ("[a:b:4]\\", [(4, "a\\"), (10, "b\\")]),
    ],
)
def test_pieces_over_ten_steps(text: str, expected: list[tuple[int, str]]) -> None:
    assert list(pieces_of(text, 10)) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[a|b]", "a b a b a b"),
        ("[a|b|c]", "a b c a b c"),
        ("[(a:1.2)|[b]]", "(a:1.2) [b] (a:1.2) [b] (a:1.2) [b]"),
        ("[a|b]-[c|d|e]", "a-c b-d a-e b-c a-d b-e"),
        ("[a|[b|c]]", "a c a c a c"),  # at an even step the inner one is at its second
        ("[[a|b]:c:3]", "a b a c c c"),
        ("[x|[y:z:3]]", "x y x z x z"),
        ("([a|b]:1.2)", "(a:1.2) (b:1.2) (a:1.2) (b:1.2) (a:1.2) (b:1.2)"),
    ],
)
def test_alternation(text: str, expected: str) -> None:
    pieces = pieces_of(text, 6)
    assert [piece.end for piece in pieces] == [1, 2, 3, 4, 5, 6]
    assert [piece.text for piece in pieces] == expected.split()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[wo|]man", ["woman", "man", "woman", "man"]),
        ("[|wo]man", ["man", "woman", "man", "woman"]),
        ("[wo||]man", ["woman", "man", "man", "woman"]),
        ("[|]", ["", "", "", ""]),
    ],
)
def test_an_alternative_may_be_empty(text: str, expected: list[str]) -> None:
    assert [piece.text for piece in pieces_of(text, 4)] == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[a:b:.5]", [(8, "b")]),  # was over in the first pass
        ("[a:b:1.5]", [(4, "a"), (8, "b")]),
        ("[a:b:1.0]", [(8, "b")]),
        ("[a:b:12]", [(2, "a"), (8, "b")]),
        ("[a:b:10]", [(8, "b")]),
        ("[a:b:2.0]", [(8, "a")]),
    ],
)
def test_a_second_pass_goes_on_counting(text: str, expected: list[tuple[int, str]]) -> None:
    """Ten steps before, eight now."""
    assert list(pieces_of(text, 8, first_pass=10)) == expected


def test_a_change_holds_back_one_step_as_in_a1111() -> None:
    ends = [piece.end for piece in pieces_of("[a:b:3]", 6)]
    assert [piece_at(ends, step) for step in range(8)] == [0, 0, 0, 0, 1, 1, 1, 1]
    ends = [piece.end for piece in pieces_of("[a|b]", 4)]
    assert [piece_at(ends, step) for step in range(4)] == [0, 0, 1, 2]


@pytest.mark.parametrize(
    ("text", "excerpt", "reason"),
    [
        ("a [cat:dog] b", "[cat:dog]", "no number"),
        ("a [cat:dog:4", "[cat:dog:4", "not closed"),
        ("[a:b:c:4]", "[a:b:c:4]", "two colons"),
        ("[a (b:4] c)", "[a (b:4]", "cross"),
        ("[a:(b:c:d):4]", "[a:(b:c:d)", "more than one colon"),
        ("[" + "long " * 30 + ":x]", "[long long long long long long long lon…", "no number"),
    ],
)
def test_what_was_not_read_is_told(text: str, excerpt: str, reason: str) -> None:
    (fault,) = parse(text).faults
    assert fault.excerpt == excerpt
    assert reason in fault.reason


@pytest.mark.parametrize(
    "text", ["plain", "[less]", "(a:1.2) 12:30", "a [b", "(a:b:c)", "[a:b:3]", "[a|b]", "a|b", ":)"]
)
def test_nothing_is_told_of_what_means_what_it_says(text: str) -> None:
    assert parse(text).faults == ()


@given(TEXT, st.integers(1, 30), st.none() | st.integers(1, 30))
def test_pieces_cover_the_steps(text: str, steps: int, first_pass: int | None) -> None:
    pieces = pieces_of(text, steps, first_pass=first_pass)
    ends = [piece.end for piece in pieces]
    assert ends == sorted(set(ends))
    assert ends[0] >= 1
    assert ends[-1] == steps
    assert all(len(piece.text) <= len(text) for piece in pieces)


@given(TEXT.filter(lambda t: not set(t) & set("[]")), st.integers(1, 30))
def test_a_text_without_square_brackets_stays_as_it_is(text: str, steps: int) -> None:
    assert pieces_of(text, steps) == ((steps, text),)


WORDS = st.text(alphabet="ab \n.1-", max_size=8)


@given(WORDS, WORDS, WORDS, WORDS, st.integers(-3, 25), st.integers(1, 20))
def test_an_exchange_is_its_sides(before, old, new, after, when: int, steps: int) -> None:
    pieces = pieces_of(f"{before}[{old}:{new}:{when}]{after}", steps)
    for step in range(1, steps + 1):
        found = next(piece.text for piece in pieces if step <= piece.end)
        assert found == before + (old if step <= when else new) + after


@given(st.lists(WORDS, min_size=2, max_size=5), st.integers(1, 20))
def test_an_alternation_is_its_options_in_turn(options: list[str], steps: int) -> None:
    pieces = pieces_of(f"[{'|'.join(options)}]", steps)
    assert [p.text for p in pieces] == [options[i % len(options)] for i in range(steps)]
