"""Styles are found again in prompts they were written into, and only there."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webui.prompt.style_search import MOST, Recognised, recognise
from webui.prompt.styles import Style, merge

OIL = Style("Oil", "oil painting of {prompt}, thick", "photo")
DUSK = Style("Dusk", "at dusk")
CLEAN = Style("Clean", "", "noise, blur")
PLAIN = Style("Nothing")
STYLES = (PLAIN, OIL, DUSK, CLEAN)


def applied(prompt: str, negative: str, *styles: Style) -> tuple[str, str]:
    for style in styles:
        prompt = merge(prompt, style.prompt)
        negative = merge(negative, style.negative_prompt)
    return prompt, negative


@pytest.mark.parametrize(
    "chosen", [(), (OIL,), (DUSK,), (CLEAN,), (OIL, DUSK), (DUSK, OIL), (CLEAN, DUSK, OIL)]
)
@pytest.mark.parametrize(("prompt", "negative"), [("a cat", "fog"), ("a cat", ""), ("", "")])
def test_what_was_applied_is_found(chosen: tuple[Style, ...], prompt: str, negative: str) -> None:
    told = recognise(*applied(prompt, negative, *chosen), STYLES)
    assert set(told.names) == {style.name for style in chosen}
    assert (told.prompt, told.negative_prompt) == (prompt, negative)
    # Applying them again gives what was pasted.
    by_name = {style.name: style for style in STYLES}
    again = applied(told.prompt, told.negative_prompt, *(by_name[name] for name in told.names))
    assert again == applied(prompt, negative, *chosen)


@pytest.mark.parametrize(
    ("prompt", "negative"),
    [
        ("a cat", ""),
        ("oil painting of a cat", "photo"),  # the end is missing
        ("oil painting of a cat, thick", ""),  # the negative text is missing
        ("at dusky", ""),
        ("nat dusk", ""),
        ("a  cat\nand a dog", "x"),
    ],
)
def test_a_prompt_without_a_whole_style_stays_as_it_is(prompt: str, negative: str) -> None:
    assert recognise(prompt, negative, STYLES) == Recognised(prompt, negative)


def test_line_breaks_count_as_spaces() -> None:
    told = recognise("a cat,\n at   dusk", "", STYLES)
    assert (told.prompt, told.names) == ("a cat", ("Dusk",))


def test_the_style_with_the_most_text_counts() -> None:
    styles = (Style("Small", "dusk"), Style("Large", "at night, dusk"))
    assert recognise("cat, at night, dusk", "", styles).names == ("Large",)


def test_a_placeholder_alone_is_no_style() -> None:
    assert recognise("a cat", "", [Style("Same", "{prompt}")]).names == ()


def test_overlapping_texts_are_not_the_style() -> None:
    assert recognise("aba", "", [Style("X", "ab{prompt}ba")]).names == ()


def test_a_style_found_again_and_again_comes_to_an_end() -> None:
    told = recognise(", ".join(["x"] * 1000), "", [Style("X", "x")])
    assert len(told.names) == MOST


@given(st.text(max_size=30), st.text(max_size=30), st.text(max_size=12), st.text(max_size=12))
def test_any_text_is_accepted(prompt: str, negative: str, first: str, second: str) -> None:
    assert len(recognise(prompt, negative, [Style("a", first, second), OIL]).names) <= MOST
