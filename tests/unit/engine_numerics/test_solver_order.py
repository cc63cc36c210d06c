"""Orders of convergence on a problem with a known solution.

For data ~ N(0, s²) the denoiser is D(x, σ) = x·s²/(s² + σ²) and the flow's solution
x(σ) ∝ √(s² + σ²).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.unit.engine_numerics.toys import solve
from webui.engine.samplers.euler import ancestral_step, ddim, euler, euler_ancestral, heun
from webui.engine.samplers.multistep import dpmpp_2m, dpmpp_2m_sde, lms, lms_weights

S = 0.5
TOP, BOTTOM = 10.0, 0.1


def denoiser(x: Tensor, sigma: float) -> Tensor:
    return x * S**2 / (S**2 + sigma**2)


def error(sampler: Callable[..., Any], steps: int) -> float:
    sigmas = torch.linspace(math.log(TOP), math.log(BOTTOM), steps + 1, dtype=torch.float64).exp()
    x = torch.full((1, 1, 1), TOP, dtype=torch.float64)
    exact = TOP * math.sqrt((S**2 + BOTTOM**2) / (S**2 + TOP**2))
    return abs(solve(sampler, denoiser, x, sigmas).item() - exact)


@pytest.mark.parametrize(
    ("sampler", "order"),
    [
        (euler, 1),
        (ddim, 1),
        (partial(euler_ancestral, eta=0.0), 1),
        (heun, 2),
        (dpmpp_2m, 2),
        (partial(dpmpp_2m_sde, eta=0.0), 2),
        (partial(lms, order=1), 1),
        (partial(lms, order=2), 2),
        (lms, 2),  # its very first step is Euler's, whose error of second order remains
    ],
)
def test_order_of_convergence(sampler: Callable[..., Any], order: float) -> None:
    observed = math.log2(error(sampler, 400) / error(sampler, 800))
    assert order - 0.15 < observed < order + 0.75


@pytest.mark.parametrize(
    "sampler", [euler, ddim, euler_ancestral, heun, dpmpp_2m, dpmpp_2m_sde, lms]
)
def test_every_solver_ends_at_the_data(sampler: Callable[..., Any]) -> None:
    """Samples of N(0, s²), drawn from pure noise, have the data's mean and spread."""
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(20_000, generator=generator)
    sigmas = torch.cat([torch.linspace(math.log(50), math.log(0.02), 120).exp(), torch.zeros(1)])
    x = solve(
        sampler,
        denoiser,
        noise * 50,
        sigmas,
        noise=lambda: torch.randn(20_000, generator=generator),
    )
    assert x.mean().item() == pytest.approx(0, abs=0.02)
    assert x.std().item() == pytest.approx(S, rel=0.05)


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_lms_weights_integrate_polynomials_exactly(count: int) -> None:
    known, end = [5.0, 6.5, 9.0, 14.0][:count], 3.0
    weights = lms_weights(known, end)
    for degree in range(count):
        integral = (end ** (degree + 1) - known[0] ** (degree + 1)) / (degree + 1)
        found = sum(w * level**degree for w, level in zip(weights, known, strict=True))
        assert found == pytest.approx(integral)


def test_ancestral_step_keeps_the_variance() -> None:
    down, up = ancestral_step(3.0, 2.0, 1.0)
    assert down**2 + up**2 == pytest.approx(4.0)
    assert ancestral_step(3.0, 2.0, 0.0) == (2.0, 0.0)
    assert ancestral_step(3.0, 0.0, 1.0) == (0.0, 0.0)
