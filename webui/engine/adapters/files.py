"""LoRA files: their tensors by network and layer. Safetensors only."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from torch import Tensor

from webui.core.errors import ModelError, listed
from webui.core.models import AdapterRef
from webui.engine.adapters.keys import Target, split_key
from webui.engine.models import weights

_EMBEDDINGS = "bundle_emb."
"""Embeddings that a LoRA may bring along; they are not read."""
_PEFT = "lora_adapter_metadata"
_PEFT_NAMES: Mapping[Target, str] = {"text": "text_encoder", "denoiser": "unet"}


@dataclass(slots=True)
class LoraFile:
    """A file's tensors: of each network, by the layer's name with underscores and by part."""

    name: str
    layers: dict[Target, dict[str, dict[str, Tensor]]] = field(
        default_factory=lambda: {"text": {}, "denoiser": {}}
    )
    keys: dict[tuple[Target, str], str] = field(default_factory=dict[tuple[Target, str], str])
    """One of the names that the file gives each layer's tensors."""


def read_lora(adapter: AdapterRef) -> LoraFile:
    """The file that prompts call ``adapter.name``; mapped into memory, nothing computed.

    ``ModelError`` if it is gone, damaged, no LoRA, or holds tensors of an unknown kind.
    """
    path = Path(adapter.path)
    file = LoraFile(adapter.name)
    unknown: list[str] = []
    for key, tensor in weights.read_tensors(path).items():
        if key.startswith(_EMBEDDINGS):
            continue
        found = split_key(key)
        if found is None:
            unknown.append(key[:100])
            continue
        target, layer, part = found
        file.layers[target].setdefault(layer, {})[part] = tensor
        file.keys.setdefault((target, layer), key)
    if unknown:
        raise ModelError(
            f"The LoRA {file.name!r} has weights of a kind that this version cannot apply: "
            f"{listed(unknown)}."
        )
    if not file.keys:
        raise ModelError(f"The file of the LoRA {file.name!r} holds no LoRA.")
    _add_alphas(file, _peft_settings(path))
    return file


def _peft_settings(path: Path) -> Mapping[str, Any]:
    """What PEFT says of the weights, as diffusers writes it: its alphas are no tensors."""
    with safe_open(path, "pt") as opened:
        text = (opened.metadata() or {}).get(_PEFT, "{}")
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _add_alphas(file: LoraFile, settings: Mapping[str, Any]) -> None:
    for target, prefix in _PEFT_NAMES.items():
        alpha = settings.get(f"{prefix}.lora_alpha")
        patterns = settings.get(f"{prefix}.alpha_pattern")
        by_layer = patterns if isinstance(patterns, dict) else {}
        own = {str(name).replace(".", "_"): value for name, value in by_layer.items()}
        rooted = settings.get(f"{prefix}.use_rslora") is True
        for layer, parts in file.layers[target].items():
            down = parts.get("down")
            value = next((v for name, v in own.items() if layer.endswith(name)), alpha)
            if down is None or "alpha" in parts or not isinstance(value, int | float):
                continue
            rank = max(1, down.shape[0] if down.ndim else 1)
            parts["alpha"] = torch.tensor(float(value) * (math.sqrt(rank) if rooted else 1.0))
