"""DPM-Solver++ and its stochastic relatives: Lu et al. 2022, https://arxiv.org/abs/2211.01095.

With λ = −log σ and h the step in λ. The SDE solvers take noise in the order of their steps, each
draw for the stretch of levels it covers: A1111's is the increment of a Brownian path there, which
is how ``engine.brownian`` draws it; any independent normal draws are such a path too.
"""

from __future__ import annotations

import math
from itertools import pairwise

from torch import Tensor

from webui.engine.evaluation import Guide, Sampling
from webui.engine.samplers.common import Noise, ancestral_step, exponential_step


def dpmpp_2m(x: Tensor, sigmas: Tensor, guide: Guide, _noise: Noise) -> Sampling:
    """DPM-Solver++(2M): algorithm 2. The first step and the one to σ = 0 are of first order."""
    previous, h_last = None, 0.0
    for sigma, sigma_next in pairwise(sigmas.tolist()):
        denoised = target = (yield from guide(x, sigma)).denoised
        if sigma_next == 0:
            return denoised
        h = math.log(sigma / sigma_next)
        if previous is not None:
            target = denoised + (denoised - previous) * (h / (2 * h_last))
        x = exponential_step(x, target, sigma, sigma_next)
        previous, h_last = denoised, h
    return x


def dpmpp_2s_ancestral(
    x: Tensor,
    sigmas: Tensor,
    guide: Guide,
    noise: Noise,
    *,
    eta: float = 1.0,
    s_noise: float = 1.0,
) -> Sampling:
    """DPM-Solver++(2S), algorithm 1, down below the next level; then noise up to it (k-diffusion).

    The second evaluation is halfway in λ. The step to σ = 0 is of first order.
    """
    for sigma, sigma_next in pairwise(sigmas.tolist()):
        denoised = (yield from guide(x, sigma)).denoised
        down, up = ancestral_step(sigma, sigma_next, eta)
        if down == 0:
            x = denoised
        else:
            middle = math.sqrt(sigma * down)
            x_middle = exponential_step(x, denoised, sigma, middle)
            denoised = (yield from guide(x_middle, middle)).denoised
            x = exponential_step(x, denoised, sigma, down)
        if up > 0:
            x = x + noise() * (s_noise * up)
    return x


def dpmpp_sde(
    x: Tensor,
    sigmas: Tensor,
    guide: Guide,
    noise: Noise,
    *,
    eta: float = 1.0,
    s_noise: float = 1.0,
) -> Sampling:
    """SDE-DPM-Solver++(2S) as k-diffusion has it: an ancestral step halfway in λ, then a whole one.

    Both steps start from the same place, and the noise of the whole one is a Brownian path's that
    passes through the half one's: two draws, one for each half of the way.
    """
    for sigma, sigma_next in pairwise(sigmas.tolist()):
        denoised = (yield from guide(x, sigma)).denoised
        if sigma_next == 0:
            return denoised
        middle = math.sqrt(sigma * sigma_next)
        first, second = noise(), noise()

        down, up = ancestral_step(sigma, middle, eta)
        x_middle = exponential_step(x, denoised, sigma, down) + first * (s_noise * up)
        denoised = (yield from guide(x_middle, middle)).denoised

        down, up = ancestral_step(sigma, sigma_next, eta)
        share = (sigma - middle) / (sigma - sigma_next)
        whole = first * math.sqrt(share) + second * math.sqrt(1 - share)
        x = exponential_step(x, denoised, sigma, down) + whole * (s_noise * up)
    return x


def dpmpp_2m_sde(
    x: Tensor,
    sigmas: Tensor,
    guide: Guide,
    noise: Noise,
    *,
    eta: float = 1.0,
    s_noise: float = 1.0,
    heun: bool = False,
) -> Sampling:
    """SDE-DPM-Solver++(2M): section 5, with k-diffusion's ``eta``; midpoint, or ``heun``.

    The two differ in the weight of the denoised latents' slope.
    """
    previous, h_last = None, 0.0
    for sigma, sigma_next in pairwise(sigmas.tolist()):
        denoised = (yield from guide(x, sigma)).denoised
        if sigma_next == 0:
            return denoised
        h = math.log(sigma / sigma_next)
        h_eta = h * (1 + eta)
        x = _toward(x, denoised, h_eta)
        if previous is not None:
            weight = _phi_2(h_eta) if heun else -math.expm1(-h_eta) / 2
            x = x + (denoised - previous) * (weight * h / h_last)
        if eta > 0:
            x = x + noise() * (s_noise * _spread(sigma_next, h, eta))
        previous, h_last = denoised, h
    return x


def dpmpp_3m_sde(
    x: Tensor,
    sigmas: Tensor,
    guide: Guide,
    noise: Noise,
    *,
    eta: float = 1.0,
    s_noise: float = 1.0,
) -> Sampling:
    """SDE-DPM-Solver++ with three evaluations' memory (k-diffusion): a parabola through them."""
    before: list[tuple[Tensor, float]] = []
    for sigma, sigma_next in pairwise(sigmas.tolist()):
        denoised = (yield from guide(x, sigma)).denoised
        if sigma_next == 0:
            return denoised
        h = math.log(sigma / sigma_next)
        h_eta = h * (1 + eta)
        slope, curve = _derivatives(denoised, h, before)
        x = _toward(x, denoised, h_eta)
        if slope is not None:
            x = x + slope * _phi_2(h_eta)
        if curve is not None:
            x = x - curve * (_phi_2(h_eta) / h_eta - 0.5)
        if eta > 0:
            x = x + noise() * (s_noise * _spread(sigma_next, h, eta))
        before = [(denoised, h), *before[:1]]
    return x


def _derivatives(
    denoised: Tensor, h: float, before: list[tuple[Tensor, float]]
) -> tuple[Tensor | None, Tensor | None]:
    """First and second derivative in units of the step ``h``, as far as they are known.

    ``before`` holds the last denoised latents and the steps taken from them, newest first.
    """
    if not before:
        return None, None
    (last, h_last), *older = before
    slope = (denoised - last) * (h / h_last)
    if not older:
        return slope, None
    (oldest, h_older), *_ = older
    near, far = h_last / h, h_older / h
    curve = (slope - (last - oldest) / far) / (near + far)
    return slope + curve * near, curve


def _toward(x: Tensor, denoised: Tensor, h: float) -> Tensor:
    """``x`` on its way to ``denoised``, a step ``h`` in λ."""
    decay = math.exp(-h)
    return x * decay + denoised * (1 - decay)


def _phi_2(h: float) -> float:
    """1 + (e⁻ʰ − 1) / h."""
    return 1 + math.expm1(-h) / h


def _spread(sigma_next: float, h: float, eta: float) -> float:
    """The standard deviation of the noise that a step to ``sigma_next`` adds."""
    return sigma_next * math.sqrt(-math.expm1(-2 * eta * h))
