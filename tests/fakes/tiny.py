"""Tiny Stable Diffusion 1.x checkpoints with random weights, in both layouts.

The networks have SD 1.5's topology at a fraction of its width, so they go through exactly the
code a real checkpoint goes through. Names of original single files are written by the maps below,
which share nothing with the code under test.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from safetensors.torch import save_file
from torch import Tensor
from transformers import CLIPTextConfig, CLIPTextModel

from webui.core.models import Layout, ModelRef, Prediction

SCHEDULER = {
    "_class_name": "PNDMScheduler",
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "beta_start": 0.00085,
    "num_train_timesteps": 1000,
    "set_alpha_to_one": False,
    "skip_prk_steps": True,
    "steps_offset": 1,
}
INDEX = {
    "_class_name": "StableDiffusionPipeline",
    "_diffusers_version": "0.30.0",
    "feature_extractor": [None, None],
    "safety_checker": [None, None],
    "requires_safety_checker": False,
    "scheduler": ["diffusers", "PNDMScheduler"],
    "text_encoder": ["transformers", "CLIPTextModel"],
    "tokenizer": ["transformers", "CLIPTokenizer"],
    "unet": ["diffusers", "UNet2DConditionModel"],
    "vae": ["diffusers", "AutoencoderKL"],
}
START, END = "<|startoftext|>", "<|endoftext|>"


@dataclass(frozen=True)
class Tiny:
    """What to build. ``vocabulary`` 0 means the byte-level one of 514 tokens written by us."""

    seed: int = 0
    prediction: Prediction = "epsilon"
    widths: tuple[int, ...] = (32, 64, 64, 64)
    vae_widths: tuple[int, ...] = (32, 32, 32, 32)
    context: int = 64
    text_layers: int = 3
    vocabulary: int = 0
    dtype: torch.dtype = torch.float16

    @cached_property
    def unet(self) -> UNet2DConditionModel:
        """SD 1.5's UNet, narrower."""
        torch.manual_seed(self.seed)
        return UNet2DConditionModel(
            sample_size=8,
            in_channels=4,
            out_channels=4,
            layers_per_block=2,
            attention_head_dim=8,
            cross_attention_dim=self.context,
            block_out_channels=self.widths,
            down_block_types=(*("CrossAttnDownBlock2D",) * 3, "DownBlock2D"),
            up_block_types=("UpBlock2D", *("CrossAttnUpBlock2D",) * 3),
        ).eval()

    @cached_property
    def vae(self) -> AutoencoderKL:
        """SD 1.5's autoencoder, narrower."""
        torch.manual_seed(self.seed + 1)
        build: Any = AutoencoderKL
        return build(
            latent_channels=4,
            layers_per_block=2,
            sample_size=64,
            block_out_channels=self.vae_widths,
            down_block_types=("DownEncoderBlock2D",) * 4,
            up_block_types=("UpDecoderBlock2D",) * 4,
            scaling_factor=0.18215,
        ).eval()

    @cached_property
    def text(self) -> CLIPTextModel:
        """CLIP's text encoder, narrower."""
        torch.manual_seed(self.seed + 2)
        size = self.vocabulary or 514
        config = CLIPTextConfig(
            vocab_size=size,
            hidden_size=self.context,
            intermediate_size=2 * self.context,
            num_hidden_layers=self.text_layers,
            num_attention_heads=max(1, self.context // 64),
            projection_dim=self.context,
            hidden_act="quick_gelu",
            bos_token_id=size - 2,
            eos_token_id=size - 1,
            pad_token_id=size - 1,
        )
        return CLIPTextModel(config).eval()

    def ref(self, path: Path, layout: Layout) -> ModelRef:
        """What the catalog would say of it."""
        digest = f"{path}:{self.seed}:{self.prediction}"
        return ModelRef(path.stem, str(path), layout, "sd15", self.prediction, 64, digest)


def write_folder(path: Path, tiny: Tiny | None = None) -> ModelRef:
    """A diffusers folder."""
    tiny = tiny or Tiny()
    modules: dict[str, Any] = {"unet": tiny.unet, "vae": tiny.vae}
    for name, module in modules.items():
        module.to(tiny.dtype).save_pretrained(path / name)
        module.float()
    _write_text_encoder(path / "text_encoder", tiny)
    write_tokenizer(path / "tokenizer")
    scheduler = SCHEDULER | {"prediction_type": tiny.prediction}
    _write_json(path / "scheduler" / "scheduler_config.json", scheduler)
    _write_json(path / "model_index.json", INDEX)
    return tiny.ref(path, "folder")


def write_file(path: Path, tiny: Tiny | None = None, *, nai: bool = False) -> ModelRef:
    """An original single-file checkpoint; ``nai`` drops ``text_model.`` as NovelAI's did."""
    tiny = replace(tiny or Tiny(), vocabulary=49_408)
    save_file(ldm_tensors(tiny, nai=nai), path, {"format": "pt"})
    return tiny.ref(path, "file")


def ldm_tensors(tiny: Tiny, *, nai: bool = False) -> dict[str, Tensor]:
    """All weights under the names of CompVis' original code."""
    text = "cond_stage_model.transformer." + ("" if nai else "text_model.")
    named = {"model.diffusion_model." + unet_name(k): v for k, v in tiny.unet.state_dict().items()}
    named |= {"first_stage_model." + vae_name(k): v for k, v in tiny.vae.state_dict().items()}
    named |= {text + k: v for k, v in tiny.text.state_dict().items()}
    for name, value in named.items():
        if ".attn_1." in name and name.endswith(".weight") and value.ndim == 2:
            named[name] = value[:, :, None, None]
    tensors = {name: value.to(tiny.dtype).contiguous() for name, value in named.items()}
    tensors[text + "embeddings.position_ids"] = torch.arange(77)[None]
    tensors["betas"] = torch.linspace(0.00085**0.5, 0.012**0.5, 1000) ** 2
    tensors["model_ema.decay"] = torch.tensor(0.9999)
    return tensors


_UNET_ENDS = {
    "time_embedding.linear_1": "time_embed.0",
    "time_embedding.linear_2": "time_embed.2",
    "conv_in": "input_blocks.0.0",
    "conv_norm_out": "out.0",
    "conv_out": "out.2",
}
_RESNET = {
    "norm1": "in_layers.0",
    "conv1": "in_layers.2",
    "norm2": "out_layers.0",
    "conv2": "out_layers.3",
    "time_emb_proj": "emb_layers.1",
    "conv_shortcut": "skip_connection",
}


def unet_name(name: str) -> str:
    """CompVis' name of a diffusers UNet weight (three blocks a level: two and a sampler)."""
    head, last = name.rsplit(".", 1)
    if head in _UNET_ENDS:
        return f"{_UNET_ENDS[head]}.{last}"
    parts = head.split(".")
    if parts[0] == "mid_block":
        place, rest = int(parts[2]), parts[3:]
        block = f"middle_block.{2 * place if parts[1] == 'resnets' else 1}"
    else:
        level, kind, place, rest = int(parts[1]), parts[2], int(parts[3]), parts[4:]
        block = _unet_block(parts[0], level, kind, place)
        if kind.endswith("samplers"):
            rest = []
    inside = ".".join([_RESNET.get(part, part) if len(rest) == 1 else part for part in rest])
    return ".".join(part for part in (block, inside, last) if part)


def _unet_block(side: str, level: int, kind: str, place: int) -> str:
    if side == "down_blocks":
        if kind == "downsamplers":
            return f"input_blocks.{3 * level + 3}.0.op"
        return f"input_blocks.{3 * level + place + 1}.{int(kind == 'attentions')}"
    if kind == "upsamplers":
        return f"output_blocks.{3 * level + 2}.{1 if level == 0 else 2}.conv"
    return f"output_blocks.{3 * level + place}.{int(kind == 'attentions')}"


_VAE_ATTENTION = {"group_norm": "norm", "to_q": "q", "to_k": "k", "to_v": "v", "to_out": "proj_out"}


def vae_name(name: str) -> str:
    """CompVis' name of a diffusers autoencoder weight."""
    parts = name.replace("conv_norm_out", "norm_out").split(".")
    if len(parts) < 4:
        return ".".join(parts)
    side, block = parts[:2]
    if block == "mid_block" and parts[2] == "attentions":
        return f"{side}.mid.attn_1.{_VAE_ATTENTION[parts[4]]}.{parts[-1]}"
    if block == "mid_block":
        inside = parts[4:]
        return ".".join([side, "mid", f"block_{int(parts[3]) + 1}", *inside])
    level = int(parts[2])
    up = block == "up_blocks"
    place = [side, "up" if up else "down", str(3 - level if up else level)]
    if parts[3].endswith("samplers"):
        return ".".join([*place, parts[3].removesuffix("rs"), *parts[5:]])
    inside = [part.replace("conv_shortcut", "nin_shortcut") for part in parts[5:]]
    return ".".join([*place, "block", parts[4], *inside])


def _write_text_encoder(folder: Path, tiny: Tiny) -> None:
    tiny.text.config.save_pretrained(folder)
    tensors = {
        f"text_model.{name}": value.to(tiny.dtype).contiguous()
        for name, value in tiny.text.state_dict().items()
    }
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})


def write_tokenizer(folder: Path) -> None:
    """A byte-level vocabulary without merges: 256 letters, 256 that end a word, two marks."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    letters = [chr(b) for b in printable] + [chr(256 + i) for i in range(256 - len(printable))]
    tokens = [*letters, *(f"{letter}</w>" for letter in letters), START, END]
    _write_json(folder / "vocab.json", {token: i for i, token in enumerate(tokens)})
    (folder / "merges.txt").write_text("#version: 0.2\n", "utf-8")
    specials = {"bos_token": START, "eos_token": END, "pad_token": END, "unk_token": END}
    config = {"tokenizer_class": "CLIPTokenizer", "model_max_length": 77, **specials}
    _write_json(folder / "tokenizer_config.json", config)


def _write_json(path: Path, value: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, indent=1), "utf-8")
