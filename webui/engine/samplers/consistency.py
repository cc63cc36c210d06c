"""Samplers of consistency models, which see the end of the flow from anywhere on it."""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import Tensor

from webui.engine.evaluation import Guide, Sampling
from webui.engine.levels import NoiseLevels
from webui.engine.samplers.common import Noise


def lcm(x: Tensor, sigmas: Tensor, guide: Guide, noise: Noise) -> Sampling:
    """Multistep consistency sampling: Luo et al. 2023, https://arxiv.org/abs/2310.04378, alg. 3.

    Each step takes the denoised latents and noises them again. The boundary condition that mixes in
    some x is left out, as it is below 10⁻⁵ at every timestep that is visited.
    """
    for sigma, sigma_next in pairwise(sigmas.tolist()):
        x = (yield from guide(x, sigma)).denoised
        if sigma_next > 0:
            x = x + noise() * sigma_next
    return x


def tcd(
    x: Tensor,
    sigmas: Tensor,
    guide: Guide,
    noise: Noise,
    *,
    levels: NoiseLevels,
    eta: float = 0.3,
) -> Sampling:
    """Strategic stochastic sampling: Zheng et al. 2024, https://arxiv.org/abs/2402.19159, alg. 4.

    Each step goes along the flow beyond the next timestep t, to (1 − η)·t, and is noised back to t:
    η (the paper's γ) of 0 draws no noise, 1 is ``lcm``.
    """
    for sigma, sigma_next in pairwise(sigmas.tolist()):
        denoised = (yield from guide(x, sigma)).denoised
        down = further_down(levels, sigma_next, eta)
        x = denoised + (x - denoised) * (down / sigma)
        if down < sigma_next:
            x = x + noise() * math.sqrt(sigma_next**2 - down**2)
    return x


def further_down(levels: NoiseLevels, sigma: float, eta: float) -> float:
    """The level at (1 − ``eta``) times the timestep of ``sigma``, rounded down; 0 stays 0."""
    if sigma == 0 or eta == 0:
        return sigma
    t = round(levels.sigma_to_t(torch.tensor(sigma)).item())
    return min(levels.sigmas[math.floor((1 - eta) * t)].item(), sigma)
