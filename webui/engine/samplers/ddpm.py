"""The original samplers of diffusion models, divided by √ᾱ: x = x₀ + σ·ε with σ² = (1 − ᾱ) / ᾱ.

In this form the papers' equations lose their square roots: ε = (x − D) / σ, the variance of the
noise that a step adds is that of ``ancestral_step``, and DDIM's step is Euler's.
"""

from __future__ import annotations

import math
from itertools import pairwise

from torch import Tensor

from webui.engine.evaluation import Guide, Sampling
from webui.engine.samplers.common import Noise, ancestral_step
from webui.engine.samplers.multistep import EVEN_STEPS, combined

CFGPP_SCALE = 12.5
"""The CFG scale that CFG++'s 1 is written as, in A1111."""


def ddpm(x: Tensor, sigmas: Tensor, guide: Guide, noise: Noise) -> Sampling:
    """DDPM: Ho et al. 2020, https://arxiv.org/abs/2006.11239, eq. 6 and 7, algorithm 2.

    A draw from q(x_{t−1} | x_t, x₀) with x₀ as the model sees it: between x and x₀ in proportion to
    the variances. DDIM with η = 1 is the same, and so is Euler a.
    """
    for sigma, sigma_next in pairwise(sigmas.tolist()):
        denoised = (yield from guide(x, sigma)).denoised
        ratio = (sigma_next / sigma) ** 2
        x = ratio * x + (1 - ratio) * denoised
        if sigma_next > 0:
            x = x + noise() * (sigma_next * math.sqrt(1 - ratio))
    return x


def ddim(x: Tensor, sigmas: Tensor, guide: Guide, noise: Noise, *, eta: float = 0.0) -> Sampling:
    """DDIM: Song et al. 2020, https://arxiv.org/abs/2010.02502, eq. 12."""
    for sigma, sigma_next in pairwise(sigmas.tolist()):
        denoised = (yield from guide(x, sigma)).denoised
        eps = (x - denoised) / sigma
        down, up = ancestral_step(sigma, sigma_next, eta)
        x = denoised + down * eps
        if up > 0:
            x = x + up * noise()
    return x


def ddim_cfgpp(
    x: Tensor, sigmas: Tensor, guide: Guide, noise: Noise, *, eta: float = 0.0
) -> Sampling:
    """DDIM with CFG++: Chung et al. 2024, https://arxiv.org/abs/2406.08070, algorithm 2.

    Guided towards x₀, but noised again with the ε of the negative prompt. As in A1111 the CFG scale
    counts 12.5 times the paper's λ: 7 is λ = 0.56, 1 is 0.08. Where guidance leaves the negative
    prompt out this is DDIM, as there.
    """
    for sigma, sigma_next in pairwise(sigmas.tolist()):
        out = yield from guide(x, sigma)
        denoised = away = out.denoised
        if out.uncond is not None:
            away = out.uncond
            denoised = away + (denoised - away) / CFGPP_SCALE
        down, up = ancestral_step(sigma, sigma_next, eta)
        x = denoised + (x - away) * (down / sigma)
        if up > 0:
            x = x + up * noise()
    return x


def plms(x: Tensor, sigmas: Tensor, guide: Guide, _noise: Noise) -> Sampling:
    """PLMS: Liu et al. 2022, https://arxiv.org/abs/2202.09778, section 3.4, as in A1111.

    DDIM's step with an ε extrapolated from the last four, by the weights for even steps. The first
    step takes the mean of ε at both its ends: two evaluations, unless it leads to σ = 0.
    """
    last: list[Tensor] = []
    for sigma, sigma_next in pairwise(sigmas.tolist()):
        eps = (x - (yield from guide(x, sigma)).denoised) / sigma
        last = [eps, *last[:3]]
        if len(last) == 1 and sigma_next > 0:
            x_next = x + eps * (sigma_next - sigma)
            eps_next = (x_next - (yield from guide(x_next, sigma_next)).denoised) / sigma_next
            mixed = (eps + eps_next) / 2
        else:
            weights = EVEN_STEPS[len(last) - 1]
            mixed = combined(last, weights)
        x = x + mixed * (sigma_next - sigma)
    return x
