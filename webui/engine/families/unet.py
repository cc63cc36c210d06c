"""Stable Diffusion's UNet as a denoiser, trained to predict noise (ε) or velocity (v)."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from contextlib import AbstractContextManager
from typing import Any

import torch
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from torch import Tensor, nn

from webui.core.models import Prediction
from webui.engine.families import attention
from webui.engine.families.padding import wrapped
from webui.engine.levels import NoiseLevels
from webui.engine.models import weights

UNET = "UNet"


class UNetDenoiser:
    """A loaded UNet; a ``families.base.LoadedDenoiser``.

    With x = x₀ + σ·noise the network sees x / √(σ² + 1) at the timestep of σ. Predicting noise,
    D = x − σ·out; predicting velocity (Salimans & Ho 2022, https://arxiv.org/abs/2202.00512),
    D = x / (σ² + 1) − out · σ / √(σ² + 1).
    """

    def __init__(
        self,
        unet: UNet2DConditionModel,
        levels: NoiseLevels,
        prediction: Prediction,
        weights_key: Hashable,
    ) -> None:
        self._unet: Any = unet
        self._prediction: Prediction = prediction
        self.levels = levels
        self.weights_key = weights_key
        self.dtype: torch.dtype = unet.dtype

    @property
    def network(self) -> nn.Module:
        """The UNet."""
        return self._unet

    @property
    def nbytes(self) -> int:
        """Measured size of its weights."""
        return weights.nbytes(self._unet)

    def to(self, device: torch.device) -> None:
        """Move the weights."""
        self._unet.to(device)

    def seamless(self) -> AbstractContextManager[None]:
        """Within the block, opposite edges are neighbours."""
        return wrapped(self._unet)

    def with_levels(self, levels: NoiseLevels) -> UNetDenoiser:
        """The same network on other noise levels; see ``evaluation.Denoiser``."""
        key = ("levels", levels.key, self.weights_key)
        return UNetDenoiser(self._unet, levels, self._prediction, key)

    def __call__(self, x: Tensor, sigma: Tensor, cond: Tensor) -> Tensor:
        """Denoised latents [B, C, h, w]; see ``evaluation.Denoiser``."""
        root = (sigma.square() + 1).sqrt()
        if self._prediction == "v_prediction":
            skip, scale = root.square().reciprocal(), -sigma / root
        else:
            skip, scale = torch.ones_like(sigma), -sigma
        numbers = torch.stack([root.reciprocal(), skip, scale, self.levels.sigma_to_t(sigma)])
        c_in, c_skip, c_out, t = numbers.to(x.device, non_blocking=True)
        scaled = (x * c_in[:, None, None, None]).to(self.dtype)
        out = self._unet(scaled, t, cond, return_dict=False)[0]
        return torch.addcmul(
            x * c_skip[:, None, None, None], out.float(), c_out[:, None, None, None]
        )


def empty_unet(config: Mapping[str, Any]) -> UNet2DConditionModel:
    """The module for a ``unet/config.json``, without memory."""
    build: Any = UNet2DConditionModel.from_config
    return weights.empty(lambda: build(dict(config)), UNET)


def load(
    config: Mapping[str, Any],
    tensors: Mapping[str, Tensor],
    dtype: torch.dtype,
    device: torch.device,
    layout: torch.memory_format,
) -> UNet2DConditionModel:
    """The network with its weights."""
    unet = empty_unet(config)
    weights.fill(unet, tensors, UNET, dtype=dtype, device=device, layout=layout)
    attention.simplify(unet)
    return unet
