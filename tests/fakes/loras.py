"""LoRA and embedding files as people's trainers write them, and what the catalog says of them."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from webui.core.models import AdapterKind, AdapterRef


def write(
    path: Path,
    tensors: dict[str, Tensor],
    metadata: dict[str, str] | None = None,
    *,
    kind: AdapterKind = "lora",
    name: str = "",
    vectors: int = 0,
) -> AdapterRef:
    """A file, and its reference; ``name`` is how prompts call it (the file's name)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({key: tensor.contiguous() for key, tensor in tensors.items()}, path, metadata)
    return AdapterRef(kind, name or path.stem, str(path), f"{path}:{path.stat().st_size}", vectors)


def kohya(path: str, weight: Tensor, rank: int = 4, seed: int = 0) -> dict[str, Tensor]:
    """A low-rank change of one layer ("unet.mid_block…" or "te.encoder…"), as kohya's trainer
    writes it, with an alpha of half the rank."""
    torch.manual_seed(seed)
    target, _, layer = path.partition(".")
    prefix = "lora_unet_" if target == "unet" else "lora_te_text_model_"
    name = prefix + layer.replace(".", "_")
    columns, kernel = weight.shape[1], weight.shape[2:]
    return {
        f"{name}.lora_up.weight": torch.randn(len(weight), rank, *(1 for _ in kernel)),
        f"{name}.lora_down.weight": torch.randn(rank, columns, *kernel),
        f"{name}.alpha": torch.tensor(rank / 2),
    }


def delta(tensors: dict[str, Tensor], weight: Tensor) -> Tensor:
    """ΔW of what :func:`kohya` wrote."""
    (up,) = (t for key, t in tensors.items() if key.endswith("up.weight"))
    (down,) = (t for key, t in tensors.items() if key.endswith("down.weight"))
    return 0.5 * (up.flatten(1) @ down.flatten(1)).reshape(weight.shape)
