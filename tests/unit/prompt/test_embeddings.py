"""Files that prompts call by name: embeddings among the words, LoRAs, and what is said of them."""

from __future__ import annotations

import time

import pytest

from webui.prompt.embeddings import Called, EmbeddingNames
from webui.prompt.loras import LoraCall, lora_calls
from webui.prompt.plan import embeddings_in, split_prompt
from webui.prompt.problems import Files, problems
from webui.prompt.tokens import Counter, clip

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


def test_what_stands_between_names_is_text() -> None:
    parts = ["(", Called("bad", 1), ":1.2) ", Called("bad", 11)]
    assert list(NAMES.parts("(bad:1.2)  bad")) == [*parts[:2], ":1.2)  ", parts[3]]
    assert list(NAMES.parts("a cat")) == ["a cat"]
    assert list(NAMES.parts("")) == []


def test_embeddings_are_found_in_what_is_encoded() -> None:
    prompt = "# bad\n[easynegative:x:5] (neg_4.5:1.2) AND \\[old\\] <lora:bad:1>"
    found = embeddings_in(prompt, "a bad hand v2, EASYNEGATIVE", 20, "Original", NAMES)
    assert found == ("EasyNegative", "neg_4.5", "[old]", "bad hand v2")


def test_what_is_called_and_cannot_be_applied_is_said() -> None:
    files = Files(lambda name: name == "Ink", {"EasyNegative": "for another kind of model"})
    assert problems("a cat <lora:Ink:1>", files=Files(lambda name: name == "Ink")) == ()
    prompt = "<lora:Ink:x> <lyco:gone:1> <hypernet:x> <lora:Ink:.5:te=nan> EASYNEGATIVE"
    said = problems(prompt, files=files)
    assert said == (
        "“<lora:Ink…>” has no effect: write it as <lora:name:0.8>.",
        "There is no LoRA “gone” in models/lora; it is left out.",
        "“<hypernet:x…>” has no effect: only LoRAs are applied.",
        "“EasyNegative” is an embedding for another kind of model; its name is used as words.",
    )
    (negative,) = problems("EasyNegative", negative=True, files=files)
    assert "“EasyNegative” is an embedding" in negative


@pytest.mark.parametrize(
    ("text", "call"),
    [
        ("<lora:ink>", LoraCall("ink", 1, 1)),
        ("<lora:ink:0.5>", LoraCall("ink", 0.5, 0.5)),
        ("<lyco: ink : -1 : 2 : 8 >", LoraCall("ink", -1, 2, 8)),
        ("<lora:ink:te=.5>", LoraCall("ink", 0.5, 0.5)),
        ("<lora:ink:0.7:te=.5>", LoraCall("ink", 0.5, 0.5)),
        ("<lora:ink:0.7:unet=0:dyn=4>", LoraCall("ink", 0.7, 0, 4)),
        ("<lora:ink:nan>", None),
        ("<lora:ink:1e999>", None),
        ("<lora:ink:x>", None),
        ("<lora:ink:1:1:0>", None),
        ("<lora: :1>", None),
        ("<hypernet:ink:1>", None),
    ],
)
def test_a_call_is_read_as_a1111_reads_it(text: str, call: LoraCall | None) -> None:
    _, networks = split_prompt(text)
    assert lora_calls(networks) == (() if call is None else (call,))


def test_an_embedding_takes_its_vectors_tokens_and_stays_whole() -> None:
    counter = Counter(clip({**{c: i for i, c in enumerate("ab")}, "a</w>": 2, "b</w>": 3}, []))
    vectors = {"bad": 8}
    assert counter.count("a (bad:1.2) a", vectors=vectors).chunks == (10,)
    assert counter.count("a " * 67 + "bad", vectors=vectors).chunks == (75,)
    over = counter.count("a " * 68 + "bad a", vectors=vectors, negative=True)
    assert (over.chunks, over.tokens, over.room) == ((68, 9), 84, 150)
