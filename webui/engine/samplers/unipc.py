"""UniPC: Zhao et al. 2023, https://arxiv.org/abs/2302.04867, predicting data.

Each step extrapolates D with a polynomial in λ = −log σ through the last evaluations, and is done
once more (corrected) when the evaluation at its end is there; that costs no further evaluation.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Literal

import numpy as np
from torch import Tensor

from webui.engine.evaluation import Guide, Sampling
from webui.engine.samplers.common import Noise, exponential_step

Variant = Literal["bh1", "bh2", "vary_coeff"]


def unipc(
    x: Tensor,
    sigmas: Tensor,
    guide: Guide,
    _noise: Noise,
    *,
    variant: Variant = "bh1",
    order: int = 3,
    lower_order_final: bool = True,
) -> Sampling:
    """UniPC of ``order`` 1 to 8 (3 is usual): algorithms 5 and 7, multistep.

    ``variant`` is how the paper's B(h) is chosen, "vary_coeff" its appendix C without one. The
    last step is not corrected; ``lower_order_final`` lets the order fall to 1 towards it. A step
    to σ = 0 takes the last evaluation of D.
    """
    levels = sigmas.tolist()
    known: list[tuple[float, Tensor]] = []
    start, used = x, 0
    for i, (sigma, sigma_next) in enumerate(pairwise(levels)):
        denoised = (yield from guide(x, sigma)).denoised
        if known:
            x = _corrected(start, denoised, known[:used], sigma, variant)
        if sigma_next == 0:
            return denoised
        known = [(sigma, denoised), *known[: order - 1]]
        left = len(levels) - 1 - i
        used = min(len(known), left) if lower_order_final else len(known)
        start, x = x, _predicted(x, known[:used], sigma_next, variant)
    return x


Known = Sequence[tuple[float, Tensor]]
"""Noise levels and D there, newest first."""


def _predicted(x: Tensor, known: Known, sigma_next: float, variant: Variant) -> Tensor:
    """UniP: ``x`` at the newest known level brought to ``sigma_next``."""
    (sigma, denoised), *older = known
    h = math.log(sigma / sigma_next)
    places = [math.log(sigma / level) / h for level, _ in older]
    weights = [_b(h, variant) / 2] if variant != "vary_coeff" and len(older) == 1 else None
    weights = weights or residual_weights(places, h)
    x = exponential_step(x, denoised, sigma, sigma_next)
    for (_, other), place, weight in zip(older, places, weights, strict=True):
        x = x + (other - denoised) * (weight / place)
    return x


def _corrected(
    x: Tensor, denoised_next: Tensor, known: Known, sigma_next: float, variant: Variant
) -> Tensor:
    """UniC: the same step with D known at its end, too."""
    (sigma, denoised), *older = known
    h = math.log(sigma / sigma_next)
    places = [*(math.log(sigma / level) / h for level, _ in older), 1.0]
    weights = [_b(h, variant) / 2] if variant != "vary_coeff" and not older else None
    weights = weights or residual_weights(places, h)
    x = exponential_step(x, denoised, sigma, sigma_next)
    others = [*(other for _, other in older), denoised_next]
    for other, place, weight in zip(others, places, weights, strict=True):
        x = x + (other - denoised) * (weight / place)
    return x


def residual_weights(places: Sequence[float], h: float) -> list[float]:
    """What (Dᵢ − D) / rᵢ count for in a step ``h``, for D at λ + rᵢh (eq. 5, times B(h)).

    They integrate the polynomial through all D exactly, so B(h) drops out.
    """
    if not places:
        return []
    powers = np.vander(places, increasing=True).T
    return np.linalg.solve(powers, _moments(len(places), h)).tolist()


def _moments(count: int, h: float) -> list[float]:
    """∫₀¹ h·e^{(u−1)h}·uᵏ du for k = 1 … ``count``, by Gauss and Legendre."""
    return [
        sum(w * math.exp((u - 1) * h) * u**k * h for u, w in _QUADRATURE)
        for k in range(1, count + 1)
    ]


def _b(h: float, variant: Variant) -> float:
    """B(h) of the variants, which shows where the order is too low to determine a weight."""
    return h if variant == "bh1" else -math.expm1(-h)


_POINTS, _WEIGHTS = (part.tolist() for part in np.polynomial.legendre.leggauss(16))
_QUADRATURE = [((u + 1) / 2, w / 2) for u, w in zip(_POINTS, _WEIGHTS, strict=True)]
