"""Noise schedule, v-prediction and a small Euler sampler, as pure functions of tensors."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

STEPS = 1000
BETA_START, BETA_END = 0.00085, 0.012

SCHEDULER_CONFIG = {
    "_class_name": "DDIMScheduler",
    "num_train_timesteps": STEPS,
    "beta_start": BETA_START,
    "beta_end": BETA_END,
    "beta_schedule": "scaled_linear",
    "prediction_type": "v_prediction",
    "timestep_spacing": "leading",
    "steps_offset": 1,
    "set_alpha_to_one": False,
    "clip_sample": False,
    "trained_betas": None,
}

Model = Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]


def alphas_cumprod() -> torch.Tensor:
    """Stable Diffusion's scaled-linear schedule: float32 [1000], from about 1 down to 0.0047."""
    betas = torch.linspace(BETA_START**0.5, BETA_END**0.5, STEPS, dtype=torch.float64) ** 2
    return torch.cumprod(1 - betas, 0).float()


def add_noise(x: torch.Tensor, noise: torch.Tensor, alpha: torch.Tensor) -> torch.Tensor:
    """sqrt(alpha) x + sqrt(1 - alpha) noise; x, noise [B, C, h, w], alpha [B]."""
    alpha = alpha[:, None, None, None]
    return alpha.sqrt() * x + (1 - alpha).sqrt() * noise


def velocity(x: torch.Tensor, noise: torch.Tensor, alpha: torch.Tensor) -> torch.Tensor:
    """The v of Salimans & Ho 2022: sqrt(alpha) noise - sqrt(1 - alpha) x."""
    alpha = alpha[:, None, None, None]
    return alpha.sqrt() * noise - (1 - alpha).sqrt() * x


def draw_timesteps(
    rng: torch.Generator, count: int, noisy_share: float, middle_share: float
) -> torch.Tensor:
    """Timesteps 0..999: int64 [count], in three parts, each spread evenly over its distribution.

    `noisy_share` of them crowd towards 999 (density 1 / (2 sqrt(1 - t))): there backgrounds and
    colours are decided, and these betas never show the model pure noise, which is where sampling
    starts. `middle_share` of them are logit-normal around t = 400, where outlines are decided
    (Esser et al. 2024 do likewise). The rest are uniform.
    """
    noisy, middle = round(count * noisy_share), round(count * middle_share)
    parts = []
    for size in (count - noisy - middle, noisy, middle):
        places = torch.randperm(size, generator=rng) + torch.rand(size, generator=rng)
        parts.append(places / max(1, size))
    normal = torch.special.ndtri(parts[2].clamp(1e-4, 1 - 1e-4))
    u = torch.cat([parts[0], 1 - parts[1].square(), torch.sigmoid(0.9 * normal - 0.4)])
    return (u * STEPS).long().clamp(0, STEPS - 1)


def loss_weights(alpha: torch.Tensor, kind: str) -> torch.Tensor:
    """Weights of the squared v error for alpha [B]: 1, or min-SNR-5 (Hang et al. 2023)."""
    if kind == "v":
        return torch.ones_like(alpha)
    snr = alpha / (1 - alpha)
    return snr.clamp(max=5.0) / (snr + 1)


def euler_schedule(steps: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Timesteps [steps] ('leading', offset 1) and sigmas [steps + 1] that end in 0."""
    timesteps = np.arange(steps)[::-1] * (STEPS // steps) + 1
    alpha = alphas_cumprod()[timesteps.copy()]
    sigmas = ((1 - alpha) / alpha).sqrt()
    return torch.from_numpy(timesteps.copy()), torch.cat([sigmas, torch.zeros(1)])


@torch.no_grad()
def sample_euler(
    model: Model,
    noise: torch.Tensor,
    cond: torch.Tensor,
    uncond: torch.Tensor,
    *,
    cfg_scale: float = 7.0,
    steps: int = 20,
) -> torch.Tensor:
    """Latents with unit spread from unit normal noise.

    noise [B, C, h, w]; cond, uncond [B, 77, D]; the model maps (x, t, context) to v.
    """
    timesteps, sigmas = euler_schedule(steps)
    x = noise * (sigmas[0].square() + 1).sqrt()
    both = torch.cat([uncond, cond])
    for t, sigma, following in zip(timesteps, sigmas[:-1], sigmas[1:], strict=True):
        scale = (sigma.square() + 1).sqrt()
        times = t.repeat(len(both)).to(x.device)
        v_uncond, v_cond = model(torch.cat([x, x]) / scale, times, both).chunk(2)
        v = v_uncond + cfg_scale * (v_cond - v_uncond)
        denoised = x / scale.square() - v * (sigma / scale)
        x = x + (x - denoised) / sigma * (following - sigma)
    return x
