"""Templates: what they choose, and that nothing makes them fail or grow."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webui.prompt.wildcard_lists import Wildcards, read_lines, read_yaml
from webui.prompt.wildcards import MAX_CHARS, resolve, varies

LISTS = Wildcards(
    {
        "colour": ["red", "blue"],
        "animals/cats": ["tabby", "9::sphynx"],
        "animals/dogs": ["pug"],
        "animals/wild/cats": ["lion"],
        "scene": ["a __colour__ {hat|coat}"],
        "loop": ["x __loop__"],
        "bomb": ["__bomb__ __bomb__ __bomb__"],
        "hair_style": ["bob"],
    }
)


def results(template: str, count: int = 200, wildcards: Wildcards = LISTS) -> Counter[str]:
    return Counter(resolve(template, seed, wildcards) for seed in range(count))


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("{red|green}", {"red", "green"}),
        ("a {big|small} {cat|dog}", {"a big cat", "a big dog", "a small cat", "a small dog"}),
        ("{a|}b", {"ab", "b"}),
        ("{a|{b|c}}", {"a", "b", "c"}),
        ("{2$$a|b}", {"a, b", "b, a"}),
        ("{2$$ and $$a|b}", {"a and b", "b and a"}),
        ("{1-2$$+$$a|b}", {"a", "b", "a+b", "b+a"}),
        ("{-1$$a|b}", {"", "a", "b"}),
        ("{2-$$a|b}", {"a, b", "b, a"}),
        ("{9$$a|b}", {"a, b", "b, a"}),
        ("{2$$__colour__}", {"red, blue", "blue, red"}),
        ("{0::a|b}", {"b"}),
        ("__colour__!", {"red!", "blue!"}),
        ("__Colour__", {"red", "blue"}),
        ("__hair_style__", {"bob"}),
        ("__animals/*__", {"tabby", "sphynx", "pug"}),
        ("__animals/**__", {"tabby", "sphynx", "pug", "lion"}),
        ("__scene__", {"a red hat", "a blue hat", "a red coat", "a blue coat"}),
        ("{__colour__|[x|y] z}", {"red", "blue", "[x|y] z"}),
        ("a__colour__b__colour__", {f"a{x}b{y}" for x in ("red", "blue") for y in ("red", "blue")}),
    ],
)
def test_every_choice_comes_up_and_no_other(template: str, expected: set[str]) -> None:
    assert set(results(template)) == expected
    assert varies(template, LISTS)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "plain, (weighted:1.2), [a|b|c], [from:to:0.5]",
        "{emphasis}",
        "{}",
        "{unclosed|a",
        "closed} a|b",
        "__nobody__",
        "__ __",
        "__",
        "__../../etc/passwd__",
        r"\{a\|b\}",
        r"\\\{a|b}",
        "a\\",
        "$$",
    ],
)
def test_what_is_no_choice_stays_as_it_is(text: str) -> None:
    assert results(text, 5) == {text: 5}
    assert not varies(text, LISTS)


def test_what_is_chosen_in_unclosed_braces() -> None:
    assert set(results("{a|__colour__")) == {"{a|red", "{a|blue"}


def test_weights_count() -> None:
    drawn = results("{3::a|b}", 2000)
    assert 2.4 < drawn["a"] / drawn["b"] < 3.7
    drawn = results("__animals/cats__", 2000)
    assert 7 < drawn["sphynx"] / drawn["tabby"] < 11.5
    firsts = Counter(text[0] for text in results("{2$$8::a|b|c}", 1000).elements())
    assert firsts["a"] > 700


def test_the_seed_decides_and_streams_are_independent() -> None:
    template = "{a|b|c|d} {a|b|c|d} {a|b|c|d} __colour__"
    assert [resolve(template, s, LISTS) for s in range(20)] == [
        resolve(template, s, LISTS) for s in range(20)
    ]
    assert len(results(template)) > 50
    other = [resolve(template, s, LISTS, stream="negative") for s in range(20)]
    assert sum(resolve(template, s, LISTS) == text for s, text in enumerate(other)) < 5


def test_known_choices_stay_for_good() -> None:
    # A picture drawn again next year has to find the same words.
    assert [resolve("{a|b|c} {2$$x|y|z}", seed, LISTS) for seed in range(4)] == KNOWN


KNOWN = ["b z, x", "c z, y", "a x, y", "a z, y"]


def test_a_result_is_resolved_already() -> None:
    for template in (r"\{a|b\} {x|y}", "__scene__ {z}", "{[a|b]|c}"):
        once = resolve(template, 3, LISTS)
        assert resolve(once, 4, LISTS) == once


def test_entries_that_lead_to_themselves_end() -> None:
    text = resolve("__loop__", 1, LISTS)
    assert text.startswith("x x x")
    assert text.endswith("__loop__")
    assert text.count("x") <= 16
    assert len(resolve("__bomb__", 1, LISTS)) <= MAX_CHARS


@pytest.mark.parametrize(
    "text",
    [
        *(sign * 300_000 for sign in "{}_[\\"),
        *("{a|" * 100_000, "__a" * 100_000, "{2$$" * 70_000, "{a|b}" * 60_000),
        "{" * 100_000 + "|" + "}" * 100_000,
    ],
)
@pytest.mark.timeout(30)
def test_long_nonsense_takes_linear_time(text: str) -> None:
    assert len(resolve(text, 1, LISTS)) <= MAX_CHARS  # quadratic time would end in the time limit


@given(st.text(alphabet="ab{}|$-2:_*/\\[]1 .", max_size=60), st.integers(0, 5))
def test_any_text_is_accepted(text: str, seed: int) -> None:
    assert isinstance(resolve(text, seed, LISTS), str)


def test_a_text_file_is_lines_without_comments() -> None:
    assert read_lines("\ufeffred\n\n# none\n  blue \r\n2::green") == ("red", "blue", "2::green")


def test_yaml_keys_are_paths() -> None:
    text = (
        "animals:\n  cats: [tabby, 3::sphynx]\n  dogs:\n    - pug\n    - [a, b]\none: only\nyes: 5"
    )
    assert read_yaml(text) == {
        "animals/cats": ("tabby", "3::sphynx"),
        "animals/dogs": ("pug", "a", "b"),
        "one": ("only",),
        "True": ("5",),
    }


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[",
        "a: &a {b: *a}",
        "- x",
        "!!python/object:os.system x",
        "a: b: c",
        "\x00",
        "[" * 50_000,
        "a: !!timestamp x",
        "a: !!int ''",
        "a: !!bool maybe",
        "a: 0x" + "f" * 5000,
        "? 0x" + "f" * 5000 + "\n: x",
        "a: &a [*a]",
        "a: &a [" + "*a, " * 1000 + "]",
        "a: &a {<<: *a}",
    ],
)
def test_a_file_that_is_no_list_of_entries_has_none(text: str) -> None:
    assert read_yaml(text) == {}


def test_yaml_references_do_not_explode() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 12)]
    assert sum(map(len, read_yaml("\n".join(lines)).values())) <= 500_000


def test_yaml_merges_are_read_and_do_not_explode() -> None:
    few = "a: &a {x: [1]}\nb: {<<: *a, y: [2]}\n'=': [3]\n"
    assert read_yaml(few) == {"a/x": ("1",), "b/x": ("1",), "b/y": ("2",), "=": ("3",)}
    lines = ["a0: &a0 {k: [x], l: [x], m: [x]}"]
    lines += [f"a{i}: &a{i} {{<<: [{', '.join([f'*a{i - 1}'] * 10)}]}}" for i in range(1, 12)]
    assert read_yaml("\n".join(lines)) == {}
    assert read_yaml("a: &a {x: [1]}\nb: {<<: [" + "*a, " * 100 + "]}") == {}


def test_yaml_cannot_bring_half_a_character() -> None:
    assert read_yaml('"\\uD800": ["a \\uD800"]') == {"?": ("a ?",)}
