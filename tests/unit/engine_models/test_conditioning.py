"""Chunks, emphasis, pairing and the embedding cache, with a text encoder made of numbers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from webui.engine.conditioning import EmbeddingCache, PromptEncoder, of_equal_length
from webui.engine.conditioning.cache import EmbeddingKey
from webui.engine.conditioning.prompts import emphasised, encode_texts
from webui.prompt.chunks import Chunk, Marks, split

MARKS = Marks(start=1, end=2, pad=3, comma=9, length=77)
SMALL = Marks(start=1, end=2, pad=3, comma=9, length=6)


class LetterEncoder:
    """One token per letter; a token's embedding is the token."""

    start, end, pad, comma, length, nbytes = 1, 2, 3, ord(","), 6, 0
    width = 2
    network = nn.Module()

    def __init__(self) -> None:
        self.calls: list[int] = []

    def to(self, device: torch.device) -> None: ...

    def tokenize(self, text: str) -> list[int]:
        return [ord(c) for c in text if c != " "]

    def encode(
        self, chunks: Sequence[Sequence[int]], clip_skip: int, vectors: Tensor | None = None
    ) -> Tensor:
        self.calls.append(len(chunks))
        return torch.tensor(chunks, dtype=torch.float32)[:, :, None].expand(-1, -1, 2) * clip_skip


def tokens(count: int, *, comma_at: int | None = None) -> list[tuple[int, float]]:
    return [(9 if i == comma_at else 100 + i, 1.0) for i in range(count)]


def inner(chunk: Chunk) -> list[int]:
    """The text's own tokens of a chunk."""
    return [token for token in chunk.tokens if token >= 100 or token == 9]


def test_an_empty_text_is_one_chunk_of_padding() -> None:
    (chunk,) = split([[]], SMALL)
    assert chunk.tokens == (1, 2, 3, 3, 3, 3)
    assert not chunk.weighted


def test_a_full_chunk_ends_without_padding_and_the_next_begins() -> None:
    assert [c.tokens for c in split([tokens(4)], SMALL)] == [(1, 100, 101, 102, 103, 2)]
    second = split([tokens(5)], SMALL)[1]
    assert second.tokens == (1, 104, 2, 3, 3, 3)


def test_weights_stay_with_their_tokens() -> None:
    first, second = split([[(100, 1.5), (101, 1.0), (102, 1.0), (103, 1.0), (104, 0.5)]], SMALL)
    assert first.weights == (1.0, 1.5, 1.0, 1.0, 1.0, 1.0)
    assert second.weights == (1.0, 0.5, 1.0, 1.0, 1.0, 1.0)


@pytest.mark.parametrize(
    ("comma_at", "first", "second"),
    [(None, 75, 5), (70, 71, 9), (56, 57, 23), (55, 56, 24), (54, 75, 5), (74, 75, 5), (75, 75, 5)],
)
def test_a_phrase_behind_a_late_comma_moves_to_the_next_chunk(comma_at, first, second) -> None:
    chunks = split([tokens(80, comma_at=comma_at)], MARKS)
    assert [len(inner(chunk)) for chunk in chunks] == [first, second]
    kept = [token for chunk in chunks for token in inner(chunk)]
    assert kept == [token for token, _ in tokens(80, comma_at=comma_at)]


def test_texts_are_encoded_in_one_call() -> None:
    encoder = LetterEncoder()
    short, long = encode_texts(encoder, ["ab", "abcde"], 1)
    assert encoder.calls == [3]
    assert short[:, 0].tolist() == [1, 97, 98, 2, 3, 3]
    assert long[:, 0].tolist() == [1, 97, 98, 99, 100, 2, 1, 101, 2, 3, 3, 3]


def test_emphasis_scales_tokens_and_keeps_the_mean() -> None:
    plain = torch.rand(6, 8) + 0.5
    weighted = emphasised(plain, Chunk((1, 97, 98, 2, 3, 3), (1, 1.5, 1, 1, 1, 1)))
    assert weighted.mean().item() == pytest.approx(plain.mean().item(), rel=1e-5)
    ratios = (weighted / plain).mean(1)
    assert (ratios[1] / ratios[0]).item() == pytest.approx(1.5, rel=1e-5)
    assert emphasised(plain, Chunk((1,) * 6, (1.0,) * 6)) is plain


def test_emphasis_trusts_no_mean_that_is_rounding_or_cancels() -> None:
    centred = torch.randn(6, 64)
    centred -= centred.mean(1, keepdim=True)  # as an untrained encoder's last norm leaves it
    chunk = Chunk((1, 97, 98, 2, 3, 3), (1, 1.5, 1, 1, 1, 1))
    weighted = centred * torch.tensor(chunk.weights)[:, None]
    assert torch.equal(emphasised(centred, chunk), weighted)
    means = torch.tensor([1.0, -2.1, 0.3, 0.3, 0.3, 0.3])  # +0.1 before, -0.95 after
    cancelling = centred + means[:, None]
    weighted = cancelling * torch.tensor(chunk.weights)[:, None]
    assert torch.equal(emphasised(cancelling, chunk), weighted)
    nothing = torch.zeros(6, 64)
    assert torch.equal(emphasised(nothing, chunk), nothing)


def attention(query: Tensor, embeddings: Tensor) -> Tensor:
    return F.scaled_dot_product_attention(query[None], embeddings[None], embeddings[None])[0]


def test_pairing_changes_the_length_and_nothing_else() -> None:
    long, short, query = torch.randn(154, 8), torch.randn(77, 8), torch.randn(5, 8)
    same, stretched = of_equal_length([long, short])
    assert len(same) == len(stretched) == 154
    torch.testing.assert_close(attention(query, stretched), attention(query, short))
    assert same is long


@pytest.mark.parametrize(
    ("chunks", "expected"),
    [
        ([1], [1]),
        ([1, 2, 1], [2, 2, 2]),
        ([2, 3], [6, 6]),
        ([1, 2, 3, 4], [12, 12, 12, 12]),
        ([7, 6], [7, 6]),  # 42 would be six times the longest
        ([1, 6, 7, 3, 2], [7, 6, 7, 6, 6]),
        ([5, 1, 2, 3], [15, 15, 2, 15]),
    ],
)
def test_lengths_are_made_equal_where_that_is_cheap(chunks: list[int], expected: list[int]) -> None:
    parts = [torch.randn(4 * count, 2) for count in chunks]
    equal = of_equal_length(parts)
    assert [len(one) // 4 for one in equal] == expected
    for one, part in zip(equal, parts, strict=True):
        assert torch.equal(one, part.repeat(len(one) // len(part), 1))


class Lease:
    """Counts how often a text encoder is taken."""

    def __init__(self) -> None:
        self.taken = 0
        self.encoder = LetterEncoder()

    @contextmanager
    def __call__(self) -> Iterator[LetterEncoder]:
        self.taken += 1
        yield self.encoder


def test_a_known_text_takes_no_text_encoder() -> None:
    prompts, lease = PromptEncoder(EmbeddingCache()), Lease()
    assert not prompts.known(["a", "b"], "digest", 1)
    first = prompts.encode(["a", "b"], "digest", 1, lease)
    assert prompts.known(["a", "b"], "digest", 1)
    again = prompts.encode(["b", "a"], "digest", 1, lease)
    assert lease.taken == 1
    assert torch.equal(first[0], again[1])
    prompts.encode(["a", "c"], "digest", 1, lease)
    assert lease.encoder.calls == [2, 1]  # only what is new is encoded


def test_content_and_clip_skip_tell_embeddings_apart() -> None:
    prompts, lease = PromptEncoder(EmbeddingCache()), Lease()
    (one,) = prompts.encode(["a"], "digest", 1, lease)
    (two,) = prompts.encode(["a"], "digest", 2, lease)
    prompts.encode(["a"], "another", 1, lease)
    assert lease.taken == 3
    assert not torch.equal(one, two)


def test_the_cache_drops_the_longest_unused_first() -> None:
    cache = EmbeddingCache(limit=3 * 40)
    keys = [EmbeddingKey(text, "d", 1) for text in "abcd"]
    for key in keys[:3]:
        cache.put(key, torch.zeros(10))
    cache.get(keys[0])
    cache.put(keys[3], torch.zeros(10))
    assert [cache.get(key) is not None for key in keys] == [True, False, True, True]
    cache.put(EmbeddingKey("huge", "d", 1), torch.zeros(1000))
    assert (len(cache), cache.nbytes) == (3, 120)
