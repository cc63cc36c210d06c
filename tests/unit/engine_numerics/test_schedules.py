from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import scipy.stats
import torch

from tests.unit.engine_numerics import kdiffusion
from tests.unit.engine_numerics.toys import LEVELS, sigmas
from webui.core.errors import InvalidRequest
from webui.core.requests import Txt2Img
from webui.core.samplers import SAMPLERS, SCHEDULES
from webui.engine.samplers.beta import beta_quantile
from webui.engine.samplers.plan import plan_sampling, visited
from webui.engine.samplers.schedules import strictly_descending
from webui.engine.samplers.solvers import SOLVERS

EVERY = SCHEDULES.names()
AYS = [name for name in EVERY if name.startswith("Align")]
TO_THE_BOTTOM = {"KL Optimal"}
"""These end at the least level, not at 0."""


def given(schedule: str, steps: int, sampler: str = "Euler", **fields: Any) -> torch.Tensor:
    """What a sampler visits under a schedule and a request's other fields."""
    request = Txt2Img(sampler=sampler, scheduler=schedule, steps=steps, **fields)
    return visited(request, LEVELS)


@pytest.mark.parametrize("schedule", EVERY)
@pytest.mark.parametrize("steps", [1, 2, 3, 7, 20, 30, 149, 150])
def test_every_schedule_descends_to_zero(schedule: str, steps: int) -> None:
    levels = given(schedule, steps)
    assert levels.shape == (steps + 1,)
    assert levels.dtype == torch.float32
    assert levels.device.type == "cpu"
    least = LEVELS.sigma_min if schedule in TO_THE_BOTTOM else 0
    assert levels[-1].item() == pytest.approx(least, rel=1e-5)
    assert (levels.diff() < 0).all()
    assert levels[0] <= LEVELS.sigma_max * (1 + 1e-4)


@pytest.mark.parametrize("sampler", SAMPLERS.names())
@pytest.mark.parametrize("steps", [1, 2, 20, 150])
def test_every_sampler_has_levels_of_its_own_accord(sampler: str, steps: int) -> None:
    levels = given("Automatic", steps, sampler)
    assert levels.shape == (steps + 1,)
    assert (levels.diff() < 0).all()
    assert levels[-1] >= 0


@pytest.mark.parametrize("schedule", EVERY)
def test_one_step_starts_at_pure_noise(schedule: str) -> None:
    assert given(schedule, 1)[0].item() == pytest.approx(LEVELS.sigma_max, rel=1e-4)


@pytest.mark.parametrize("steps", [1, 5, 20, 31])
def test_uniform_karras_exponential_are_k_diffusions(steps: int) -> None:
    k = kdiffusion.load()
    alphas = 1 / (1 + LEVELS.sigmas**2)
    wrapper = k.external.DiscreteEpsDDPMDenoiser(None, alphas, quantize=False)
    near: Any = {"rtol": 1e-5, "atol": 1e-6}
    torch.testing.assert_close(given("Uniform", steps), wrapper.get_sigmas(steps), **near)
    every: list[dict[str, Any]] = [{}, {"sigma_min": 0.1, "sigma_max": 10.0}]
    for ends in every:
        low, high = ends.get("sigma_min", LEVELS.sigma_min), ends.get("sigma_max", LEVELS.sigma_max)
        for name, rho in (("karras", 7.0), ("karras", 3.0), ("polyexponential", 2.0)):
            expected = getattr(k.sampling, f"get_sigmas_{name}")(steps, low, high, rho=rho)
            torch.testing.assert_close(given(name, steps, rho=rho, **ends), expected, **near)
        expected = k.sampling.get_sigmas_exponential(steps, low, high)
        torch.testing.assert_close(given("Exponential", steps, **ends), expected, **near)
        torch.testing.assert_close(given("Polyexponential", steps, **ends), expected, **near)


@pytest.mark.parametrize(
    ("schedule", "timesteps"),
    [
        ("SGM Uniform", [999.0, 749.25, 499.5, 249.75]),
        ("Simple", [999.0, 749.0, 499.0, 249.0]),
        ("DDIM", [751.0, 501.0, 251.0, 1.0]),
        ("Uniform", [999.0, 666.0, 333.0, 0.0]),
        ("Normal", [999.0, 666.0, 333.0, 0.0]),
        ("Turbo", [999.0, 749.0, 499.0, 249.0]),
    ],
)
def test_timesteps_of_four_steps(schedule: str, timesteps: list[float]) -> None:
    assert LEVELS.sigma_to_t(given(schedule, 4)[:-1]).tolist() == pytest.approx(timesteps, abs=0.01)


def test_ddim_keeps_to_the_asked_steps_where_they_do_not_divide_the_table() -> None:
    timesteps = LEVELS.sigma_to_t(given("DDIM", 150)[:-1])
    assert timesteps[0].item() == pytest.approx(994, abs=0.01)
    assert timesteps[-1].item() == pytest.approx(1, abs=0.01)


def test_normal_heeds_the_ends_and_uniform_does_not() -> None:
    ends: Any = {"sigma_min": 0.5, "sigma_max": 8.0}
    heeding = given("Normal", 6, **ends)
    assert [heeding[0].item(), heeding[-2].item()] == pytest.approx([8, 0.5], rel=1e-4)
    assert torch.equal(given("Uniform", 6, **ends), given("Uniform", 6))


def test_kl_optimal_is_even_in_the_arc_tangent() -> None:
    angles = given("KL Optimal", 9).atan()
    torch.testing.assert_close(angles.diff(), angles.diff().mean().expand(9), rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize(("a", "b"), [(0.6, 0.6), (0.05, 10.0), (10.0, 0.05), (2.0, 5.0), (1, 1)])
def test_beta_quantiles_are_scipys(a: float, b: float) -> None:
    shares = np.linspace(0, 1, 21)
    found = beta_quantile(shares, a, b)
    expected = scipy.stats.beta.ppf(shares, a, b)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-9)


def test_beta_spaces_levels_by_quantiles() -> None:
    levels = given("Beta", 7, beta_alpha=0.8, beta_beta=1.5)
    shares = scipy.stats.beta.ppf(np.linspace(1, 0, 7), 0.8, 1.5)
    expected = LEVELS.sigma_min + shares * (LEVELS.sigma_max - LEVELS.sigma_min)
    np.testing.assert_allclose(levels[:-1], expected, rtol=1e-4)


@pytest.mark.parametrize("schedule", AYS)
def test_align_your_steps_is_nvidias_table_where_it_fits(schedule: str) -> None:
    steps = 32 if schedule.endswith("32") else 11
    whole, finer = given(schedule, steps), given(schedule, 2 * steps - 1)
    assert whole[0].item() == pytest.approx(14.615)
    torch.testing.assert_close(finer[:-1:2], whole[:-1])
    middle = (whole[3] * whole[4]).sqrt()
    torch.testing.assert_close(finer[7], middle)


def test_align_your_steps_is_diffusers_but_for_its_last_level() -> None:
    from diffusers.schedulers.scheduling_utils import AysSchedules

    expected = AysSchedules["StableDiffusionSigmas"][:10]
    assert given("Align Your Steps", 11)[:10].tolist() == pytest.approx(expected)


@pytest.mark.parametrize("schedule", ["Karras", "Uniform", "KL Optimal"])
def test_the_level_before_the_last_can_be_left_out(schedule: str) -> None:
    whole, without = given(schedule, 9), given(schedule, 8, discard_penultimate=True)
    torch.testing.assert_close(without, torch.cat([whole[:-2], whole[-1:]]))


@pytest.mark.parametrize("sampler", ["DPM2", "DPM2 a", "DPM++ 3M SDE"])
def test_some_samplers_always_leave_it_out(sampler: str) -> None:
    own = SAMPLERS.get(sampler).schedule
    expected = given(own, 8, discard_penultimate=True)
    for asked in (False, True):
        found = given("Automatic", 8, sampler, discard_penultimate=asked)
        assert torch.equal(found, expected)


@pytest.mark.parametrize("schedule", ["Karras", "Beta", "DPM adaptive"])
def test_ends_that_leave_no_room_are_a_sentence(schedule: str) -> None:
    fields: Any = {"scheduler": schedule} if schedule in SCHEDULES else {"sampler": schedule}
    request = Txt2Img(**fields, sigma_min=20.0)
    with pytest.raises(
        InvalidRequest, match=r"min sigma is 20 and its max sigma 14\.6146"
    ) as error:
        visited(request, LEVELS)
    assert error.value.field == "sigma_min"


def test_no_two_levels_are_the_same() -> None:
    extreme = given("Beta", 150, beta_alpha=0.05, beta_beta=0.05)
    assert (extreme.diff() < 0).all()
    assert strictly_descending(torch.tensor([2.0, 2.0, 1.0, 0.0])).tolist() == pytest.approx(
        [2, 2, 1, 0], abs=1e-4
    )


@pytest.mark.parametrize("sampler", SAMPLERS.names())
def test_automatic_is_the_samplers_own(sampler: str) -> None:
    solver = SOLVERS.get(sampler)
    named = given(SAMPLERS.get(sampler).schedule, 9, sampler)
    own = given("Automatic", 9, sampler)
    assert torch.equal(own, named) == (solver.automatic is None or solver.always)


@pytest.mark.parametrize(
    ("skip", "timesteps"),
    [
        ("time_uniform", [999, 749.25, 499.5, 249.75, 0]),
        ("time_quadratic", [999, 573.42, 265.06, 73.92, 0]),
    ],
)
def test_unipc_spaces_time(skip: str, timesteps: list[float]) -> None:
    found = LEVELS.sigma_to_t(given("Automatic", 4, "UniPC", unipc_skip=skip))
    assert found.tolist() == pytest.approx(timesteps, abs=0.05)


def test_unipc_spaces_the_signal_to_noise_ratio() -> None:
    logs = given("Automatic", 6, "UniPC", unipc_skip="logSNR").log()
    torch.testing.assert_close(logs.diff(), logs.diff().mean().expand(6), rtol=1e-3, atol=1e-4)


def test_consistency_models_keep_to_the_timesteps_they_know() -> None:
    lcm = LEVELS.sigma_to_t(given("Automatic", 4, "LCM")[:-1]).round().long()
    assert lcm.tolist() == [999, 679, 339, 19]
    tcd = LEVELS.sigma_to_t(given("Automatic", 4, "TCD")[:-1]).round().long()
    assert tcd.tolist() == [999, 759, 499, 259]


def test_solvers_of_ends_take_those_of_the_request() -> None:
    fields: Any = {"sigma_min": 0.2, "sigma_max": 9.0}
    for schedule in ("Automatic", "Karras"):
        levels = given(schedule, 8, "DPM fast", **fields)
        assert [levels[0].item(), levels[-1].item()] == pytest.approx([9.0, 0.2])


def test_a_schedule_that_is_not_automatic_counts_for_all_others() -> None:
    for sampler in ("UniPC", "LCM", "DDIM", "Euler"):
        assert torch.equal(given("Karras", 8, sampler), given("Karras", 8))


def test_points_of_a_brownian_path_are_the_levels_of_its_steps() -> None:
    request = Txt2Img(sampler="DPM++ 2M SDE", steps=4)
    plan = plan_sampling(request, LEVELS)
    assert plan.brownian_points == plan.sigmas[:-1].tolist()
    halved = plan_sampling(Txt2Img(sampler="DPM++ SDE", steps=3), LEVELS)
    first, second = halved.sigmas[:2].tolist()
    assert halved.brownian_points[1] == pytest.approx(math.sqrt(first * second))
    assert len(halved.brownian_points) == 5
    assert plan_sampling(Txt2Img(sampler="Euler a"), LEVELS).brownian_points == []


def test_unknown_schedule_is_named() -> None:
    with pytest.raises(InvalidRequest, match="There is no schedule type 'Karas'"):
        sigmas("Karas", LEVELS, 3)
