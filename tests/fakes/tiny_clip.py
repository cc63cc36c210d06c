"""Tiny CLIP models with random weights, saved by transformers itself."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel

from tests.fakes.tiny import write_tokenizer
from webui.catalog.clip import identify
from webui.core.models import ModelRef

PLAIN: dict[str, Any] = {"size": {"height": 32, "width": 32}, "do_center_crop": False}
CROPPED: dict[str, Any] = {
    "size": {"shortest_edge": 40},
    "crop_size": {"height": 32, "width": 32},
}


def write_clip(folder: Path, *, seed: int = 0, **preprocessing: Any) -> ModelRef:
    """A CLIP folder that looks at 32×32 pixels; what the catalogue says of it.

    ``preprocessing`` is what differs from CLIPImageProcessor's defaults (``PLAIN``, ``CROPPED``).
    """
    torch.manual_seed(seed)
    side = {"hidden_size": 32, "intermediate_size": 64, "num_attention_heads": 2}
    side["num_hidden_layers"] = 2
    config = CLIPConfig(
        text_config={
            **side,
            "vocab_size": 514,
            "max_position_embeddings": 77,
            "bos_token_id": 512,
            "eos_token_id": 513,
            "pad_token_id": 513,
        },
        vision_config={**side, "image_size": 32, "patch_size": 8},
        projection_dim=24,
    )
    model = CLIPModel(config)
    with torch.no_grad():  # far enough apart for a test to tell
        for name, weight in model.named_parameters():
            if name.endswith("projection.weight") or "embedding" in name:
                weight.mul_(8)
    model.save_pretrained(folder)
    write_tokenizer(folder)
    CLIPImageProcessor(**(preprocessing or PLAIN)).save_pretrained(folder)
    assert json.loads((folder / "config.json").read_text())["model_type"] == "clip"
    return identify(folder)
