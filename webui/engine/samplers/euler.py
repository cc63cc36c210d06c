"""One-step solvers of the probability-flow ODE dx/dσ = (x − D(x, σ)) / σ."""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor

from webui.engine.evaluation import Guide, Sampling
from webui.engine.samplers.common import STILL, Churn, Noise, ancestral_step


def euler(
    x: Tensor, sigmas: Tensor, guide: Guide, noise: Noise, *, churn: Churn = STILL
) -> Sampling:
    """Euler's method: Karras et al. 2022, algorithm 2 without its correction."""
    steps = len(sigmas) - 1
    for level, sigma_next in pairwise(sigmas.tolist()):
        x, sigma = churn(x, level, steps, noise)
        d = (x - (yield from guide(x, sigma)).denoised) / sigma
        x = x + d * (sigma_next - sigma)
    return x


def euler_ancestral(
    x: Tensor,
    sigmas: Tensor,
    guide: Guide,
    noise: Noise,
    *,
    eta: float = 1.0,
    s_noise: float = 1.0,
) -> Sampling:
    """Euler's method down below the next level, then fresh noise up to it (k-diffusion)."""
    for sigma, sigma_next in pairwise(sigmas.tolist()):
        d = (x - (yield from guide(x, sigma)).denoised) / sigma
        down, up = ancestral_step(sigma, sigma_next, eta)
        x = x + d * (down - sigma)
        if up > 0:
            x = x + noise() * (s_noise * up)
    return x


def heun(
    x: Tensor, sigmas: Tensor, guide: Guide, noise: Noise, *, churn: Churn = STILL
) -> Sampling:
    """Heun's method: Karras et al. 2022, algorithm 2. The step to σ = 0 is Euler's."""
    steps = len(sigmas) - 1
    for level, sigma_next in pairwise(sigmas.tolist()):
        x, sigma = churn(x, level, steps, noise)
        d = (x - (yield from guide(x, sigma)).denoised) / sigma
        x_euler = x + d * (sigma_next - sigma)
        if sigma_next == 0:
            return x_euler
        d_next = (x_euler - (yield from guide(x_euler, sigma_next)).denoised) / sigma_next
        x = x + (d + d_next) / 2 * (sigma_next - sigma)
    return x


def heunpp2(
    x: Tensor, sigmas: Tensor, guide: Guide, noise: Noise, *, churn: Churn = STILL
) -> Sampling:
    """Heun++ 2 as Forge has it: slopes of this and the next two levels, weighted by their σ.

    With n slopes those further on have weight σⱼ / (n σ₀) and the first the rest, so that it looks
    ahead at high noise and is Euler's method at low noise: of first order by design. The last step
    has one slope, the one before it two. After https://github.com/Carzit/sd-webui-samplers-scheduler.
    """
    levels = sigmas.tolist()
    steps = len(levels) - 1
    for i in range(steps):
        x, sigma = churn(x, levels[i], steps, noise)
        ahead = levels[i + 1 : min(i + 3, steps)]
        slope = first = (x - (yield from guide(x, sigma)).denoised) / sigma
        probe, d, at = x, first, sigma
        for level in ahead:
            probe, at = probe + d * (level - at), level
            d = (probe - (yield from guide(probe, at)).denoised) / at
            slope = slope + (d - first) * (level / ((len(ahead) + 1) * levels[0]))
        x = x + slope * (levels[i + 1] - sigma)
    return x
