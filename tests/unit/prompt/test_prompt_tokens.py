"""Tokens and chunks of a prompt, as the engine cuts it."""

from __future__ import annotations

import pytest

from webui.prompt.tokens import Counter, clip_counter


@pytest.fixture(scope="module")
def counter() -> Counter:
    return clip_counter()


@pytest.mark.parametrize(
    ("prompt", "chunks"),
    [
        ("", (0,)),
        ("a red circle", (3,)),
        ("a (red:1.3) [circle]", (3,)),
        ("circle " * 75, (75,)),
        ("circle " * 80, (75, 5)),
        ("circle " * 70 + ", " + "square " * 9, (71, 9)),  # the phrase moves as a whole
        ("a BREAK red circle", (1, 2)),
        ("circle " * 76 + "BREAK a BREAK", (75, 1, 1)),
        ("a BREAK BREAK b", (1, 0, 1)),
        ("a [red:blue green:0.5]", (3,)),
        ("a [red:blue green:7] [x|y z]", (5,)),
        ("a AND red circle:2 AND b", (2,)),
        ("a <lora:ink:0.8> cat # and a comment", (2,)),
    ],
)
def test_tokens_by_chunk(counter: Counter, prompt: str, chunks: tuple[int, ...]) -> None:
    count = counter.count(prompt)
    assert count.chunks == chunks
    assert count.room == 75 * len(chunks)


def test_a_chunk_that_a_break_ends_counts_as_full() -> None:
    count = clip_counter().count("a BREAK red circle")
    assert (count.tokens, count.room) == (77, 150)


def test_how_it_is_read_changes_the_count(counter: Counter) -> None:
    assert counter.count("a (cat:2)", emphasis="Ignore").chunks == (2,)
    assert counter.count("a BREAK (cat:2)", emphasis="None").chunks == (7,)
    assert counter.count("[a b c:d:3]", steps=2).chunks == (3,)
    assert counter.count("[a b c:d:0]", steps=2).chunks == (1,)
    assert counter.count("a AND b", negative=True).chunks == (3,)


def test_the_largest_of_very_many_texts_is_found(counter: Counter) -> None:
    """More characters than are looked at: those of the longest texts are."""
    prompt = "[a|b|c|d|e|f|g|many more words]" + " circle" * 10_000
    assert counter.count(prompt, steps=150).tokens == 10_003
