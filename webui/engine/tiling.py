"""Seamless pictures: models whose edges meet, seen by step loop and pipelines as other models.

What tiles is asked for in another batch (its ``weights_key`` differs), and the model is put back
after every pass, so the two never meet.
"""

from __future__ import annotations

from collections.abc import Hashable

import torch
from torch import Tensor

from webui.engine.families.base import Decoder, SeamlessDenoiser
from webui.engine.levels import NoiseLevels


class TiledDenoiser:
    """A loaded denoiser that takes opposite edges for neighbours; an ``evaluation.Denoiser``.

    What is drawn with it continues beyond each edge at the opposite one.
    """

    def __init__(self, denoiser: SeamlessDenoiser) -> None:
        self._denoiser = denoiser

    @property
    def weights_key(self) -> Hashable:
        """The denoiser's own, marked as tiled."""
        return ("tiled", self._denoiser.weights_key)

    @property
    def dtype(self) -> torch.dtype:
        """What it computes in."""
        return self._denoiser.dtype

    @property
    def levels(self) -> NoiseLevels:
        """Its noise levels."""
        return self._denoiser.levels

    def with_levels(self, levels: NoiseLevels) -> TiledDenoiser:
        """As ``evaluation.Denoiser.with_levels``."""
        return TiledDenoiser(self._denoiser.with_levels(levels))

    def __call__(self, x: Tensor, sigma: Tensor, cond: Tensor) -> Tensor:
        """Denoised latents [B, C, h, w]; see ``evaluation.Denoiser``."""
        with self._denoiser.seamless():
            return self._denoiser(x, sigma, cond)


class TiledDecoder:
    """A loaded decoder that takes opposite edges for neighbours; a ``families.base.Encodes``."""

    def __init__(self, decoder: Decoder) -> None:
        self._decoder = decoder

    def decode(self, latents: Tensor) -> Tensor:
        """Pictures, uint8 [B, H, W, 3] on the CPU, from latents [B, C, h, w] on any device."""
        with self._decoder.seamless():
            return self._decoder.decode(latents)

    def encode(self, images: Tensor) -> Tensor:
        """Latents [B, C, h, w] of pictures uint8 [B, H, W, 3]."""
        with self._decoder.seamless():
            return self._decoder.encode(images)
