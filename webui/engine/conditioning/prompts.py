"""Prompts to embeddings: tokens by weight, chunks, one call of the text encoder, emphasis."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager

import torch
from torch import Tensor

from webui.engine.conditioning.cache import EmbeddingCache, EmbeddingKey
from webui.engine.conditioning.chunks import Chunk, Marks, split
from webui.engine.families.base import TextEncoder
from webui.prompt import parse

_MOST_REPEATED = 4
_NO_MEAN = 1e-5
"""A mean this small beside the values themselves is rounding."""
_SLACK = 2.0

TextLease = Callable[[], AbstractContextManager[TextEncoder]]


class PromptEncoder:
    """Looks texts up in the cache and encodes, in one call, those that are not there."""

    def __init__(self, cache: EmbeddingCache) -> None:
        self._cache = cache

    def known(self, texts: Sequence[str], encoder: str, clip_skip: int) -> bool:
        """Whether ``encode`` would need no text encoder."""
        keys = (EmbeddingKey(text, encoder, clip_skip) for text in texts)
        return all(self._cache.get(key) is not None for key in keys)

    def encode(
        self, texts: Sequence[str], encoder: str, clip_skip: int, lease: TextLease
    ) -> list[Tensor]:
        """Embeddings [77·chunks, D] float32 of each text.

        ``encoder`` identifies the text encoder's content; ``lease`` is called only if a text is
        not in the cache.
        """
        keys = [EmbeddingKey(text, encoder, clip_skip) for text in texts]
        known = {key: found for key in keys if (found := self._cache.get(key)) is not None}
        missing = [key for key in dict.fromkeys(keys) if key not in known]
        if missing:
            with lease() as text_encoder:
                encoded = encode_texts(text_encoder, [key.text for key in missing], clip_skip)
            for key, embeddings in zip(missing, encoded, strict=True):
                known[key] = embeddings
                self._cache.put(key, embeddings)
        return [known[key] for key in keys]


def encode_texts(encoder: TextEncoder, texts: Sequence[str], clip_skip: int) -> list[Tensor]:
    """Embeddings [length·chunks, D] of each text, all in one call of the encoder."""
    marks = Marks(encoder.start, encoder.end, encoder.pad, encoder.comma, encoder.length)
    chunked = [split(_weighted_tokens(encoder, text), marks) for text in texts]
    encoded = encoder.encode([c.tokens for chunks in chunked for c in chunks], clip_skip)
    parts = encoded.split([len(chunks) for chunks in chunked])
    return [
        torch.cat([emphasised(e, c) for e, c in zip(part, chunks, strict=True)])
        for part, chunks in zip(parts, chunked, strict=True)
    ]


def emphasised(embeddings: Tensor, chunk: Chunk) -> Tensor:
    """[T, D] with each token's embedding times its weight, then scaled back to the old mean.

    A1111's "Original" emphasis. It is not scaled back where the means say nothing: where they are
    rounding (an encoder whose embeddings have mean zero), or where parts of them cancel, so that
    the factor is far from any that the weights explain.
    """
    if not chunk.weighted:
        return embeddings
    weights = torch.tensor(chunk.weights, dtype=embeddings.dtype, device=embeddings.device)
    weighted = embeddings * weights[:, None]
    before, after = embeddings.mean().item(), weighted.mean().item()
    if abs(after) < _NO_MEAN * weighted.abs().mean().item():
        return weighted
    factor = before / after
    least, most = min(chunk.weights), max(chunk.weights)
    explained = factor * most >= 1 / _SLACK and factor * least <= _SLACK
    return weighted * factor if explained else weighted


def paired(positive: Tensor, negative: Tensor) -> tuple[Tensor, Tensor]:
    """Both at the same length, so that they share one forward pass.

    Attention over a text repeated as a whole is attention over the text: nothing changes but the
    length. Where the common length would be very long, both stay as they are and are evaluated
    apart.
    """
    common = math.lcm(len(positive), len(negative))
    if common > _MOST_REPEATED * max(len(positive), len(negative)):
        return positive, negative
    return (
        positive.repeat(common // len(positive), 1),
        negative.repeat(common // len(negative), 1),
    )


def _weighted_tokens(encoder: TextEncoder, text: str) -> list[tuple[int, float]]:
    return [(token, span.weight) for span in parse(text) for token in encoder.tokenize(span.text)]
