"""Stable Diffusion 1.x: diffusers folders and original single-file checkpoints, both offline.

Folders say themselves how they are built. Single files do not: they have SD 1.5's topology, and
their widths are read from the shapes of their weights.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from diffusers.loaders.single_file_utils import (
    convert_ldm_clip_checkpoint,
    convert_ldm_unet_checkpoint,
    convert_ldm_vae_checkpoint,
)
from torch import Tensor
from transformers import CLIPTokenizer

from webui.core.errors import ModelError, UnsafeFile
from webui.core.models import ModelRef
from webui.engine.families import autoencoder, clip, tiny_decoder, unet
from webui.engine.families.base import Component, Role
from webui.engine.levels import NoiseLevels
from webui.engine.models import weights

Config = dict[str, Any]
Tensors = dict[str, Tensor]
Shapes = dict[str, tuple[int, ...]]

CLASSES = {"unet": "UNet2DConditionModel", "vae": "AutoencoderKL", "text_encoder": "CLIPTextModel"}
_PARTS: dict[Role, str] = {"text": "text_encoder", "denoiser": "unet", "decoder": "vae"}
_PREVIEW = "preview_decoder"  # what a folder may have besides
_STEMS: dict[Role, str] = {
    "text": "model",
    "denoiser": "diffusion_pytorch_model",
    "decoder": "diffusion_pytorch_model",
    "preview": "diffusion_pytorch_model",
}

_CROSS, _PLAIN = "CrossAttn", ""
UNET_1_5: Config = {
    "in_channels": 4,
    "out_channels": 4,
    "sample_size": 64,
    "layers_per_block": 2,
    "attention_head_dim": 8,  # diffusers' name for the number of heads
    "cross_attention_dim": 768,
    "block_out_channels": (320, 640, 1280, 1280),
    "down_block_types": tuple(f"{k}DownBlock2D" for k in (_CROSS, _CROSS, _CROSS, _PLAIN)),
    "up_block_types": tuple(f"{k}UpBlock2D" for k in (_PLAIN, _CROSS, _CROSS, _CROSS)),
}
VAE_1_5: Config = {
    "in_channels": 3,
    "out_channels": 3,
    "latent_channels": 4,
    "sample_size": 512,
    "layers_per_block": 2,
    "block_out_channels": (128, 256, 512, 512),
    "down_block_types": ("DownEncoderBlock2D",) * 4,
    "up_block_types": ("UpDecoderBlock2D",) * 4,
    "scaling_factor": 0.18215,
}
TEXT_1_5: Config = {
    "vocab_size": clip.VOCABULARY,
    "max_position_embeddings": clip.LENGTH,
    "hidden_size": 768,
    "intermediate_size": 3072,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "projection_dim": 768,
    "hidden_act": "quick_gelu",
    "layer_norm_eps": 1e-5,
    "bos_token_id": clip.VOCABULARY - 2,
    "eos_token_id": clip.VOCABULARY - 1,
    "pad_token_id": 1,
}
_HEAD_WIDTH = 64

_CONVERSIONS: dict[Role, Callable[[Tensors, Config], Tensors]] = {
    "text": lambda tensors, _config: convert_ldm_clip_checkpoint(tensors),
    "denoiser": convert_ldm_unet_checkpoint,
    "decoder": convert_ldm_vae_checkpoint,
}

_UNET_KEYS = "model.diffusion_model."
_VAE_KEYS = "first_stage_model."
_TEXT_KEYS = "cond_stage_model.transformer."


class StableDiffusion1:
    """The family; a ``families.base.Family``."""

    name = "sd15"

    def open(self, ref: ModelRef) -> Sd1Checkpoint:
        """Read what the checkpoint says about itself; ``ModelError`` if it cannot be used."""
        path = Path(ref.path)
        source = FolderSource.open(path) if ref.layout == "folder" else FileSource.open(path)
        return Sd1Checkpoint(ref, source)


class Source(Protocol):
    """Where a checkpoint's parts come from: a folder or a single file."""

    @property
    def levels(self) -> NoiseLevels:
        """The noise levels it was trained on."""
        ...

    @property
    def configs(self) -> Mapping[Role, Config]:
        """How each part is built."""
        ...

    def tensors(self, role: Role) -> Tensors:
        """A part's weights by diffusers' and transformers' names."""
        ...

    def tokenizer(self) -> CLIPTokenizer:
        """The text encoder's tokenizer."""
        ...


class Sd1Checkpoint:
    """An opened checkpoint; a ``families.base.Checkpoint``."""

    def __init__(self, ref: ModelRef, source: Source) -> None:
        self.ref = ref
        self.levels = source.levels
        self._source = source
        self._weights = {role: _count(role, config) for role, config in source.configs.items()}
        _check(source.configs)

    def weights(self, role: Role) -> int:
        """How many parameters that part has; 0 if there is no such part."""
        return self._weights.get(role, 0)

    def latent_shape(self, width: int, height: int) -> tuple[int, int, int]:
        """(C, h, w) of the latents of a picture."""
        vae = self._source.configs["decoder"]
        factor = 2 ** (len(vae.get("block_out_channels", (64,))) - 1)
        return int(vae.get("latent_channels", 4)), height // factor, width // factor

    def load(
        self, role: Role, dtype: torch.dtype, device: torch.device, layout: torch.memory_format
    ) -> Component:
        """Read that part's weights."""
        config, tensors = self._source.configs[role], self._source.tensors(role)
        if role == "text":
            return clip.load(config, tensors, self._source.tokenizer(), dtype, device)
        if role == "decoder":
            return autoencoder.load(config, tensors, dtype, device, layout)
        if role == "preview":
            return tiny_decoder.load(config, tensors, dtype, device, layout)
        network = unet.load(config, tensors, dtype, device, layout)
        key = (self.ref.digest, dtype)
        return unet.UNetDenoiser(network, self.levels, self.ref.prediction, key)


@dataclass(frozen=True, slots=True)
class FolderSource:
    """A diffusers folder."""

    folder: Path
    levels: NoiseLevels
    configs: Mapping[Role, Config]

    @classmethod
    def open(cls, folder: Path) -> FolderSource:
        """Read the folder's configurations."""
        if not folder.is_dir():
            raise ModelError(f"The model folder {folder.name} is not there any more.")
        index = weights.read_json(folder / "model_index.json")
        for part, allowed in CLASSES.items():
            _check_class(part, index.get(part), allowed)
        configs: dict[Role, Config] = {
            role: weights.read_json(folder / part / "config.json") for role, part in _PARTS.items()
        }
        if (folder / _PREVIEW / "config.json").is_file():
            configs["preview"] = weights.read_json(folder / _PREVIEW / "config.json")
        scheduler = weights.read_json(folder / "scheduler" / "scheduler_config.json")
        return cls(folder, NoiseLevels.from_config(scheduler), configs)

    def tensors(self, role: Role) -> Tensors:
        """A part's weights."""
        path = weights.find_weights(self.folder / _PARTS.get(role, _PREVIEW), _STEMS[role])
        return weights.read_tensors(path)

    def tokenizer(self) -> CLIPTokenizer:
        """The folder's own."""
        return clip.folder_tokenizer(self.folder / "tokenizer")


@dataclass(frozen=True, slots=True)
class FileSource:
    """An original checkpoint in one safetensors file."""

    path: Path
    levels: NoiseLevels
    configs: Mapping[Role, Config]

    @classmethod
    def open(cls, path: Path) -> FileSource:
        """Read the file's header."""
        shapes = weights.read_shapes(path)
        _check_kind(path.name, shapes)
        configs: dict[Role, Config] = {
            "text": text_config(shapes),
            "denoiser": unet_config(shapes),
            "decoder": vae_config(shapes),
        }
        return cls(
            path, NoiseLevels.from_config({"rescale_betas_zero_snr": "ztsnr" in shapes}), configs
        )

    def tensors(self, role: Role) -> Tensors:
        """A part's weights, converted."""
        convert = _CONVERSIONS[role]
        try:
            converted = convert(weights.read_tensors(self.path), self.configs[role])
        except (KeyError, AttributeError, IndexError) as error:
            raise ModelError(
                f"{self.path.name} is incomplete: its {_PARTS[role].replace('_', ' ')} "
                "lacks weights."
            ) from error
        return {name: tensor for name, tensor in converted.items() if tensor is not None}

    def tokenizer(self) -> CLIPTokenizer:
        """CLIP's."""
        return clip.clip_tokenizer()


def unet_config(shapes: Shapes) -> Config:
    """SD 1.5's UNet with the widths of a single file's weights."""
    widths = _numbered(
        shapes, lambda i: f"{_UNET_KEYS}input_blocks.{1 + 3 * i}.0.out_layers.3.weight"
    )
    first = f"{_UNET_KEYS}input_blocks.0.0.weight"
    attention = f"{_UNET_KEYS}input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight"
    return UNET_1_5 | {
        "in_channels": _shape(shapes, first, unet.UNET)[1],
        "block_out_channels": tuple(widths) or UNET_1_5["block_out_channels"],
        "cross_attention_dim": _shape(shapes, attention, unet.UNET)[1],
    }


def vae_config(shapes: Shapes) -> Config:
    """SD 1.5's VAE with the widths of a single file's weights."""
    widths = _numbered(shapes, lambda i: f"{_VAE_KEYS}encoder.down.{i}.block.0.conv2.weight")
    first = f"{_VAE_KEYS}decoder.conv_in.weight"
    return VAE_1_5 | {
        "latent_channels": _shape(shapes, first, autoencoder.VAE)[1],
        "block_out_channels": tuple(widths) or VAE_1_5["block_out_channels"],
    }


def text_config(shapes: Shapes) -> Config:
    """SD 1.5's text encoder with the widths of a single file's weights."""
    names = {name.replace("text_model.", ""): shape for name, shape in shapes.items()}
    layers = _numbered(names, lambda i: f"{_TEXT_KEYS}encoder.layers.{i}.mlp.fc1.weight")
    tokens = _shape(names, f"{_TEXT_KEYS}embeddings.token_embedding.weight", clip.TEXT)
    if tokens[0] != clip.VOCABULARY:
        raise ModelError(
            f"The checkpoint's text encoder knows {tokens[0]} tokens instead of CLIP's "
            f"{clip.VOCABULARY}."
        )
    return TEXT_1_5 | {
        "hidden_size": tokens[1],
        "projection_dim": tokens[1],
        "num_attention_heads": max(1, tokens[1] // _HEAD_WIDTH),
        "num_hidden_layers": len(layers) or TEXT_1_5["num_hidden_layers"],
        "intermediate_size": layers[0] if layers else TEXT_1_5["intermediate_size"],
    }


def _numbered(shapes: Shapes, name: Callable[[int], str]) -> list[int]:
    """The first dimension of ``name(0)``, ``name(1)``, … as far as they exist."""
    found: list[int] = []
    while (shape := shapes.get(name(len(found)))) is not None:
        found.append(shape[0])
    return found


def _shape(shapes: Shapes, name: str, what: str) -> tuple[int, ...]:
    shape = shapes.get(name)
    if shape is None:
        raise ModelError(f"The checkpoint has no {what} that is Stable Diffusion 1.x's.")
    if len(shape) < 2:
        raise ModelError(f"The checkpoint's {what} has a weight of the wrong shape: {name}.")
    return shape


def _check_kind(name: str, shapes: Shapes) -> None:
    """Refuse single files that are something else, with a sentence that says what they are."""
    for keys, what in ((_UNET_KEYS, "UNet"), (_VAE_KEYS, "VAE")):
        if not any(key.startswith(keys) for key in shapes):
            raise ModelError(f"{name} has no {what}, so it is not a whole checkpoint.")
    if any(key.startswith(("conditioner.", "cond_stage_model.model.")) for key in shapes):
        raise ModelError(
            f"{name} is a Stable Diffusion 2 or XL checkpoint; "
            "this version draws with Stable Diffusion 1.x only."
        )
    if not any(key.startswith(_TEXT_KEYS) for key in shapes):
        raise ModelError(f"{name} has no text encoder, so it is not a whole checkpoint.")


def _check_class(part: str, entry: Any, allowed: str) -> None:
    name = entry[1] if isinstance(entry, list) and len(entry) == 2 else None
    if name is None:
        raise ModelError(f"The model folder has no {part.replace('_', ' ')}.")
    if name != allowed:
        raise UnsafeFile(
            f"The model folder names {str(name)[:60]!r} as its {part.replace('_', ' ')}; "
            f"Easel uses {allowed} and nothing else."
        )


def _check(configs: Mapping[Role, Config]) -> None:
    """The parts must fit together, and be made for drawing from text."""
    denoiser, decoder, text = configs["denoiser"], configs["decoder"], configs["text"]
    channels = denoiser.get("in_channels", 4)
    if channels in (8, 9):
        raise ModelError(
            "This is an inpainting or editing checkpoint; it cannot draw from text alone."
        )
    if channels != decoder.get("latent_channels", 4):
        raise ModelError(
            f"The UNet works on {channels} channels, but the VAE on "
            f"{decoder.get('latent_channels', 4)}: the parts do not belong together."
        )
    preview = configs.get("preview", {})
    if preview.get("latent_channels", channels) != channels:
        raise ModelError(
            f"The preview decoder works on {preview['latent_channels']} channels, but the UNet on "
            f"{channels}: the parts do not belong together."
        )
    if preview.get("_class_name", tiny_decoder.CLASS) != tiny_decoder.CLASS:
        raise UnsafeFile(
            f"The model folder names {str(preview['_class_name'])[:60]!r} as its preview decoder; "
            f"Easel uses {tiny_decoder.CLASS} and nothing else."
        )
    width, wanted = text.get("hidden_size", 512), denoiser.get("cross_attention_dim", 1280)
    if width != wanted:
        raise ModelError(
            f"The UNet reads texts of width {wanted}, but the text encoder writes width {width}: "
            "the parts do not belong together."
        )


def _count(role: Role, config: Config) -> int:
    makers: dict[Role, Callable[[Config], torch.nn.Module]] = {
        "text": clip.empty_model,
        "denoiser": unet.empty_unet,
        "decoder": autoencoder.empty_vae,
        "preview": tiny_decoder.empty_tiny,
    }
    return sum(p.numel() for p in makers[role](config).parameters())
