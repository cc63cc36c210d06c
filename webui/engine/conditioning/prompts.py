"""Prompts to embeddings: tokens by weight, chunks, one call of the text encoder, emphasis."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager

import torch
from torch import Tensor

from webui.core.models import AdapterRef
from webui.engine.adapters import Called
from webui.engine.adapters.vectors import read_vectors
from webui.engine.conditioning.cache import EmbeddingCache, EmbeddingKey
from webui.engine.families.base import TextEncoder
from webui.prompt.chunks import Chunk, Marks, Token, Tokens, split
from webui.prompt.embeddings import EmbeddingNames
from webui.prompt.plan import called_in
from webui.prompt.weights import Section, sections

KEEPS_MEAN = "Original"
"""The emphasis mode that scales weighted embeddings back to the mean they had."""

_MOST_REPEATED = 4
_MOST_AT_ONCE = 256
"""Chunks in one call of the text encoder; only hundreds of long texts need more than one."""
_NO_MEAN = 1e-5
"""A mean this small beside the values themselves is rounding."""
_SLACK = 2.0
_NOTHING = Called()

TextLease = Callable[[], AbstractContextManager[TextEncoder]]


class PromptEncoder:
    """Looks texts up in the cache and encodes, in one call, those that are not there.

    ``hits`` counts the texts that ``encode`` found there, ``misses`` those it did not.
    """

    def __init__(self, cache: EmbeddingCache) -> None:
        self._cache = cache
        self.hits = 0
        self.misses = 0

    def known(
        self,
        texts: Sequence[str],
        encoder: str,
        clip_skip: int,
        emphasis: str = KEEPS_MEAN,
        called: Called = _NOTHING,
    ) -> bool:
        """Whether ``encode`` would need no text encoder."""
        keys = _keys(texts, encoder, clip_skip, emphasis, called)
        return all(self._cache.get(key) is not None for key in keys)

    def encode(
        self,
        texts: Sequence[str],
        encoder: str,
        clip_skip: int,
        lease: TextLease,
        emphasis: str = KEEPS_MEAN,
        called: Called = _NOTHING,
    ) -> list[Tensor]:
        """Embeddings [77·chunks, D] float32 of each text; each different one is encoded once.

        ``encoder`` identifies the text encoder's content; ``lease`` is called only if a text is
        not in the cache, and is to give the encoder with the LoRAs of ``called.text``. ``emphasis``
        is one of ``core.samplers.EMPHASIS_MODES``. ``ModelError`` for an embedding of the prompt's
        that cannot be used.
        """
        keys = _keys(texts, encoder, clip_skip, emphasis, called)
        known = {key: found for key in keys if (found := self._cache.get(key)) is not None}
        missing = [key for key in dict.fromkeys(keys) if key not in known]
        self.hits += len(known)
        self.misses += len(missing)
        if missing:
            with lease() as text_encoder:
                new = [key.text for key in missing]
                encoded = encode_texts(text_encoder, new, clip_skip, emphasis, called.embeddings)
            for key, embeddings in zip(missing, encoded, strict=True):
                known[key] = embeddings
                self._cache.put(key, embeddings)
        return [known[key] for key in keys]


def encode_texts(
    encoder: TextEncoder,
    texts: Sequence[str],
    clip_skip: int,
    emphasis: str = KEEPS_MEAN,
    embeddings: Sequence[AdapterRef] = (),
) -> list[Tensor]:
    """Embeddings [length·chunks, D] of each text, all in one call of the encoder.

    ``embeddings`` are the textual inversions that the texts may call.
    """
    marks = Marks(encoder.start, encoder.end, encoder.pad, encoder.comma, encoder.length)
    names = EmbeddingNames(one.name for one in embeddings)
    used = {name for text in texts for name in called_in(text, emphasis, names)}
    words = Words(encoder, [one for one in embeddings if one.name in used])
    chunked = [_chunks(words, text, marks, emphasis) for text in texts]
    tokens = [c.tokens for chunks in chunked for c in chunks]
    calls = [tokens[i : i + _MOST_AT_ONCE] for i in range(0, len(tokens), _MOST_AT_ONCE)]
    encoded = torch.cat([encoder.encode(some, clip_skip, *words.vectors) for some in calls])
    parts = encoded.split([len(chunks) for chunks in chunked])
    keep_mean = emphasis == KEEPS_MEAN
    return [
        torch.cat([emphasised(e, c, keep_mean) for e, c in zip(part, chunks, strict=True)])
        for part, chunks in zip(parts, chunked, strict=True)
    ]


def emphasised(embeddings: Tensor, chunk: Chunk, keep_mean: bool = True) -> Tensor:
    """[T, D] with each token's embedding times its weight, then scaled back to the old mean.

    A1111's "Original" emphasis; without ``keep_mean`` its "No norm", which does not scale back. Nor
    is it done where the means say nothing: where they are rounding (an encoder whose embeddings
    have mean zero), or where parts of them cancel, so that the factor is far from any that the
    weights explain.
    """
    if not chunk.weighted:
        return embeddings
    weights = torch.tensor(chunk.weights, dtype=embeddings.dtype, device=embeddings.device)
    weighted = embeddings * weights[:, None]
    if not keep_mean:
        return weighted
    before, after = embeddings.mean().item(), weighted.mean().item()
    if abs(after) <= _NO_MEAN * weighted.abs().mean().item():
        return weighted
    factor = before / after
    least, most = min(chunk.weights), max(chunk.weights)
    explained = factor * most >= 1 / _SLACK and factor * least <= _SLACK
    return weighted * factor if explained else weighted


def of_equal_length(embeddings: Sequence[Tensor]) -> list[Tensor]:
    """Embeddings [T, D] of different T at the same length, so that they share one forward pass.

    Attention over a text repeated as a whole is attention over the text: nothing changes but the
    length. Where the common length would be very long, as few different lengths are left as fit.
    """
    lengths = sorted({len(one) for one in embeddings}, reverse=True)
    commons: list[tuple[int, int]] = []
    """Common lengths, and the longest they may become."""
    for length in lengths:
        joined = [(math.lcm(common, length), most) for common, most in commons]
        fitting = [i for i, (common, most) in enumerate(joined) if common <= most]
        if fitting:
            least = min(fitting, key=lambda i: joined[i][0] // commons[i][0])
            commons[least] = joined[least]
        else:
            commons.append((length, _MOST_REPEATED * length))
    return [_repeated(one, [common for common, _ in commons]) for one in embeddings]


def _repeated(embeddings: Tensor, commons: Sequence[int]) -> Tensor:
    times = next(common // len(embeddings) for common in commons if common % len(embeddings) == 0)
    return embeddings.repeat(times, 1) if times > 1 else embeddings


class Words:
    """Text as tokens, the names of ``embeddings`` as theirs: -1 - k for the k-th vector."""

    def __init__(self, encoder: TextEncoder, embeddings: Sequence[AdapterRef]) -> None:
        self._encoder = encoder
        self._names = EmbeddingNames(one.name for one in embeddings)
        self._ids: dict[str, tuple[int, ...]] = {}
        vectors = [read_vectors(one, encoder.width) for one in embeddings]
        self.vectors: tuple[Tensor, ...] = (torch.cat(vectors),) if vectors else ()
        """All vectors [K, D] in one, or nothing."""
        count = 0
        for one, own in zip(embeddings, vectors, strict=True):
            self._ids[one.name] = tuple(-1 - k for k in range(count, count + len(own)))
            count += len(own)

    def tokens(self, text: str) -> Iterator[Token]:
        """The tokens of a text without syntax."""
        for part in self._names.parts(text):
            if isinstance(part, str):
                yield from self._encoder.tokenize(part)
            else:
                yield self._ids[part.name]


def _keys(
    texts: Sequence[str], encoder: str, clip_skip: int, emphasis: str, called: Called
) -> list[EmbeddingKey]:
    contents = {one.name: one.digest for one in called.embeddings}
    names = EmbeddingNames(contents)
    keys: list[EmbeddingKey] = []
    for text in texts:
        own = tuple(contents[name] for name in called_in(text, emphasis, names)) if names else ()
        keys.append(EmbeddingKey(text, encoder, clip_skip, emphasis, (called.text, own)))
    return keys


def _chunks(words: Words, text: str, marks: Marks, emphasis: str) -> tuple[Chunk, ...]:
    return split((_tokens(words, section) for section in sections(text, emphasis)), marks)


def _tokens(words: Words, section: Section) -> Tokens:
    return [(token, span.weight) for span in section for token in words.tokens(span.text)]
