"""Stable Diffusion's autoencoder (Rombach et al. 2022) as a decoder of latents."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any

import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from torch import Tensor

from webui.core.errors import EaselError
from webui.engine.families.padding import wrapped
from webui.engine.models import weights

VAE = "VAE"

_OLD_ATTENTION = {"query": "to_q", "key": "to_k", "value": "to_v", "proj_attn": "to_out.0"}


class VaeDecoder:
    """A loaded autoencoder; a ``families.base.Decoder``."""

    def __init__(self, vae: AutoencoderKL) -> None:
        config: Any = vae.config
        self._vae: Any = vae
        self._scaling = float(config.scaling_factor)
        self._shift = float(config.get("shift_factor") or 0.0)
        self.weights = sum(p.numel() for p in vae.parameters())

    @property
    def nbytes(self) -> int:
        """Measured size of its weights."""
        return weights.nbytes(self._vae)

    def to(self, device: torch.device) -> None:
        """Move the weights."""
        self._vae.to(device)

    def seamless(self) -> AbstractContextManager[None]:
        """Within the block, opposite edges are neighbours."""
        return wrapped(self._vae)

    @torch.inference_mode()
    def decode(self, latents: Tensor) -> Tensor:
        """Pictures, uint8 [B, H, W, 3] on the CPU, from latents [B, C, h, w] float32 on any device.

        Half precision overflows in some autoencoders; where it does, this one computes in float32
        from then on.
        """
        images = self._decode(latents)
        if not torch.isfinite(images).all():
            if self._vae.dtype is torch.float32:
                raise EaselError("The VAE produced invalid numbers (NaN) instead of a picture.")
            self._vae.to(torch.float32)
            images = self._decode(latents)
        images = (images / 2 + 0.5).clamp_(0, 1).mul_(255).round_()
        return images.permute(0, 2, 3, 1).to(torch.uint8).contiguous().cpu()

    @torch.inference_mode()
    def encode(self, images: Tensor) -> Tensor:
        """Latents [B, C, h, w] float32 on the weights' device, from pictures uint8 [B, H, W, 3].

        The middle of the distribution that the autoencoder gives, so that the same picture always
        has the same latents (A1111 draws from it, which differs by its tiny spread).
        """
        latents = self._encode(images)
        if not torch.isfinite(latents).all():
            if self._vae.dtype is torch.float32:
                raise EaselError("The VAE produced invalid numbers (NaN) instead of latents.")
            self._vae.to(torch.float32)
            latents = self._encode(images)
        return latents

    def _encode(self, images: Tensor) -> Tensor:
        pixels = images.permute(0, 3, 1, 2).to(self._vae.device, torch.float32) / 127.5 - 1
        found = self._vae.encode(pixels.to(self._vae.dtype)).latent_dist.mode().float()
        return (found - self._shift) * self._scaling

    def _decode(self, latents: Tensor) -> Tensor:
        z = (latents / self._scaling + self._shift).to(self._vae.device, self._vae.dtype)
        return self._vae.decode(z, return_dict=False)[0].float()


def empty_vae(config: Mapping[str, Any]) -> AutoencoderKL:
    """The module for a ``vae/config.json``, without memory."""
    build: Any = AutoencoderKL.from_config
    return weights.empty(lambda: build(dict(config)), VAE)


def load(
    config: Mapping[str, Any],
    tensors: Mapping[str, Tensor],
    dtype: torch.dtype,
    device: torch.device,
    layout: torch.memory_format,
) -> VaeDecoder:
    """The decoder with its weights."""
    vae = empty_vae(config)
    tensors = new_names(tensors)
    weights.fill(vae, tensors, VAE, dtype=dtype, device=device, layout=layout)
    return VaeDecoder(vae)


def new_names(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Weights by today's names: diffusers once called attention's parts query, key and value."""

    def renamed(name: str) -> str:
        head, _, last = name.rpartition(".")
        before, _, part = head.rpartition(".")
        if ".attentions." in name and part in _OLD_ATTENTION:
            return f"{before}.{_OLD_ATTENTION[part]}.{last}"
        return name

    return {renamed(name): tensor for name, tensor in tensors.items()}
