"""Encoded captions, made once: the text encoder is frozen by then, and so costs nothing a step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from transformers import CLIPTextModel, CLIPTokenizer

from tools.starter.captions import write_caption
from tools.starter.scene import SIZE_WORDS, TRAINING_COMBINATIONS, Scene, Thing
from tools.starter.text import token_ids

Facts = tuple[tuple[str, str, str], str]


def facts_of(scene: Scene) -> Facts:
    """All that a caption can say of the scene; scenes with equal facts share captions."""
    return scene.combination, scene.things[0].size_word


@dataclass(frozen=True)
class ContextBank:
    """Hidden states of many captions, float16 [K, 77, D]; number 0 is the empty caption's."""

    contexts: torch.Tensor
    numbers: dict[Facts, range]

    def choose(self, rng: np.random.Generator, scene: Scene, dropout: float) -> int:
        """The number of a caption of the scene, or of the empty one."""
        options = self.numbers[facts_of(scene)]
        return 0 if rng.random() < dropout else options[int(rng.integers(len(options)))]


@torch.no_grad()
def encode(texts: Sequence[str], tokenizer: CLIPTokenizer, encoder: CLIPTextModel) -> torch.Tensor:
    """Last hidden states: float16 [K, 77, D] on the CPU."""
    parts = []
    for start in range(0, len(texts), 128):
        ids = torch.from_numpy(token_ids(tokenizer, list(texts[start : start + 128])))
        parts.append(encoder(ids.to(encoder.device)).last_hidden_state.half().cpu())
    return torch.cat(parts)


def make_bank(
    tokenizer: CLIPTokenizer, encoder: CLIPTextModel, *, seed: int, captions: int
) -> ContextBank:
    """So many captions for every training combination and size word."""
    rng = np.random.default_rng([seed, 21])
    texts, numbers = [""], {}
    for shape, colour, background in TRAINING_COMBINATIONS:
        for size_word in ("", *SIZE_WORDS):
            scene = Scene((Thing(shape, colour, 0.3, size_word=size_word),), background)
            numbers[facts_of(scene)] = range(len(texts), len(texts) + captions)
            texts.extend(write_caption(rng, scene) for _ in range(captions))
    return ContextBank(encode(texts, tokenizer, encoder), numbers)
