"""Prompts as embeddings: chunks, weights, and the cache."""

from __future__ import annotations

from webui.engine.conditioning.cache import EmbeddingCache
from webui.engine.conditioning.prompts import PromptEncoder, paired

__all__ = ["EmbeddingCache", "PromptEncoder", "paired"]
