"""Captions to what the UNet attends to; the text encoder is frozen by then."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from transformers import CLIPTextModel, CLIPTokenizer

from tools.starter.captions import write_caption
from tools.starter.scene import Scene
from tools.starter.text import token_ids


@torch.no_grad()
def encode(texts: Sequence[str], tokenizer: CLIPTokenizer, encoder: CLIPTextModel) -> torch.Tensor:
    """Last hidden states: float32 [K, 77, D] on the encoder's device."""
    ids = torch.from_numpy(token_ids(tokenizer, list(texts)))
    return encoder(ids.to(encoder.device)).last_hidden_state.float()


@dataclass(frozen=True)
class Captioner:
    """Writes a fresh caption for each scene each time, and encodes it."""

    tokenizer: CLIPTokenizer
    encoder: CLIPTextModel

    def write(self, rng: np.random.Generator, scene: Scene, dropout: float) -> str:
        """A caption of the scene, or the empty one."""
        return "" if rng.random() < dropout else write_caption(rng, scene).text

    def encode(self, texts: Sequence[str]) -> torch.Tensor:
        """Context of the captions: float32 [K, 77, D]."""
        return encode(texts, self.tokenizer, self.encoder)
