"""DPM-Solver: Lu et al. 2022, https://arxiv.org/abs/2206.00927, in terms of ε = (x − D) / σ.

Time is t = −log σ, in which the flow's linear part is solved exactly.
"""

from __future__ import annotations

import math
from collections.abc import Generator
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from webui.engine.evaluation import Evaluation, Guide, Sampling
from webui.engine.samplers.common import STILL, Churn, Noise, ancestral_step


def dpm2(
    x: Tensor, sigmas: Tensor, guide: Guide, noise: Noise, *, churn: Churn = STILL
) -> Sampling:
    """DPM-Solver-2 as k-diffusion has it: the midpoint method, halfway in log σ.

    The step to σ = 0 is Euler's.
    """
    steps = len(sigmas) - 1
    for level, sigma_next in pairwise(sigmas.tolist()):
        x, sigma = churn(x, level, steps, noise)
        x = yield from _midpoint(x, sigma, sigma_next, guide)
    return x


def dpm2_ancestral(
    x: Tensor,
    sigmas: Tensor,
    guide: Guide,
    noise: Noise,
    *,
    eta: float = 1.0,
    s_noise: float = 1.0,
) -> Sampling:
    """``dpm2`` down below the next level, then fresh noise up to it (k-diffusion)."""
    for sigma, sigma_next in pairwise(sigmas.tolist()):
        down, up = ancestral_step(sigma, sigma_next, eta)
        x = yield from _midpoint(x, sigma, down, guide)
        if up > 0 and down > 0:
            x = x + noise() * (s_noise * up)
    return x


def dpm_fast(
    x: Tensor,
    sigmas: Tensor,
    guide: Guide,
    noise: Noise,
    *,
    eta: float = 1.0,
    s_noise: float = 1.0,
) -> Sampling:
    """DPM-Solver-fast (section 3.4): as many evaluations as ``sigmas`` has steps, three a stride.

    Of ``sigmas`` only the two ends count, both above 0: strides are even in log σ and of third
    order; the last ones use up what is left over. ``eta`` as in k-diffusion, A1111's default.
    """
    start, end = -math.log(sigmas[0].item()), -math.log(sigmas[-1].item())
    orders = fast_orders(len(sigmas) - 1)
    for i, order in enumerate(orders):
        t, t_next = (start + (end - start) * j / len(orders) for j in (i, i + 1))
        t_down, up = _down(t, t_next, end, eta)
        x = yield from _STEPS[order](x, t, t_down - t, guide)
        if up > 0:
            x = x + noise() * (s_noise * up)
    return x


def fast_orders(evaluations: int) -> list[int]:
    """The orders of DPM-Solver-fast's strides, which add up to ``evaluations``."""
    threes, rest = divmod(evaluations, 3)
    return [3] * threes + [rest] if rest else [3] * (threes - 1) + [2, 1]


def dpm_adaptive(
    x: Tensor,
    sigmas: Tensor,
    guide: Guide,
    noise: Noise,
    *,
    eta: float = 1.0,
    s_noise: float = 1.0,
) -> Sampling:
    """DPM-Solver-23 with step size control (appendix C), as k-diffusion has it.

    Of ``sigmas`` only the two ends count, both above 0. Each stride is taken with order 2 and 3;
    how far they differ says whether it counts and how long the next one is. ``eta`` as in
    k-diffusion, A1111's default.
    """
    t, end = -math.log(sigmas[0].item()), -math.log(sigmas[-1].item())
    control, x_before = _StrideControl(1.5 if eta else 3.0), x
    while t < end - 1e-5:
        t_next = min(end, t + control.h)
        t_down, up = _down(t, t_next, end, eta)
        x_low, x_high = yield from _second_and_third(x, t, t_down - t, guide)
        error = _difference(x_low, x_high, x_before)
        if not math.isfinite(error):
            return x_high  # the step loop says so
        if control.accepts(error):
            x_before, x, t = x_low, x_high, t_next
            if up > 0:
                x = x + noise() * (s_noise * up)
    return x


@dataclass(slots=True)
class _StrideControl:
    """The next stride ``h`` in −log σ from the last one's error (k-diffusion's controller)."""

    order: float
    h: float = 0.05

    def accepts(self, error: float) -> bool:
        """Whether a stride of that error counts; sets ``h``. The shortest ones always do."""
        factor = 1 + math.atan((error + 1e-8) ** (-1 / self.order) - 1)
        short = self.h <= _SHORTEST
        self.h = max(self.h * factor, _SHORTEST)
        return short or factor >= _ACCEPTED


_ACCEPTED = 0.81
_SHORTEST = 1e-3
_ATOL, _RTOL = 0.0078, 0.05


def _difference(x_low: Tensor, x_high: Tensor, x_before: Tensor) -> float:
    """How far two solutions differ, in tolerances; 1 is as far as they may."""
    tolerance = (_RTOL * torch.maximum(x_low.abs(), x_before.abs())).clamp_min(_ATOL)
    return ((x_low - x_high) / tolerance).square().mean().sqrt().item()


def _down(t: float, t_next: float, end: float, eta: float) -> tuple[float, float]:
    """The time of the level to step down to, at most ``end``, and the noise to add after it."""
    if eta == 0:
        return t_next, 0.0
    sigma_next = math.exp(-t_next)
    down, _ = ancestral_step(math.exp(-t), sigma_next, eta)
    t_down = min(end, -math.log(down)) if down > 0 else end
    return t_down, math.sqrt(max(sigma_next**2 - math.exp(-2 * t_down), 0.0))


def _midpoint(x: Tensor, sigma: float, sigma_next: float, guide: Guide) -> Sampling:
    d = (x - (yield from guide(x, sigma)).denoised) / sigma
    if sigma_next == 0:
        return x + d * (sigma_next - sigma)
    middle = math.sqrt(sigma * sigma_next)
    x_middle = x + d * (middle - sigma)
    d = (x_middle - (yield from guide(x_middle, middle)).denoised) / middle
    return x + d * (sigma_next - sigma)


def _eps(x: Tensor, t: float, guide: Guide) -> Sampling:
    sigma = math.exp(-t)
    return (x - (yield from guide(x, sigma)).denoised) / sigma


def _along(x: Tensor, eps: Tensor, t: float, h: float) -> Tensor:
    """``x`` a time ``h`` later for a constant ε (eq. 3.7)."""
    return x - eps * (math.exp(-(t + h)) * math.expm1(h))


def _first(x: Tensor, t: float, h: float, guide: Guide) -> Sampling:
    """DPM-Solver-1."""
    return _along(x, (yield from _eps(x, t, guide)), t, h)


def _second(x: Tensor, t: float, h: float, guide: Guide) -> Sampling:
    """DPM-Solver-2 (algorithm 1)."""
    eps = yield from _eps(x, t, guide)
    bend = (yield from _eps(_along(x, eps, t, h / 2), t + h / 2, guide)) - eps
    return _along(x, eps + bend, t, h)


def _third(x: Tensor, t: float, h: float, guide: Guide) -> Sampling:
    """DPM-Solver-3 (algorithm 2)."""
    _, x_high = yield from _second_and_third(x, t, h, guide)
    return x_high


def _second_and_third(
    x: Tensor, t: float, h: float, guide: Guide
) -> Generator[list[Evaluation], list[Tensor], tuple[Tensor, Tensor]]:
    """DPM-Solver-2 with its stage at a third, and DPM-Solver-3 with r₁ = 1/3, r₂ = 2/3."""
    third, later = h / 3, 2 * h / 3
    eps = yield from _eps(x, t, guide)
    bend = (yield from _eps(_along(x, eps, t, third), t + third, guide)) - eps
    x_low = _along(x, eps + 1.5 * bend, t, h)
    u = _along(x, eps, t, later) - bend * (2 * math.exp(-(t + later)) * _phi(later))
    bend = (yield from _eps(u, t + later, guide)) - eps
    x_high = _along(x, eps, t, h) - bend * (1.5 * math.exp(-(t + h)) * _phi(h))
    return x_low, x_high


def _phi(h: float) -> float:
    """(eʰ − 1) / h − 1."""
    return math.expm1(h) / h - 1


_STEPS = {1: _first, 2: _second, 3: _third}
