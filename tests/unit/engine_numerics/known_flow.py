"""A problem with a known solution, and each solver's order of convergence on it.

For data ~ N(0, s²) the denoiser is D(x, σ) = x·s²/(s² + σ²) and the flow's solution
x(σ) ∝ √(s² + σ²).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor

from tests.unit.engine_numerics.toys import LEVELS, solve
from webui.engine.samplers import ddpm, dpm, dpmpp, euler, multistep
from webui.engine.samplers.consistency import tcd
from webui.engine.samplers.unipc import unipc

S = 0.5
TOP, BOTTOM = 10.0, 0.1
EXACT = TOP * math.sqrt((S**2 + BOTTOM**2) / (S**2 + TOP**2))
"""Where the flow from ``TOP`` at σ = ``TOP`` is at σ = ``BOTTOM``."""


def denoiser(x: Tensor, sigma: float) -> Tensor:
    return x * S**2 / (S**2 + sigma**2)


def error(sampler: Callable[..., Any], steps: int) -> float:
    """How far from the exact solution, with no noise where a sampler draws it."""
    sigmas = torch.linspace(math.log(TOP), math.log(BOTTOM), steps + 1, dtype=torch.float64).exp()
    x = torch.full((1, 1, 1), TOP, dtype=torch.float64)
    return abs(solve(sampler, denoiser, x, sigmas, lambda: x * 0).item() - EXACT)


def still(sampler: Callable[..., Any], **options: Any) -> Callable[..., Any]:
    return partial(sampler, eta=0.0, **options)


ORDERS: dict[str, tuple[Callable[..., Any], float]] = {
    "Euler": (euler.euler, 1),
    "Euler a": (still(euler.euler_ancestral), 1),
    "Heun": (euler.heun, 2),
    "HeunPP2": (euler.heunpp2, 1),
    "DPM2": (dpm.dpm2, 2),
    "DPM2 a": (still(dpm.dpm2_ancestral), 2),
    "DPM++ 2S a": (still(dpmpp.dpmpp_2s_ancestral), 2),
    "DPM++ SDE": (still(dpmpp.dpmpp_sde), 2),
    "DPM++ 2M": (dpmpp.dpmpp_2m, 2),
    "DPM++ 2M SDE": (still(dpmpp.dpmpp_2m_sde), 2),
    "DPM++ 2M SDE Heun": (still(dpmpp.dpmpp_2m_sde, heun=True), 2),
    # the first step of these is of first order, and its error of second order remains
    "DPM++ 3M SDE": (still(dpmpp.dpmpp_3m_sde), 2),
    "LMS": (multistep.lms, 2),
    "LMS, order 1": (partial(multistep.lms, order=1), 1),
    "LMS, order 2": (partial(multistep.lms, order=2), 2),
    "IPNDM": (multistep.ipndm, 2),
    "IPNDM_V": (multistep.ipndm_v, 2),
    "DEIS": (multistep.deis, 2),
    "DDIM": (ddpm.ddim, 1),
    "DDIM CFG++": (ddpm.ddim_cfgpp, 1),
    "PLMS": (ddpm.plms, 2),
    "UniPC, bh1, order 1": (partial(unipc, variant="bh1", order=1), 2),
    "UniPC, bh2, order 2": (partial(unipc, order=2, variant="bh2", lower_order_final=False), 3),
    "UniPC, bh2, order 3": (partial(unipc, order=3, variant="bh2", lower_order_final=False), 4),
    "UniPC, vary_coeff, order 2": (
        partial(unipc, order=2, variant="vary_coeff", lower_order_final=False),
        3,
    ),
    "TCD": (still(tcd, levels=LEVELS), 1),
}


def order(sampler: Callable[..., Any], steps: int = 150) -> float:
    """The order seen between so many steps and twice as many."""
    return math.log2(error(sampler, steps) / error(sampler, 2 * steps))
