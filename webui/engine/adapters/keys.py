"""The names that LoRA files give to their tensors: which layer, and which part of its change.

kohya's trainer, LyCORIS, diffusers and PEFT each write the layer's name in their own way. They all
agree once dots are underscores, so a network's layers are looked up by names made like that.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from torch import nn

from webui.engine.families.unet_names import original_names

Target = Literal["text", "denoiser"]

_ENDINGS = {
    ".lora_down.weight": "down", ".lora_up.weight": "up", ".lora_mid.weight": "mid",
    ".lora_A.weight": "down", ".lora_B.weight": "up",
    ".lora_A.default.weight": "down", ".lora_B.default.weight": "up",
    ".lora.down.weight": "down", ".lora.up.weight": "up",
    ".lora_linear_layer.down.weight": "down", ".lora_linear_layer.up.weight": "up",
    "_lora.down.weight": "down", "_lora.up.weight": "up",
    ".alpha": "alpha", ".scale": "scale", ".dora_scale": "dora_scale",
    ".lora_magnitude_vector": "magnitude", ".lora_magnitude_vector.weight": "magnitude",
    ".lora_magnitude_vector.default.weight": "magnitude",
    ".hada_w1_a": "hada_w1_a", ".hada_w1_b": "hada_w1_b", ".hada_t1": "hada_t1",
    ".hada_w2_a": "hada_w2_a", ".hada_w2_b": "hada_w2_b", ".hada_t2": "hada_t2",
    ".lokr_w1": "lokr_w1", ".lokr_w1_a": "lokr_w1_a", ".lokr_w1_b": "lokr_w1_b",
    ".lokr_w2": "lokr_w2", ".lokr_w2_a": "lokr_w2_a", ".lokr_w2_b": "lokr_w2_b",
    ".lokr_t2": "lokr_t2",
    ".diff": "diff", ".diff_b": "diff_b", ".w_norm": "diff", ".b_norm": "diff_b",
    ".weight": "ia3", ".on_input": "on_input",
}  # fmt: skip
"""How a tensor's name ends, and what the part is called here."""

_BY_LENGTH = sorted(_ENDINGS, key=len, reverse=True)

_TEXT = ("lora_te_", "lora_te1_", "text_encoder.", "lycoris_text_model_", "text_model.")
_DENOISER = (
    "lora_unet_", "lycoris_", "unet.", "model.diffusion_model.", "diffusion_model.",
)  # fmt: skip
_OLD_TEXT = {"_q_proj": "_to_q", "_k_proj": "_to_k", "_v_proj": "_to_v", "_out_proj": "_to_out"}
"""What diffusers once called the text encoder's layers."""


def split_key(key: str) -> tuple[Target, str, str] | None:
    """A tensor's network, its layer's name with underscores, and its part; None if unknown."""
    ending = next((one for one in _BY_LENGTH if key.endswith(one)), None)
    if ending is None:
        return None
    stem = key[: -len(ending)].removeprefix("base_model.model.")
    target, layer = _target(stem)
    flat = layer.replace(".", "_").replace("_processor_", "_")
    if target == "text":
        flat = flat.removeprefix("text_model_")
    return target, flat, _ENDINGS[ending]


def layers_of(network: nn.Module, target: Target) -> Mapping[str, str]:
    """A network's layers that have weights, by every name that files call them by."""
    paths = [
        path
        for path, module in network.named_modules()
        if isinstance(getattr(module, "weight", None), nn.Parameter)
    ]
    found = {path.replace(".", "_"): path for path in paths}
    if target == "denoiser":
        others = {name.replace(".", "_"): path for path, name in original_names(paths).items()}
        shortened = {flat[:-2]: path for flat, path in found.items() if flat.endswith("_to_out_0")}
    else:
        others = {}
        shortened = {
            flat.removesuffix(new) + old: path
            for flat, path in found.items()
            for new, old in _OLD_TEXT.items()
            if flat.endswith(new)
        }
    return {**others, **shortened, **found}


def _target(stem: str) -> tuple[Target, str]:
    for prefix in _TEXT:
        if stem.startswith(prefix):
            return "text", stem[len(prefix) :]
    for prefix in _DENOISER:
        if stem.startswith(prefix):
            return "denoiser", stem[len(prefix) :]
    return "denoiser", stem
