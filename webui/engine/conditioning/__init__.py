"""Prompts as embeddings: tokens and weights, the cache, and what holds at which step."""

from __future__ import annotations

from webui.engine.conditioning.cache import EmbeddingCache
from webui.engine.conditioning.prompts import PromptEncoder, of_equal_length
from webui.engine.conditioning.scheduled import source_of

__all__ = ["EmbeddingCache", "PromptEncoder", "of_equal_length", "source_of"]
