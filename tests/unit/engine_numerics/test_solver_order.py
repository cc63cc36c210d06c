"""Orders of convergence on a problem with a known solution, and what each solver ends with."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import Any

import pytest
import scipy.integrate
import torch
from torch import Tensor

from tests.unit.engine_numerics.known_flow import EXACT, ORDERS, S, denoiser, error, order, still
from tests.unit.engine_numerics.toys import LEVELS, GaussianDenoiser, draw, prompt, solve
from webui.core.samplers import SAMPLERS
from webui.engine.evaluation import Guided
from webui.engine.samplers import ddpm, dpm, dpmpp, euler, multistep
from webui.engine.samplers.common import ancestral_step
from webui.engine.samplers.consistency import further_down
from webui.engine.samplers.restart import restart, restart_path
from webui.engine.samplers.schedules import karras_levels
from webui.engine.samplers.solvers import SOLVERS


@pytest.mark.parametrize("name", ORDERS)
def test_order_of_convergence(name: str) -> None:
    sampler, expected = ORDERS[name]
    assert expected - 0.15 < order(sampler) < expected + 0.9


def test_dpm_fast_is_of_second_order_on_the_whole() -> None:
    """Its last strides are of lower order, however many there are."""
    fast = still(dpm.dpm_fast)
    assert math.log2(error(fast, 30) / error(fast, 240)) / 3 > 1.7


def test_the_third_order_of_dpm_solver() -> None:
    """A single stride of DPM-Solver-3: halved, its error is a sixteenth."""

    def stride(h: float) -> float:
        t, x = -math.log(2.0), torch.full((1, 1, 1), 2.0, dtype=torch.float64)
        run = partial(lambda x, _sigmas, guide, _noise: dpm._third(x, t, h, guide))
        found = solve(run, denoiser, x, torch.empty(0)).item()
        end = 2 * math.exp(-h)
        return abs(found - 2 * math.sqrt((S**2 + end**2) / (S**2 + 4)))

    assert math.log2(stride(0.1) / stride(0.05)) == pytest.approx(4, abs=0.3)


def test_the_adaptive_solver_keeps_its_tolerance() -> None:
    for steps in (1, 9, 50):
        assert error(still(dpm.dpm_adaptive), steps) < 0.05 * EXACT


def test_the_adaptive_solver_ends_on_invalid_numbers() -> None:
    sigmas, x = torch.tensor([10.0, 0.1]), torch.ones(1, 1, 1)
    found = solve(dpm.dpm_adaptive, lambda x, _: x * math.nan, x, sigmas)
    assert not found.isfinite().any()


FAITHFUL = [name for name in SAMPLERS.names() if name not in {"LCM", "TCD", "DPM adaptive"}]


@pytest.mark.parametrize("name", FAITHFUL)
def test_every_solver_ends_at_the_data(name: str) -> None:
    """Samples of N(0, s²), drawn from pure noise, have the data's mean and spread.

    Consistency samplers do not: they take each estimate of the mean for data.
    """
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(20_000, generator=generator)
    sigmas = torch.linspace(math.log(50), math.log(0.02), 120).exp()
    if not SOLVERS.get(name).always:
        sigmas = torch.cat([sigmas, torch.zeros(1)])
    x = solve(
        SOLVERS.get(name).run,
        denoiser,
        noise * 50,
        sigmas,
        noise=lambda: torch.randn(20_000, generator=generator),
    )
    assert x.mean().item() == pytest.approx(0, abs=0.02)
    assert x.std().item() == pytest.approx(S, rel=0.05)


@pytest.mark.parametrize("sampler", SAMPLERS.names())
@pytest.mark.parametrize("steps", [1, 20, 36])
def test_progress_only_goes_on(sampler: str, steps: int) -> None:
    options = {"s_churn": 30.0}
    outcome = draw(GaussianDenoiser(), sampler=sampler, steps=steps, options=options)
    told = [step for step, _ in outcome.progress]
    assert told == sorted(set(told))
    assert outcome.progress[-1] == (steps, steps)


@pytest.mark.parametrize("sampler", [s for s in SAMPLERS.names() if s != "DPM adaptive"])
def test_evaluations_of_a_step_are_as_declared(sampler: str) -> None:
    """Of as many steps: the last has one only, DPM fast and PLMS count otherwise."""
    model, steps = GaussianDenoiser(), 20
    draw(model, sampler=sampler, steps=steps, scale=1.0)
    declared = SAMPLERS.get(sampler).evaluations
    less = {2: 1, 3: 3}.get(declared, 0)
    assert len(model.rows) == declared * steps - less + (sampler == "PLMS")


def test_fast_orders_use_up_the_evaluations() -> None:
    assert [dpm.fast_orders(n) for n in range(1, 8)] == [
        [1],
        [2],
        [2, 1],
        [3, 1],
        [3, 2],
        [3, 2, 1],
        [3, 3, 1],
    ]


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_extrapolation_integrates_polynomials_exactly(count: int) -> None:
    known, end = [5.0, 6.5, 9.0, 14.0][:count], 3.0
    weights = multistep.extrapolation(known, end)
    for degree in range(count):
        integral = (end ** (degree + 1) - known[0] ** (degree + 1)) / (degree + 1)
        found = sum(w * level**degree for w, level in zip(weights, known, strict=True))
        assert found == pytest.approx(integral)


def test_even_steps_weights_are_adams_and_bashforths() -> None:
    for count, expected in enumerate(multistep.EVEN_STEPS, 1):
        known = [10.0 + i for i in range(count)]
        assert multistep.extrapolation(known, 9.0) == pytest.approx([-w for w in expected])


def test_deis_extrapolates_in_the_time_of_a_vp_diffusion() -> None:
    assert multistep.vp_time(80.0) == pytest.approx(1)
    assert multistep.vp_time(0.002) == pytest.approx(0.001)
    known, end = [5.0, 7.0, 11.0], 3.5
    times = [multistep.vp_time(level) for level in known]
    for j, weight in enumerate(multistep.extrapolation(known, end, multistep.vp_time)):
        others = [t for i, t in enumerate(times) if i != j]

        def basis(sigma: float, j: int = j, others: list[float] = others) -> float:
            at = multistep.vp_time(sigma)
            return math.prod((at - t) / (times[j] - t) for t in others)

        integral, _ = scipy.integrate.quad(basis, known[0], end)
        assert weight == pytest.approx(integral, rel=1e-6)


def test_heunpp2_weighs_slopes_by_their_levels() -> None:
    """Written out for three steps, as Forge's formula reads."""
    levels = [6.0, 3.0, 1.0, 0.0]
    x = torch.tensor([[[5.0]]])
    found = solve(euler.heunpp2, denoiser, x, torch.tensor(levels))

    def slope(x: Tensor, sigma: float) -> Tensor:
        return (x - denoiser(x, sigma)) / sigma

    d1 = slope(x, 6.0)
    x2 = x - 3 * d1
    d2 = slope(x2, 3.0)
    d3 = slope(x2 - 2 * d2, 1.0)
    w2, w3 = 3 / 18, 1 / 18
    x = x - 3 * (d1 * (1 - w2 - w3) + d2 * w2 + d3 * w3)
    d1 = slope(x, 3.0)
    d2 = slope(x - 2 * d1, 1.0)
    x = x - 2 * (d1 * (1 - 1 / 12) + d2 / 12)
    torch.testing.assert_close(found, x - slope(x, 1.0))


def test_restart_below_twenty_steps_is_heun() -> None:
    sigmas = torch.tensor([*karras_levels(0.03, 14.6, 12), 0.0])
    x = torch.ones(1, 1, 1) * 14
    found = solve(restart, denoiser, x, sigmas)
    torch.testing.assert_close(found, solve(euler.heun, denoiser, x, sigmas))


@pytest.mark.parametrize(("steps", "ways_back", "again"), [(20, 1, 9), (36, 2, 9), (50, 2, 12)])
def test_restart_goes_back_up_as_in_a1111(steps: int, ways_back: int, again: int) -> None:
    path = restart_path([*karras_levels(0.0292, 14.61, steps), 0.0])
    assert len(path) == steps
    assert (path[0][0], path[-1][1]) == (pytest.approx(14.61), 0)
    ups = [i for i, (one, other) in enumerate(pairwise(path), 1) if other[0] > one[1]]
    assert len(ups) == ways_back
    for start in ups:
        assert path[start][0] == pytest.approx(2, rel=0.5)
        assert path[start + again - 1][1] == pytest.approx(0.1, rel=0.6)


def test_restart_adds_the_noise_of_its_way_up() -> None:
    sigmas, drawn = torch.tensor([*karras_levels(0.03, 14.6, 40), 0.0]), []

    def noise() -> Tensor:
        drawn.append(1)
        return torch.ones(1, 1, 1)

    solve(restart, denoiser, torch.ones(1, 1, 1), sigmas, noise)
    assert len(drawn) == 2


def guided_ddim(scale: float, away: float) -> Callable[..., Any]:
    """A guide with a constant negative result, ``scale`` times as far from it as the positive."""

    def guide(x: Tensor, _sigma: float) -> Any:
        yield []
        cond, uncond = torch.full_like(x, away + 1), torch.full_like(x, away)
        return Guided(uncond + scale * (cond - uncond), cond, uncond)

    return guide


def test_cfgpp_noises_again_with_the_negative_prompts_noise() -> None:
    """x' = x̂₀ + σ'·(x − D_uncond) / σ with x̂₀ guided by scale / 12.5."""
    x, (sigma, down) = torch.full((1, 1, 1), 9.0), (4.0, 1.0)
    run = ddpm.ddim_cfgpp(x, torch.tensor([sigma, down]), guided_ddim(7.0, 2.0), lambda: x)
    next(run)
    with pytest.raises(StopIteration) as end:
        next(run)
    expected = (2 + 7 / 12.5) + down * (9 - 2) / sigma
    assert end.value.value.item() == pytest.approx(expected)


def test_cfgpp_without_a_negative_prompt_is_ddim() -> None:
    same = {"steps": 9, "scale": 1.0, "positive": prompt(3)}
    found = draw(GaussianDenoiser(), sampler="DDIM CFG++", **same).latents
    expected = draw(GaussianDenoiser(), sampler="DDIM", **same).latents
    torch.testing.assert_close(found, expected)


def test_ddpm_is_ddim_with_all_its_noise() -> None:
    sigmas, x = torch.tensor([10.0, 4.0, 1.0, 0.0]), torch.ones(1, 4, 4) * 9
    draws = [torch.randn(1, 4, 4, generator=torch.Generator().manual_seed(i)) for i in range(2)]
    ends = [
        solve(sampler, denoiser, x, sigmas, iter(draws).__next__)
        for sampler in (ddpm.ddpm, partial(ddpm.ddim, eta=1.0), euler.euler_ancestral)
    ]
    torch.testing.assert_close(ends[0], ends[1])
    torch.testing.assert_close(ends[0], ends[2])


def test_ancestral_step_keeps_the_variance() -> None:
    down, up = ancestral_step(3.0, 2.0, 1.0)
    assert down**2 + up**2 == pytest.approx(4.0)
    assert ancestral_step(3.0, 2.0, 0.0) == (2.0, 0.0)
    assert ancestral_step(3.0, 0.0, 1.0) == (0.0, 0.0)


def test_tcd_goes_further_down_by_timesteps() -> None:
    at_800 = LEVELS.sigmas[800].item()
    assert further_down(LEVELS, at_800, 0.25) == pytest.approx(LEVELS.sigmas[600].item())
    assert further_down(LEVELS, at_800, 0.0) == at_800
    assert further_down(LEVELS, 0.0, 0.3) == 0


def test_sde_noise_of_a_whole_step_passes_through_the_half_step() -> None:
    """Of the two halves' draws, weighed by their lengths, so that its variance is 1."""
    levels, drawn = [4.0, 1.0], [torch.tensor([[[1.0]]]), torch.tensor([[[0.0]]])]
    noise = iter(drawn).__next__
    x = torch.zeros(1, 1, 1)
    found = solve(dpmpp.dpmpp_sde, lambda x, _: x * 0, x, torch.tensor(levels), noise)
    _, up = ancestral_step(4.0, 1.0, 1.0)
    assert found.item() == pytest.approx(up * math.sqrt((4 - 2) / (4 - 1)))
