"""Scores from CLIP's vectors: pure functions."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from webui.core.results import Score


def cosines(images: Tensor, texts: Tensor) -> Tensor:
    """Cosine of every picture with every text, [B, K], of vectors [B, D] and [K, D]."""
    return unit(images) @ unit(texts).T


def unit(vectors: Tensor) -> Tensor:
    """Vectors [..., D] of length 1, in float32."""
    return torch.nn.functional.normalize(vectors.float(), dim=-1)


def ranking(similarity: Tensor, names: Sequence[str], scale: float) -> tuple[Score, ...]:
    """The named things best first, by their cosines [N].

    Probabilities are the softmax of ``scale`` times the cosine over all of them, as CLIP was
    trained; equal cosines keep their order.
    """
    shares = torch.softmax(scale * similarity.double(), dim=0).tolist()
    values = similarity.tolist()
    order = sorted(range(len(names)), key=lambda i: (-values[i], i))
    return tuple(Score(names[i], i, values[i], shares[i]) for i in order)
