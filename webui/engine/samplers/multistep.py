"""Solvers that remember earlier evaluations: one evaluation a step at a higher order."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise

from torch import Tensor

from webui.engine.evaluation import Guide, Sampling


def dpmpp_2m(x: Tensor, sigmas: Tensor, guide: Guide, _noise: Callable[[], Tensor]) -> Sampling:
    """DPM-Solver++(2M): Lu et al. 2022, https://arxiv.org/abs/2211.01095, algorithm 2.

    With λ = −log σ and h the step in λ; the first step and the one to σ = 0 are of first order.
    """
    previous, h_last = None, 0.0
    for sigma, sigma_next in pairwise(sigmas.tolist()):
        denoised = (yield from guide(x, sigma)).denoised
        if sigma_next == 0:
            return denoised
        h = math.log(sigma / sigma_next)
        target = denoised
        if previous is not None:
            target = denoised + (denoised - previous) * (h / (2 * h_last))
        x = x * (sigma_next / sigma) - math.expm1(-h) * target
        previous, h_last = denoised, h
    return x


def dpmpp_2m_sde(
    x: Tensor,
    sigmas: Tensor,
    guide: Guide,
    noise: Callable[[], Tensor],
    *,
    eta: float = 1.0,
    s_noise: float = 1.0,
) -> Sampling:
    """SDE-DPM-Solver++(2M), midpoint: Lu et al. 2022, section 5, with k-diffusion's ``eta``.

    Each step's noise is a fresh draw; A1111 draws the same distribution from a Brownian tree.
    """
    previous, h_last = None, 0.0
    for sigma, sigma_next in pairwise(sigmas.tolist()):
        denoised = (yield from guide(x, sigma)).denoised
        if sigma_next == 0:
            return denoised
        h = math.log(sigma / sigma_next)
        decay = math.exp(-h * (1 + eta))
        x = x * decay + (1 - decay) * denoised
        if previous is not None:
            x = x + (denoised - previous) * ((1 - decay) * h / (2 * h_last))
        if eta > 0:
            x = x + noise() * (s_noise * sigma_next * math.sqrt(-math.expm1(-2 * eta * h)))
        previous, h_last = denoised, h
    return x


def lms(
    x: Tensor,
    sigmas: Tensor,
    guide: Guide,
    _noise: Callable[[], Tensor],
    *,
    order: int = 4,
) -> Sampling:
    """Linear multistep (Adams–Bashforth on uneven steps) of order up to 4, as in k-diffusion."""
    levels = sigmas.tolist()
    slopes: list[Tensor] = []
    for i, (sigma, sigma_next) in enumerate(pairwise(levels)):
        out = yield from guide(x, sigma)
        slopes = [(x - out.denoised) / sigma, *slopes[: order - 1]]
        known = levels[i::-1][: len(slopes)]
        for slope, weight in zip(slopes, lms_weights(known, sigma_next), strict=True):
            x = x + slope * weight
    return x


def lms_weights(known: Sequence[float], end: float) -> list[float]:
    """∫ of each Lagrange basis polynomial through ``known`` levels, from ``known[0]`` to ``end``.

    Two-point Gauss–Legendre quadrature, which is exact up to the third degree: four levels.
    """
    middle, half = (known[0] + end) / 2, (end - known[0]) / 2
    nodes = (middle - half / math.sqrt(3), middle + half / math.sqrt(3))

    def basis(j: int, at: float) -> float:
        others = (k for i, k in enumerate(known) if i != j)
        return math.prod((at - other) / (known[j] - other) for other in others)

    return [half * sum(basis(j, at) for at in nodes) for j in range(len(known))]
