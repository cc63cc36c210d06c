"""Schedules: which noise levels a sampler visits, as in A1111 1.10 and Forge."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from webui.core.errors import InvalidRequest
from webui.core.registry import Registry
from webui.engine.levels import NoiseLevels
from webui.engine.samplers.beta import beta_quantile


@dataclass(frozen=True, slots=True)
class Spacing:
    """What a schedule may be told; each function takes what concerns it, as in A1111.

    ``sigma_min``, ``sigma_max`` and ``rho`` of 0 mean as usual, a ``sigma_min`` below 10⁻⁵ means
    that; ``alpha`` and ``beta`` (0.05 to 10) shape the schedule Beta.
    """

    sigma_min: float = 0.0
    sigma_max: float = 0.0
    rho: float = 0.0
    alpha: float = 0.6
    beta: float = 0.6

    def ends(self, levels: NoiseLevels) -> tuple[float, float]:
        """The least level above 0 and the largest; ``InvalidRequest`` if they leave no room."""
        low = max(self.sigma_min, _LEAST_SIGMA) if self.sigma_min else levels.sigma_min
        high = self.sigma_max or levels.sigma_max
        if low >= high:
            raise InvalidRequest(
                f"The schedule's min sigma is {low:g} and its max sigma {high:g}; "
                "the min must be the smaller one.",
                field="sigma_min" if self.sigma_min else "sigma_max",
            )
        return low, high


USUAL = Spacing()

ScheduleFunction = Callable[[NoiseLevels, int, Spacing], Tensor]
"""``function(levels, steps, spacing)``: [steps + 1] noise levels from high to low, on the CPU."""


def uniform(levels: NoiseLevels, steps: int, _spacing: Spacing = USUAL) -> Tensor:
    """Evenly spaced timesteps from the last to the first: k-diffusion's ``get_sigmas``."""
    return _to_zero(levels.t_to_sigma(torch.linspace(len(levels) - 1, 0, steps)))


def normal(levels: NoiseLevels, steps: int, spacing: Spacing = USUAL) -> Tensor:
    """Evenly spaced timesteps between the ends: Uniform that heeds min and max sigma."""
    return _to_zero(levels.t_to_sigma(torch.linspace(*_timesteps(levels, spacing), steps)))


def sgm_uniform(levels: NoiseLevels, steps: int, spacing: Spacing = USUAL) -> Tensor:
    """Evenly spaced timesteps that leave the first timestep out: Stability's ``sgm`` code."""
    t = torch.linspace(*_timesteps(levels, spacing), steps + 1)
    return _to_zero(levels.t_to_sigma(t[:-1]))


def karras(levels: NoiseLevels, steps: int, spacing: Spacing = USUAL) -> Tensor:
    """Evenly spaced in σ^(1/ρ); Karras et al. 2022, https://arxiv.org/abs/2206.00364, eq. 5."""
    low, high = spacing.ends(levels)
    return _to_zero(torch.tensor(karras_levels(low, high, steps, spacing.rho or 7.0)))


def karras_levels(low: float, high: float, count: int, rho: float = 7.0) -> list[float]:
    """σᵢ = (σmax^(1/ρ) + i/(n−1) · (σmin^(1/ρ) − σmax^(1/ρ)))^ρ for i = 0 … n − 1.

    In units of σmax, so that the powers of a small ρ do not overflow.
    """
    fall = 1 - (low / high) ** (1 / rho)
    shares = (i / max(count - 1, 1) for i in range(count))
    return [max(high * (1 - share * fall) ** rho, low) for share in shares]


def exponential(levels: NoiseLevels, steps: int, spacing: Spacing = USUAL) -> Tensor:
    """Evenly spaced in log σ."""
    return _to_zero(_between_logs(torch.linspace(1, 0, steps), *spacing.ends(levels)))


def polyexponential(levels: NoiseLevels, steps: int, spacing: Spacing = USUAL) -> Tensor:
    """A polynomial of degree ρ (1) in log σ, as in k-diffusion."""
    ramp = torch.linspace(1, 0, steps) ** (spacing.rho or 1.0)
    return _to_zero(_between_logs(ramp, *spacing.ends(levels)))


def kl_optimal(levels: NoiseLevels, steps: int, spacing: Spacing = USUAL) -> Tensor:
    """Evenly spaced in arctan σ: Sabour et al. 2024, https://arxiv.org/abs/2404.14507, theorem 3.1.

    As in A1111 it ends at the least level, not at 0.
    """
    low, high = (math.atan(end) for end in spacing.ends(levels))
    return torch.linspace(high, low, steps + 1, dtype=torch.float64).tan().float()


def beta(levels: NoiseLevels, steps: int, spacing: Spacing = USUAL) -> Tensor:
    """Quantiles of a beta distribution: Lee et al. 2024, https://arxiv.org/abs/2407.12173.

    As A1111 has it, of the noise level; the paper's, and ComfyUI's, are of the timestep.
    """
    low, high = spacing.ends(levels)
    shares = torch.tensor(_beta_shares(steps, spacing.alpha, spacing.beta), dtype=torch.float64)
    return _to_zero(low + shares * (high - low))


@lru_cache(maxsize=8)
def _beta_shares(steps: int, alpha: float, beta: float) -> tuple[float, ...]:
    """Quantiles from 1 to 0; they take some 50 ms, and each image of a job asks for the same."""
    return tuple(beta_quantile(np.linspace(1, 0, steps), alpha, beta).tolist())


def simple(levels: NoiseLevels, steps: int, _spacing: Spacing = USUAL) -> Tensor:
    """Every (N / steps)-th level of the table from the top, rounded down."""
    stride = len(levels) / steps
    return _to_zero(levels.sigmas[[len(levels) - 1 - int(i * stride) for i in range(steps)]])


def turbo(levels: NoiseLevels, steps: int, _spacing: Spacing = USUAL) -> Tensor:
    """Every (N / steps)-th level of the table, counted from below and rounded (Forge)."""
    stride = len(levels) / steps
    places = [max(round(i * stride - 1), 0) for i in range(steps, 0, -1)]
    return _to_zero(levels.sigmas[places])


def ddim(levels: NoiseLevels, steps: int, _spacing: Spacing = USUAL) -> Tensor:
    """Timesteps 1, 1 + N/steps, …: DDIM's, which keep off both ends of the table.

    Where ``steps`` does not divide N, A1111 rounds the stride down and takes another step or more
    than was asked for; here the stride is kept whole in the mean instead. A1111 also stops at the
    timestep 1, an evaluation short of the steps asked for; here the last step goes from there to 0.
    A single step starts at the top: the timestep 1 would be no step at all.
    """
    if steps == 1:
        return _to_zero(levels.sigmas[-1:])
    last = len(levels) - 1
    places = [min(1 + i * len(levels) // steps, last) for i in reversed(range(steps))]
    return _to_zero(levels.sigmas[places])


def from_table(table: Sequence[float]) -> ScheduleFunction:
    """A schedule of given levels; another number of steps is read off between them in log σ."""

    def tabulated(_levels: NoiseLevels, steps: int, _spacing: Spacing = USUAL) -> Tensor:
        places = np.linspace(0, len(table) - 1, steps)
        return _to_zero(torch.from_numpy(np.exp(np.interp(places, range(len(table)), logs))))

    logs = np.log(table)
    return tabulated


def strictly_descending(sigmas: Tensor) -> Tensor:
    """``sigmas`` [n], each level a little lower than the one before: solvers divide by steps."""
    levels: list[float] = []
    for sigma in sigmas.tolist():
        levels.append(min(sigma, levels[-1] * (1 - _LEAST_STEP)) if levels else sigma)
    return torch.tensor(levels)


def _timesteps(levels: NoiseLevels, spacing: Spacing) -> tuple[float, float]:
    low, high = levels.sigma_to_t(torch.tensor(spacing.ends(levels))).tolist()
    return high, low


def _between_logs(ramp: Tensor, low: float, high: float) -> Tensor:
    return (ramp * (math.log(high) - math.log(low)) + math.log(low)).exp()


def _to_zero(above: Tensor) -> Tensor:
    return torch.cat([above.float(), torch.zeros(1)])


_LEAST_STEP = 1e-5
_LEAST_SIGMA = 1e-5

# Sabour et al. 2024 for SD 1.5, https://research.nvidia.com/labs/toronto-ai/AlignYourSteps
_AYS_11 = (14.615, 6.475, 3.861, 2.697, 1.886, 1.396, 0.963, 0.652, 0.399, 0.152, 0.029)
# Chen et al. 2024, https://arxiv.org/abs/2405.11326, in Forge
_GITS = (14.615, 4.617, 2.507, 1.236, 0.702, 0.402, 0.240, 0.156, 0.104, 0.094, 0.029)
# Forge's finer one
_AYS_32 = (
    *(14.615, 11.23951352, 8.64363081, 6.64729424, 5.57250862, 4.71648546, 3.99196065, 3.5195609),
    *(3.13490466, 2.79228788, 2.48773628, 2.21663865, 1.97508351, 1.7793172, 1.61475335),
    *(1.46540953, 1.314849, 1.16642497, 1.03475547, 0.91573744, 0.80748169, 0.71202362, 0.621739),
    *(0.53065202, 0.4529096, 0.37491455, 0.27461819, 0.2011529, 0.14105873, 0.06682881),
    *(0.03166121, 0.015),
)

SCHEDULE_FUNCTIONS: Registry[ScheduleFunction] = Registry("schedule type")
SCHEDULE_FUNCTIONS.add("Uniform", uniform)
SCHEDULE_FUNCTIONS.add("Karras", karras)
SCHEDULE_FUNCTIONS.add("Exponential", exponential)
SCHEDULE_FUNCTIONS.add("Polyexponential", polyexponential)
SCHEDULE_FUNCTIONS.add("SGM Uniform", sgm_uniform)
SCHEDULE_FUNCTIONS.add("KL Optimal", kl_optimal)
SCHEDULE_FUNCTIONS.add("Align Your Steps", from_table(_AYS_11))
SCHEDULE_FUNCTIONS.add("Simple", simple)
SCHEDULE_FUNCTIONS.add("Normal", normal)
SCHEDULE_FUNCTIONS.add("DDIM", ddim)
SCHEDULE_FUNCTIONS.add("Beta", beta)
SCHEDULE_FUNCTIONS.add("Turbo", turbo)
SCHEDULE_FUNCTIONS.add("Align Your Steps GITS", from_table(_GITS))
SCHEDULE_FUNCTIONS.add("Align Your Steps 11", from_table(_AYS_11))
SCHEDULE_FUNCTIONS.add("Align Your Steps 32", from_table(_AYS_32))
