"""Solvers and schedules, by the names of ``core.samplers``.

A new sampler is one function in this package and one entry below.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from webui.core.registry import Registry
from webui.engine.evaluation import SamplerFunction
from webui.engine.samplers.euler import ddim, euler, euler_ancestral, heun
from webui.engine.samplers.multistep import dpmpp_2m, dpmpp_2m_sde, lms
from webui.engine.samplers.schedules import SCHEDULE_FUNCTIONS, sigmas

__all__ = ["SCHEDULE_FUNCTIONS", "SOLVERS", "Solver", "sigmas"]


def scaled_noise(noise: Tensor, sigmas: Tensor) -> Tensor:
    """Initial latents σ₀ · noise: what k-diffusion and A1111 start from."""
    return noise * sigmas[0].item()


def unit_variance_noise(noise: Tensor, sigmas: Tensor) -> Tensor:
    """Initial latents √(1 + σ₀²) · noise: pure noise in the variance-preserving view of DDIM."""
    return noise * (1 + sigmas[0].item() ** 2) ** 0.5


@dataclass(frozen=True, slots=True)
class Solver:
    """How a sampler is run.

    ``initial(noise, sigmas)`` makes the latents at ``sigmas[0]`` from standard normal noise
    [C, h, w]; ``run`` takes them to ``sigmas[-1]``.
    """

    run: SamplerFunction
    initial: Callable[[Tensor, Tensor], Tensor] = scaled_noise


SOLVERS: Registry[Solver] = Registry("sampler")
SOLVERS.add("Euler a", Solver(euler_ancestral))
SOLVERS.add("Euler", Solver(euler))
SOLVERS.add("Heun", Solver(heun))
SOLVERS.add("LMS", Solver(lms))
SOLVERS.add("DPM++ 2M", Solver(dpmpp_2m))
SOLVERS.add("DPM++ 2M SDE", Solver(dpmpp_2m_sde))
SOLVERS.add("DDIM", Solver(ddim, initial=unit_variance_noise))
