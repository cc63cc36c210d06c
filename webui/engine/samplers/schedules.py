"""Schedules: which noise levels a sampler visits, as in A1111 1.10."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from webui.core.registry import Registry
from webui.core.samplers import SAMPLERS
from webui.engine.levels import NoiseLevels

ScheduleFunction = Callable[[NoiseLevels, int], Tensor]
"""``function(levels, steps)``: [steps] descending noise levels above zero, float32 on the CPU."""


def sigmas(schedule: str, levels: NoiseLevels, steps: int, sampler: str) -> Tensor:
    """The noise levels of a run: [steps + 1] descending, the last 0, float32 on the CPU.

    ``schedule`` "Automatic" takes the sampler's own. An unknown name raises ``InvalidRequest``.
    """
    if schedule.strip().casefold() == "automatic":
        schedule = SAMPLERS.get(sampler, field="sampler").schedule
    above_zero = SCHEDULE_FUNCTIONS.get(schedule, field="scheduler")(levels, steps)
    return torch.cat([above_zero.float(), torch.zeros(1)])


def uniform(levels: NoiseLevels, steps: int) -> Tensor:
    """Evenly spaced timesteps from the last to the first: k-diffusion's ``get_sigmas``."""
    return levels.t_to_sigma(torch.linspace(len(levels) - 1, 0, steps))


def karras(levels: NoiseLevels, steps: int, *, rho: float = 7.0) -> Tensor:
    """σᵢ = (σmax^(1/ρ) + i/(n−1) · (σmin^(1/ρ) − σmax^(1/ρ)))^ρ; Karras et al. 2022, eq. 5."""
    first, last = levels.sigma_max ** (1 / rho), levels.sigma_min ** (1 / rho)
    return (first + torch.linspace(0, 1, steps) * (last - first)) ** rho


def exponential(levels: NoiseLevels, steps: int) -> Tensor:
    """Evenly spaced in log σ."""
    return torch.linspace(math.log(levels.sigma_max), math.log(levels.sigma_min), steps).exp()


def sgm_uniform(levels: NoiseLevels, steps: int) -> Tensor:
    """Evenly spaced timesteps that leave the first timestep out: Stability's ``sgm`` code."""
    return levels.t_to_sigma(torch.linspace(len(levels) - 1, 0, steps + 1)[:-1])


def simple(levels: NoiseLevels, steps: int) -> Tensor:
    """Every (N / steps)-th level of the table from the top, rounded down."""
    stride = len(levels) / steps
    return levels.sigmas[[len(levels) - 1 - int(i * stride) for i in range(steps)]]


def ddim(levels: NoiseLevels, steps: int) -> Tensor:
    """Timesteps 1, 1 + N/steps, …: DDIM's, which keep off both ends of the table.

    Where ``steps`` does not divide N, A1111 rounds the stride down and takes another step or more
    than was asked for; here the stride is kept whole in the mean instead. A1111 also stops at the
    timestep 1, an evaluation short of the steps asked for; here the last step goes from there to 0.
    A single step starts at the top: the timestep 1 would be no step at all.
    """
    if steps == 1:
        return levels.sigmas[-1:]
    last = len(levels) - 1
    return levels.sigmas[[min(1 + i * len(levels) // steps, last) for i in reversed(range(steps))]]


SCHEDULE_FUNCTIONS: Registry[ScheduleFunction] = Registry("schedule type")
SCHEDULE_FUNCTIONS.add("Uniform", uniform)
SCHEDULE_FUNCTIONS.add("Karras", karras)
SCHEDULE_FUNCTIONS.add("Exponential", exponential)
SCHEDULE_FUNCTIONS.add("SGM Uniform", sgm_uniform)
SCHEDULE_FUNCTIONS.add("Simple", simple)
SCHEDULE_FUNCTIONS.add("DDIM", ddim)
