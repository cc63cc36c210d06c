"""Adams–Bashforth methods: one evaluation a step, and the slopes of earlier ones remembered."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np
from torch import Tensor

from webui.engine.evaluation import Guide, Sampling
from webui.engine.samplers.common import Noise

Clock = Callable[[float], float]
"""A time for each noise level, in which slopes are extrapolated."""

_NODES, _WEIGHTS = (part.tolist() for part in np.polynomial.legendre.leggauss(12))

EVEN_STEPS = (
    (1.0,),
    (3 / 2, -1 / 2),
    (23 / 12, -16 / 12, 5 / 12),
    (55 / 24, -59 / 24, 37 / 24, -9 / 24),
)
"""Adams–Bashforth weights of the newest slopes, newest first, for steps of equal length."""


def plain(sigma: float) -> float:
    """σ itself."""
    return sigma


def vp_time(sigma: float) -> float:
    """The time at which a variance-preserving diffusion has noise level ``sigma``.

    With a linear β(t), σ = 0.002 at t = 0.001 and 80 at 1: what DEIS in Forge counts by (Karras et
    al. 2022, table 1, "VP").
    """
    least, most = math.log1p(0.002**2) / 0.001, math.log1p(80.0**2)
    slope = 2 * (least - most) / (0.001 - 1)
    start = most - slope / 2
    return (math.sqrt(start**2 + 2 * slope * math.log1p(sigma**2)) - start) / slope


def lms(x: Tensor, sigmas: Tensor, guide: Guide, _noise: Noise, *, order: int = 4) -> Sampling:
    """Linear multistep (Adams–Bashforth on uneven steps) of order up to 4, as in k-diffusion."""
    levels = sigmas.tolist()
    slopes: list[Tensor] = []
    for i, (sigma, sigma_next) in enumerate(pairwise(levels)):
        slope = (x - (yield from guide(x, sigma)).denoised) / sigma
        slopes = [slope, *slopes[: order - 1]]
        x = x + combined(slopes, extrapolation(levels[i::-1][: len(slopes)], sigma_next))
    return x


def ipndm(x: Tensor, sigmas: Tensor, guide: Guide, _noise: Noise, *, order: int = 4) -> Sampling:
    """iPNDM: Zhang & Chen 2022, https://arxiv.org/abs/2204.13902, appendix; in σ, as Forge.

    The weights are those for even steps, whatever the steps are; where they are uneven, its order
    is 2. The step to σ = 0 takes the denoised latents.
    """
    slopes: list[Tensor] = []
    for sigma, sigma_next in pairwise(sigmas.tolist()):
        denoised = (yield from guide(x, sigma)).denoised
        if sigma_next == 0:
            return denoised
        slopes = [(x - denoised) / sigma, *slopes[: order - 1]]
        x = x + combined(slopes, EVEN_STEPS[len(slopes) - 1]) * (sigma_next - sigma)
    return x


def ipndm_v(x: Tensor, sigmas: Tensor, guide: Guide, _noise: Noise, *, order: int = 4) -> Sampling:
    """iPNDM for uneven steps: ``lms``, but the step to σ = 0 takes the denoised latents.

    Forge's weights of third and fourth order are these for even steps only.
    """
    return (yield from _extrapolating(x, sigmas, guide, order, plain))


def deis(
    x: Tensor,
    sigmas: Tensor,
    guide: Guide,
    _noise: Noise,
    *,
    order: int = 3,
    clock: Clock = vp_time,
) -> Sampling:
    """tAB-DEIS: Zhang & Chen 2022, https://arxiv.org/abs/2204.13902, eq. 15, as Forge.

    ε is a polynomial in time, given by ``clock``, while σ is integrated over; ``math.log`` is
    diffusers' variant. The step to σ = 0 takes the denoised latents.
    """
    return (yield from _extrapolating(x, sigmas, guide, order, clock))


def _extrapolating(x: Tensor, sigmas: Tensor, guide: Guide, order: int, clock: Clock) -> Sampling:
    levels = sigmas.tolist()
    slopes: list[Tensor] = []
    for i, (sigma, sigma_next) in enumerate(pairwise(levels)):
        denoised = (yield from guide(x, sigma)).denoised
        if sigma_next == 0:
            return denoised
        slopes = [(x - denoised) / sigma, *slopes[: order - 1]]
        known = levels[i::-1][: len(slopes)]
        x = x + combined(slopes, extrapolation(known, sigma_next, clock))
    return x


def combined(slopes: Sequence[Tensor], weights: Sequence[float]) -> Tensor:
    """Σ weight · slope, of as many weights as slopes."""
    total = slopes[0] * weights[0]
    for slope, weight in zip(slopes[1:], weights[1:], strict=True):
        total = total + slope * weight
    return total


def extrapolation(known: Sequence[float], end: float, clock: Clock = plain) -> list[float]:
    """∫ ℓⱼ(clock(σ)) dσ from ``known[0]`` to ``end`` for each level j of ``known``.

    ℓⱼ is the Lagrange basis polynomial through the clock's times of ``known``. Gauss–Legendre
    quadrature at twelve points, exact for the plain clock and to six digits for the others.
    """
    middle, half = (known[0] + end) / 2, (end - known[0]) / 2
    times = [clock(level) for level in known]

    def basis(j: int, at: float) -> float:
        others = (time for i, time in enumerate(times) if i != j)
        return math.prod((at - other) / (times[j] - other) for other in others)

    moments = [clock(middle + half * node) for node in _NODES]
    return [
        half * sum(w * basis(j, at) for w, at in zip(_WEIGHTS, moments, strict=True))
        for j in range(len(known))
    ]
