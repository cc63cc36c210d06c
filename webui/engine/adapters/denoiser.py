"""A denoiser with LoRAs, seen by step loop and pipelines as another model."""

from __future__ import annotations

from collections.abc import Hashable
from contextlib import AbstractContextManager

import torch
from torch import Tensor

from webui.engine.adapters.patches import Slots
from webui.engine.adapters.sets import AdapterSet
from webui.engine.families.base import SeamlessDenoiser
from webui.engine.levels import NoiseLevels


class AdaptedDenoiser:
    """A loaded denoiser whose network has other weights for the time of each pass.

    It is asked for in other batches than the denoiser itself (its ``weights_key`` differs), but in
    the same as another with an equal set.
    """

    def __init__(self, denoiser: SeamlessDenoiser, adapters: AdapterSet, slots: Slots) -> None:
        self._denoiser = denoiser
        self._adapters = adapters
        self._slots = slots

    @property
    def weights_key(self) -> Hashable:
        """The denoiser's own, and the set."""
        return ("adapted", self._adapters, self._denoiser.weights_key)

    @property
    def dtype(self) -> torch.dtype:
        """What it computes in."""
        return self._denoiser.dtype

    @property
    def levels(self) -> NoiseLevels:
        """Its noise levels."""
        return self._denoiser.levels

    def with_levels(self, levels: NoiseLevels) -> AdaptedDenoiser:
        """As ``evaluation.Denoiser.with_levels``."""
        return AdaptedDenoiser(self._denoiser.with_levels(levels), self._adapters, self._slots)

    def seamless(self) -> AbstractContextManager[None]:
        """As ``families.base.SeamlessDenoiser.seamless``."""
        return self._denoiser.seamless()

    def __call__(self, x: Tensor, sigma: Tensor, cond: Tensor) -> Tensor:
        """Denoised latents [B, C, h, w]; see ``evaluation.Denoiser``."""
        with self._slots.worn():
            return self._denoiser(x, sigma, cond)
