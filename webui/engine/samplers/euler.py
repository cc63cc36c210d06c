"""One-step solvers of the probability-flow ODE dx/dσ = (x − D(x, σ)) / σ."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

from torch import Tensor

from webui.engine.evaluation import Guide, Sampling


def euler(x: Tensor, sigmas: Tensor, guide: Guide, _noise: Callable[[], Tensor]) -> Sampling:
    """Euler's method: Karras et al. 2022, algorithm 1 without its correction."""
    for sigma, sigma_next in pairwise(sigmas.tolist()):
        out = yield from guide(x, sigma)
        d = (x - out.denoised) / sigma
        x = x + d * (sigma_next - sigma)
    return x


def euler_ancestral(
    x: Tensor,
    sigmas: Tensor,
    guide: Guide,
    noise: Callable[[], Tensor],
    *,
    eta: float = 1.0,
    s_noise: float = 1.0,
) -> Sampling:
    """Euler's method down below the next level, then fresh noise up to it (k-diffusion)."""
    for sigma, sigma_next in pairwise(sigmas.tolist()):
        out = yield from guide(x, sigma)
        down, up = ancestral_step(sigma, sigma_next, eta)
        d = (x - out.denoised) / sigma
        x = x + d * (down - sigma)
        if up > 0:
            x = x + noise() * (s_noise * up)
    return x


def heun(x: Tensor, sigmas: Tensor, guide: Guide, _noise: Callable[[], Tensor]) -> Sampling:
    """Heun's method: Karras et al. 2022, algorithm 1. The step to σ = 0 is Euler's."""
    for sigma, sigma_next in pairwise(sigmas.tolist()):
        out = yield from guide(x, sigma)
        d = (x - out.denoised) / sigma
        x_euler = x + d * (sigma_next - sigma)
        if sigma_next == 0:
            return x_euler
        out = yield from guide(x_euler, sigma_next)
        d_next = (x_euler - out.denoised) / sigma_next
        x = x + (d + d_next) / 2 * (sigma_next - sigma)
    return x


def ddim(
    x: Tensor,
    sigmas: Tensor,
    guide: Guide,
    noise: Callable[[], Tensor],
    *,
    eta: float = 0.0,
) -> Sampling:
    """DDIM: Song et al. 2020, https://arxiv.org/abs/2010.02502, eq. 12, divided by √ᾱ.

    In x/√ᾱ the paper's noise σ_t becomes the ancestral step's ``up``.
    """
    for sigma, sigma_next in pairwise(sigmas.tolist()):
        out = yield from guide(x, sigma)
        eps = (x - out.denoised) / sigma
        down, up = ancestral_step(sigma, sigma_next, eta)
        x = out.denoised + down * eps
        if up > 0:
            x = x + up * noise()
    return x


def ancestral_step(sigma: float, sigma_next: float, eta: float) -> tuple[float, float]:
    """Where to step down to and how much noise to add: down² + up² = σ_next²."""
    up = min(sigma_next, eta * sigma_next * (1 - (sigma_next / sigma) ** 2) ** 0.5)
    return (sigma_next**2 - up**2) ** 0.5, up
