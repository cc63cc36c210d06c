"""Noise levels of a discrete diffusion model: σ ⇄ t.

A model trained on ``N`` timesteps knows ``N`` noise levels; in between they are interpolated
linearly in log σ, as k-diffusion's ``DiscreteSchedule`` does (and so A1111).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from webui.core.errors import ModelError

ZERO_SNR_ALPHA_BAR = 2.0**-24
"""ᾱ at the last timestep of a zero-terminal-SNR model: 0 would be an infinite σ (as diffusers)."""

ZERO_SNR_REQUESTED = 4.8973451890853435e-08
"""The same where a request asks for it (as A1111)."""


@dataclass(frozen=True, slots=True, eq=False)
class NoiseLevels:
    """The table of noise levels: ``sigmas`` [N] ascending, float32 on the CPU; σ² = (1 − ᾱ) / ᾱ."""

    sigmas: Tensor
    _log_sigmas: Tensor = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_log_sigmas", self.sigmas.log())

    @classmethod
    def from_betas(cls, betas: Tensor, *, zero_snr: bool = False) -> NoiseLevels:
        """Levels of a DDPM with variances ``betas`` [N]; ᾱ is their cumulative 1 − β product.

        ``zero_snr`` shifts √ᾱ so that the last level is pure noise (Lin et al. 2024,
        https://arxiv.org/abs/2305.08891, algorithm 1).
        """
        alpha_bar = (1 - betas.double()).cumprod(0)
        if zero_snr:
            alpha_bar = _zero_snr(alpha_bar, ZERO_SNR_ALPHA_BAR)
        return cls(((1 - alpha_bar) / alpha_bar).sqrt().float())

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> NoiseLevels:
        """Levels of a diffusers ``scheduler_config.json``; SD 1.x's where it says nothing."""
        return cls.from_betas(
            _betas(config), zero_snr=bool(config.get("rescale_betas_zero_snr", False))
        )

    def with_zero_snr(self) -> NoiseLevels:
        """These levels with √ᾱ shifted so that the last is pure noise, as in ``from_betas``.

        What A1111's noise schedule "Zero Terminal SNR" does to a model's table; a model trained
        without it gains nothing, one that predicts noise (ε) loses its first step.
        """
        alpha_bar = _zero_snr(1 / (1 + self.sigmas.double() ** 2), ZERO_SNR_REQUESTED)
        return NoiseLevels(((1 - alpha_bar) / alpha_bar).sqrt().float())

    def __len__(self) -> int:
        return len(self.sigmas)

    @property
    def key(self) -> bytes:
        """Equal for tables with the same levels."""
        return self.sigmas.numpy().tobytes()

    @property
    def sigma_min(self) -> float:
        """The smallest noise level above zero."""
        return self.sigmas[0].item()

    @property
    def sigma_max(self) -> float:
        """The largest noise level."""
        return self.sigmas[-1].item()

    def sigma_to_t(self, sigma: Tensor, *, quantize: bool = False) -> Tensor:
        """Timesteps in [0, N − 1] for noise levels of any shape, on the CPU.

        Levels outside the table are clamped. ``quantize`` gives the nearest whole timestep instead
        of a fraction (A1111's "Enable quantization in K samplers", off there by default).
        """
        log_sigma = sigma.log()
        high = torch.searchsorted(self._log_sigmas, log_sigma, right=True)
        high.clamp_(1, len(self.sigmas) - 1)
        below, above = self._log_sigmas[high - 1], self._log_sigmas[high]
        w = ((log_sigma - below) / (above - below)).clamp_(0, 1)
        return (high - 1 + w.round()).long() if quantize else high - 1 + w

    def t_to_sigma(self, t: Tensor) -> Tensor:
        """Noise levels for timesteps in [0, N − 1], whole or not, of any shape, on the CPU."""
        t = t.float().clamp(0, len(self.sigmas) - 1)
        low, high, w = t.floor().long(), t.ceil().long(), t.frac()
        return ((1 - w) * self._log_sigmas[low] + w * self._log_sigmas[high]).exp()


def _zero_snr(alpha_bar: Tensor, last: float) -> Tensor:
    """ᾱ [N] with its root shifted to 0 at the end, where ``last`` stands for 0."""
    root = alpha_bar.sqrt()
    root = (root - root[-1]) * root[0] / (root[0] - root[-1])
    alpha_bar = root**2
    alpha_bar[-1] = last
    return alpha_bar


def _betas(config: Mapping[str, Any]) -> Tensor:
    trained = config.get("trained_betas")
    if trained is not None:
        return torch.tensor(trained, dtype=torch.float64)
    kind = config.get("beta_schedule", "scaled_linear")
    start, end = config.get("beta_start", 0.00085), config.get("beta_end", 0.012)
    count = config.get("num_train_timesteps", 1000)
    if kind == "linear":
        return torch.linspace(start, end, count, dtype=torch.float64)
    if kind == "scaled_linear":
        return torch.linspace(start**0.5, end**0.5, count, dtype=torch.float64) ** 2
    if kind == "squaredcos_cap_v2":
        return _cosine_betas(count)
    raise ModelError(
        f"The checkpoint's noise schedule is {str(kind)[:60]!r}; "
        "known are linear, scaled_linear and squaredcos_cap_v2."
    )


def _cosine_betas(count: int) -> Tensor:
    """ᾱ(t) ∝ cos²((t + 0.008) / 1.008 · π/2); Nichol & Dhariwal 2021, arXiv:2102.09672."""
    t = torch.linspace(0, 1, count + 1, dtype=torch.float64)
    alpha_bar = ((t + 0.008) / 1.008 * math.pi / 2).cos() ** 2
    return (1 - alpha_bar[1:] / alpha_bar[:-1]).clamp(max=0.999)
