"""Restart sampling: Xu et al. 2023, https://arxiv.org/abs/2306.14878."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor

from webui.engine.evaluation import Guide, Sampling
from webui.engine.samplers.common import Noise
from webui.engine.samplers.schedules import karras_levels

_LOW, _HIGH = 0.1, 2.0


def restart(
    x: Tensor, sigmas: Tensor, guide: Guide, noise: Noise, *, s_noise: float = 1.0
) -> Sampling:
    """Heun's method that goes back up with fresh noise now and then: algorithm 1, A1111's path.

    The way up forgets errors made so far, the way down makes new ones on better latents.
    """
    at = sigmas[0].item()
    for sigma, sigma_next in restart_path(sigmas.tolist()):
        if sigma > at:
            x = x + noise() * (s_noise * math.sqrt(sigma**2 - at**2))
        d = (x - (yield from guide(x, sigma)).denoised) / sigma
        at, x_euler = sigma_next, x + d * (sigma_next - sigma)
        if sigma_next > 0:
            d_next = (x_euler - (yield from guide(x_euler, sigma_next)).denoised) / sigma_next
            x_euler = x + (d + d_next) / 2 * (sigma_next - sigma)
        x = x_euler
    return x


def restart_path(levels: Sequence[float]) -> list[tuple[float, float]]:
    """The steps that A1111 takes instead of those between ``levels``: as many, 0 at the end.

    From 20 steps on there is one way back from σ = 0.1 to 2, of 9 steps; from 36 on two, each of a
    quarter of all steps. The rest of the steps are Karras' between the same ends.
    """
    steps = len(levels) - 1
    if steps < 20:
        return list(pairwise(levels))
    again, times = (9, 1) if steps < 36 else (steps // 4, 2)
    main = [*karras_levels(levels[-2], levels[0], steps - again * times), 0.0]
    low, high = (min(range(len(main)), key=lambda i: abs(main[i] - at)) for at in (_LOW, _HIGH))
    path = list(pairwise(main))
    if low == 0 or high >= low:
        return path
    back = list(pairwise(karras_levels(main[low], main[high], again + 1)))
    return [*path[:low], *back * times, *path[low:]]
