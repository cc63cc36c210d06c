"""Noise levels of samplers that bring their own, in place of the schedule "Automatic"."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from webui.engine.levels import NoiseLevels

_LCM_TIMESTEPS = 50
"""How many timesteps consistency distillation knows (of 1000)."""


def unipc_levels(levels: NoiseLevels, steps: int, skip: str) -> Tensor:
    """UniPC's [steps + 1] levels from the table's top to its bottom, not to 0 (as A1111).

    ``skip`` spaces them evenly in time ("time_uniform"), in its root ("time_quadratic") or in
    log σ ("logSNR").
    """
    if skip == "logSNR":
        return geometric_levels(levels.sigma_min, levels.sigma_max, steps)
    power = 2 if skip == "time_quadratic" else 1
    count = len(levels)
    t = torch.linspace(1, (1 / count) ** (1 / power), steps + 1) ** power
    return levels.t_to_sigma(t * count - 1)


def geometric_levels(low: float, high: float, steps: int) -> Tensor:
    """[steps + 1] levels evenly spaced in log σ from ``high`` to ``low``, which is not 0."""
    return torch.linspace(math.log(high), math.log(low), steps + 1).exp()


def lcm_levels(levels: NoiseLevels, steps: int) -> Tensor:
    """Evenly spaced from the last to the first of the 50 distilled timesteps, then 0 (as A1111).

    Between two of them the nearer is taken, as a consistency model knows no others.
    """
    known = _distilled(levels)
    places = torch.linspace(len(known) - 1, 0, steps).round().long()
    return _to_zero(levels.sigmas[known[places]])


def tcd_levels(levels: NoiseLevels, steps: int) -> Tensor:
    """Every (50 / steps)-th of the 50 distilled timesteps from the last, then 0 (as diffusers)."""
    known = _distilled(levels)
    places = [len(known) - 1 - i * len(known) // steps for i in range(steps)]
    return _to_zero(levels.sigmas[known[places]])


def _distilled(levels: NoiseLevels) -> Tensor:
    stride = max(len(levels) // _LCM_TIMESTEPS, 1)
    return torch.arange(stride - 1, len(levels), stride)


def _to_zero(above: Tensor) -> Tensor:
    return torch.cat([above, torch.zeros(1)])
