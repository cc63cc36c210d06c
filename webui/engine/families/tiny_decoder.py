"""A tiny decoder for previews: diffusers' ``AutoencoderTiny`` (the architecture of TAESD)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from diffusers.models.autoencoders.autoencoder_tiny import AutoencoderTiny
from torch import Tensor

from webui.engine.models import weights

TINY = "preview decoder"
CLASS = "AutoencoderTiny"


class TinyDecoder:
    """A loaded preview decoder; a ``families.base.SizedDecodes``."""

    def __init__(self, tiny: AutoencoderTiny) -> None:
        self._tiny: Any = tiny
        self.weights = sum(p.numel() for p in tiny.decoder.parameters())

    @property
    def nbytes(self) -> int:
        """Measured size of its weights."""
        return weights.nbytes(self._tiny)

    def to(self, device: torch.device) -> None:
        """Move the weights."""
        self._tiny.to(device)

    @torch.inference_mode()
    def decode(self, latents: Tensor) -> Tensor:
        """Pictures, uint8 [B, H, W, 3] on the CPU, from latents [B, C, h, w] on any device."""
        z = latents.to(self._tiny.device, self._tiny.dtype)
        images = self._tiny.decode(z, return_dict=False)[0].float().nan_to_num()
        images = (images / 2 + 0.5).clamp_(0, 1).mul_(255).round_()
        return images.permute(0, 2, 3, 1).to(torch.uint8).contiguous().cpu()


def empty_tiny(config: Mapping[str, Any]) -> AutoencoderTiny:
    """The module for a ``preview_decoder/config.json``, without memory.

    diffusers writes ``block_out_channels`` into that file by itself, and warns when it reads it.
    """
    build: Any = AutoencoderTiny.from_config
    own = {name: value for name, value in config.items() if name != "block_out_channels"}
    return weights.empty(lambda: build(own), TINY)


def load(
    config: Mapping[str, Any],
    tensors: Mapping[str, Tensor],
    dtype: torch.dtype,
    device: torch.device,
    layout: torch.memory_format,
) -> TinyDecoder:
    """The decoder with its weights."""
    tiny = empty_tiny(config)
    weights.fill(tiny, tensors, TINY, dtype=dtype, device=device, layout=layout)
    return TinyDecoder(tiny)
