"""Textual inversions (Gal et al. 2022, https://arxiv.org/abs/2208.01618): files of vectors that
stand where tokens' embeddings would."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from webui.core.errors import ModelError
from webui.core.models import MOST_VECTORS, AdapterRef
from webui.engine.models import weights

_NAMES = ("emb_params", "clip_l")
"""What the vectors of CLIP's text encoder are called, where a file has several tensors."""


def read_vectors(embedding: AdapterRef, width: int) -> Tensor:
    """An embedding's vectors [n, width] float32 on the CPU.

    ``ModelError`` if the file is gone or damaged, or its vectors have another width.
    """
    tensors = weights.read_tensors(Path(embedding.path))
    found = next((tensors[name] for name in _NAMES if name in tensors), None)
    if found is None and len(tensors) == 1:
        (found,) = tensors.values()
    if found is None or not 1 <= found.ndim <= 2:
        raise ModelError(f"The file of the embedding {embedding.name!r} holds no embedding.")
    vectors = found.reshape(-1, found.shape[-1]).to(torch.float32, copy=True)
    if vectors.shape[1] != width:
        raise ModelError(
            f"The embedding {embedding.name!r} is {vectors.shape[1]} wide, but this checkpoint "
            f"reads tokens {width} wide: it is made for another kind of model."
        )
    if not 1 <= len(vectors) <= MOST_VECTORS:
        raise ModelError(
            f"The embedding {embedding.name!r} has {len(vectors)} vectors; at most {MOST_VECTORS} "
            "fit into a chunk of the text encoder."
        )
    if not torch.isfinite(vectors).all():
        raise ModelError(f"The embedding {embedding.name!r} holds invalid numbers.")
    return vectors
