"""Encoded prompts by what they are made of, so that a text is encoded once."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True, slots=True)
class EmbeddingKey:
    """A text, the content of the encoder that read it, and how: layers left out, emphasis mode.

    ``adapters`` are the LoRAs that change the encoder, and the contents of the embeddings that the
    text calls.
    """

    text: str
    encoder: str
    clip_skip: int
    emphasis: str = "Original"
    adapters: Hashable = ()


class EmbeddingCache:
    """Embeddings [T, D], the longest unused dropped first; holds at most ``limit`` bytes."""

    def __init__(self, limit: int = 64 << 20) -> None:
        self._limit = limit
        self._entries: OrderedDict[EmbeddingKey, Tensor] = OrderedDict()
        self.nbytes = 0

    def get(self, key: EmbeddingKey) -> Tensor | None:
        """What was put under that key, if it is still here."""
        found = self._entries.get(key)
        if found is not None:
            self._entries.move_to_end(key)
        return found

    def put(self, key: EmbeddingKey, embeddings: Tensor) -> None:
        """Keep ``embeddings``; what is larger than the whole cache is not kept."""
        size = embeddings.numel() * embeddings.element_size()
        if key in self._entries or size > self._limit:
            return
        self._entries[key] = embeddings
        self.nbytes += size
        while self.nbytes > self._limit:
            _, oldest = self._entries.popitem(last=False)
            self.nbytes -= oldest.numel() * oldest.element_size()

    def clear(self) -> None:
        """Forget everything."""
        self._entries.clear()
        self.nbytes = 0

    def __len__(self) -> int:
        return len(self._entries)
