"""A loaded CLIP: pictures and texts as vectors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from transformers import CLIPModel

from webui.engine.clip.preprocess import Preprocessing, prepare
from webui.engine.clip.scoring import cosines
from webui.engine.models import weights

_AT_ONCE = 16


class ClipJudge:
    """A loaded CLIP; a ``families.base.Component``.

    ``scale`` is what cosines are multiplied with before a softmax, 100 at most.
    """

    def __init__(self, model: CLIPModel, tokenizer: Any, how: Preprocessing) -> None:
        self._model: Any = model
        self._tokenizer = tokenizer
        self._how = how
        positions = int(self._model.config.text_config.max_position_embeddings)
        self._length = min(positions, int(tokenizer.model_max_length), 1024)
        self.scale = min(float(model.logit_scale.detach().float().exp()), 100.0)

    @property
    def nbytes(self) -> int:
        """Measured size of its weights."""
        return weights.nbytes(self._model)

    def to(self, device: torch.device) -> None:
        """Move the weights."""
        self._model.to(device)

    @torch.inference_mode()
    def images(self, pictures: Sequence[Tensor]) -> Tensor:
        """Vectors [B, D] float32 on the CPU of pictures, uint8 [3, h, w] of any sizes."""
        parts: list[Tensor] = []
        for start in range(0, len(pictures), _AT_ONCE):
            pixels = prepare(pictures[start : start + _AT_ONCE], self._how)
            pixels = pixels.to(self._model.device, self._model.dtype)
            pooled = self._model.vision_model(pixel_values=pixels).pooler_output
            parts.append(self._model.visual_projection(pooled).float().cpu())
        return torch.cat(parts)

    @torch.inference_mode()
    def texts(self, texts: Sequence[str]) -> Tensor:
        """Vectors [K, D] float32 on the CPU of texts; what goes beyond its length is cut off."""
        parts: list[Tensor] = []
        for start in range(0, len(texts), _AT_ONCE):
            tokens = self._tokenizer(
                list(texts[start : start + _AT_ONCE]),
                padding="max_length",
                truncation=True,
                max_length=self._length,
                return_tensors="pt",
            ).to(self._model.device)
            pooled = self._model.text_model(
                input_ids=tokens.input_ids, attention_mask=tokens.attention_mask
            ).pooler_output
            parts.append(self._model.text_projection(pooled).float().cpu())
        return torch.cat(parts)

    def similarity(self, pictures: Sequence[Tensor], texts: Sequence[str]) -> Tensor:
        """Cosines [B, K] of pictures and texts."""
        return cosines(self.images(pictures), self.texts(texts))
