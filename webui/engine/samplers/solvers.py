"""The solvers by the names of ``core.samplers``, and what each takes from a request.

A new sampler is one function in this package, one entry here and its name in ``core.samplers``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from typing import Any

from torch import Tensor

from webui.core.draw_request import DrawRequest
from webui.core.registry import Registry
from webui.engine.evaluation import Sampling
from webui.engine.levels import NoiseLevels
from webui.engine.samplers import ddpm, dpm, dpmpp, euler, multistep, own_levels
from webui.engine.samplers.common import Churn
from webui.engine.samplers.consistency import lcm, tcd
from webui.engine.samplers.restart import restart
from webui.engine.samplers.schedules import Spacing
from webui.engine.samplers.unipc import unipc

Options = Callable[[DrawRequest, NoiseLevels], Mapping[str, Any]]
"""Keyword arguments of a solver that a request sets."""

Ladder = Callable[[DrawRequest, NoiseLevels, int], Tensor]
"""Noise levels [steps + 1] of a solver's own."""


def scaled_noise(noise: Tensor, sigmas: Tensor) -> Tensor:
    """Initial latents σ₀ · noise: what k-diffusion and A1111 start from."""
    return noise * sigmas[0].item()


def unit_variance_noise(noise: Tensor, sigmas: Tensor) -> Tensor:
    """Initial latents √(1 + σ₀²) · noise: pure noise in the variance-preserving view of DDIM."""
    return noise * (1 + sigmas[0].item() ** 2) ** 0.5


def no_points(_sigmas: Tensor) -> list[float]:
    """For samplers whose noise is drawn afresh."""
    return []


def brownian_points(sigmas: Tensor) -> list[float]:
    """The levels above 0 of ``sigmas``: one stretch of the path for each step."""
    return [level for level in sigmas.tolist() if level > 0]


def halved_points(sigmas: Tensor) -> list[float]:
    """The same and those halfway in log σ: two stretches for each step."""
    levels = brownian_points(sigmas)
    points = levels[:1]
    for sigma, sigma_next in pairwise(levels):
        points += [(sigma * sigma_next) ** 0.5, sigma_next]
    return points


@dataclass(frozen=True, slots=True)
class Solver:
    """How a sampler is run.

    ``initial(noise, sigmas)`` makes the latents at ``sigmas[0]`` from standard normal noise
    [C, h, w]; ``run`` takes them to ``sigmas[-1]``, with the keyword arguments of all ``options``.
    ``automatic`` are its levels where the request leaves the schedule to it, if those are no
    schedule's; ``always`` has it visit them whatever the schedule. ``points(sigmas)`` are the
    levels between which its noise is a Brownian path's in A1111, none for noise drawn afresh.
    """

    run: Callable[..., Sampling]
    options: tuple[Options, ...] = ()
    initial: Callable[[Tensor, Tensor], Tensor] = scaled_noise
    automatic: Ladder | None = None
    always: bool = False
    points: Callable[[Tensor], list[float]] = field(default=no_points)


def _eta(request: DrawRequest, _levels: NoiseLevels) -> Mapping[str, Any]:
    return {} if request.eta is None else {"eta": request.eta}


def _s_noise(request: DrawRequest, _levels: NoiseLevels) -> Mapping[str, Any]:
    return {"s_noise": request.s_noise}


def _churn(request: DrawRequest, _levels: NoiseLevels) -> Mapping[str, Any]:
    most = request.s_tmax or float("inf")
    return {"churn": Churn(request.s_churn, request.s_tmin, most, request.s_noise)}


def _unipc(request: DrawRequest, _levels: NoiseLevels) -> Mapping[str, Any]:
    return {
        "variant": request.unipc_variant,
        "order": request.unipc_order,
        "lower_order_final": request.unipc_lower_order_final,
    }


def _table(_request: DrawRequest, levels: NoiseLevels) -> Mapping[str, Any]:
    return {"levels": levels}


def spacing_of(request: DrawRequest) -> Spacing:
    """What the request tells schedules."""
    return Spacing(
        sigma_min=request.sigma_min,
        sigma_max=request.sigma_max,
        rho=request.rho,
        alpha=request.beta_alpha,
        beta=request.beta_beta,
    )


def _unipc_levels(request: DrawRequest, levels: NoiseLevels, steps: int) -> Tensor:
    return own_levels.unipc_levels(levels, steps, request.unipc_skip)


def _lcm_levels(_request: DrawRequest, levels: NoiseLevels, steps: int) -> Tensor:
    return own_levels.lcm_levels(levels, steps)


def _tcd_levels(_request: DrawRequest, levels: NoiseLevels, steps: int) -> Tensor:
    return own_levels.tcd_levels(levels, steps)


def _ends(request: DrawRequest, levels: NoiseLevels, steps: int) -> Tensor:
    """For solvers that only take the ends: what lies between places their progress."""
    low, high = spacing_of(request).ends(levels)
    return own_levels.geometric_levels(low, high, steps)


_ANCESTRAL = (_eta, _s_noise)
_HEUN = partial(dpmpp.dpmpp_2m_sde, heun=True)

SOLVERS: Registry[Solver] = Registry("sampler")
SOLVERS.add("DPM++ 2M", Solver(dpmpp.dpmpp_2m))
SOLVERS.add("DPM++ SDE", Solver(dpmpp.dpmpp_sde, _ANCESTRAL, points=halved_points))
SOLVERS.add("DPM++ 2M SDE", Solver(dpmpp.dpmpp_2m_sde, _ANCESTRAL, points=brownian_points))
SOLVERS.add("DPM++ 2M SDE Heun", Solver(_HEUN, _ANCESTRAL, points=brownian_points))
SOLVERS.add("DPM++ 2S a", Solver(dpmpp.dpmpp_2s_ancestral, _ANCESTRAL))
SOLVERS.add("DPM++ 3M SDE", Solver(dpmpp.dpmpp_3m_sde, _ANCESTRAL, points=brownian_points))
SOLVERS.add("Euler a", Solver(euler.euler_ancestral, _ANCESTRAL))
SOLVERS.add("Euler", Solver(euler.euler, (_churn,)))
SOLVERS.add("LMS", Solver(multistep.lms))
SOLVERS.add("Heun", Solver(euler.heun, (_churn,)))
SOLVERS.add("HeunPP2", Solver(euler.heunpp2, (_churn,)))
SOLVERS.add("DPM2", Solver(dpm.dpm2, (_churn,)))
SOLVERS.add("DPM2 a", Solver(dpm.dpm2_ancestral, _ANCESTRAL))
SOLVERS.add("DPM fast", Solver(dpm.dpm_fast, _ANCESTRAL, automatic=_ends, always=True))
SOLVERS.add("DPM adaptive", Solver(dpm.dpm_adaptive, _ANCESTRAL, automatic=_ends, always=True))
SOLVERS.add("Restart", Solver(restart, (_s_noise,)))
SOLVERS.add("IPNDM", Solver(multistep.ipndm))
SOLVERS.add("IPNDM_V", Solver(multistep.ipndm_v))
SOLVERS.add("DEIS", Solver(multistep.deis))
SOLVERS.add("DDPM", Solver(ddpm.ddpm))
SOLVERS.add("DDIM", Solver(ddpm.ddim, (_eta,), unit_variance_noise))
SOLVERS.add("DDIM CFG++", Solver(ddpm.ddim_cfgpp, (_eta,), unit_variance_noise))
SOLVERS.add("PLMS", Solver(ddpm.plms, (), unit_variance_noise))
SOLVERS.add("UniPC", Solver(unipc, (_unipc,), unit_variance_noise, _unipc_levels))
SOLVERS.add("LCM", Solver(lcm, (), scaled_noise, _lcm_levels))
SOLVERS.add("TCD", Solver(tcd, (_eta, _table), scaled_noise, _tcd_levels))
