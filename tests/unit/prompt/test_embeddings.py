"""Bare names of embeddings in prompts, and what is said about files that have no effect yet."""

from __future__ import annotations

import time

import pytest

from webui.prompt.embeddings import EmbeddingNames
from webui.prompt.problems import Files, problems

NAMES = EmbeddingNames(["bad", "bad hand v2", "EasyNegative", "[old]", "neg_4.5", "!!!"])


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("a bad cat", ["bad"]),
        ("a badger, bad_hand", []),
        ("Bad Hand V2, easynegative", ["bad hand v2", "EasyNegative"]),
        ("(bad hand v2:1.3), bad hand v", ["bad hand v2", "bad"]),
        ("neg_4.5 neg_4.55", ["neg_4.5"]),
        ("the [old] one, old", ["[old]"]),
        ("bad bad", ["bad", "bad"]),
        ("!!!", []),
        ("", []),
    ],
)
def test_names_are_found_as_whole_words_the_longest_first(text: str, found: list[str]) -> None:
    called = NAMES.find(text)
    assert [one.name for one in called] == found
    for one in called:
        assert text[one.start :].casefold().startswith(one.name.casefold())


def test_many_names_and_a_long_text_take_little_time() -> None:
    names = EmbeddingNames(f"word {i} end" for i in range(20_000))
    start = time.process_time()
    assert len(names.find("word 7 end, " * 2_000)) == 2_000
    assert time.process_time() - start < 30  # a product of both would be hours


def test_what_has_no_effect_is_said() -> None:
    files = Files(["Ink"], NAMES)
    assert problems("a cat", files=files) == ()
    said = problems("<lora:ink:1> <lora:gone:1> <hypernet:x> EASYNEGATIVE # bad", files=files)
    assert said == (
        "“<lora:ink…>” has no effect: this version cannot apply it yet.",
        "There is no LoRA “gone” in models/lora.",
        "“<hypernet:x…>” has no effect: this version cannot apply it yet.",
        (
            "“EasyNegative” is an embedding, which this version cannot apply yet; its name is used "
            "as words."
        ),
    )
    (negative,) = problems("bad", negative=True, files=files)
    assert "“bad” is an embedding" in negative
