from __future__ import annotations

from typing import Any

import pytest
import torch

from tests.unit.engine_numerics import kdiffusion
from tests.unit.engine_numerics.toys import LEVELS
from webui.core.errors import InvalidRequest
from webui.core.samplers import SAMPLERS, SCHEDULES
from webui.engine.samplers import sigmas

EVERY = SCHEDULES.names()


def given(schedule: str, steps: int) -> torch.Tensor:
    return sigmas(schedule, LEVELS, steps, "Euler")


@pytest.mark.parametrize("schedule", EVERY)
@pytest.mark.parametrize("steps", [1, 2, 3, 7, 20, 30, 149, 150, 999, 1000])
def test_every_schedule_descends_to_zero(schedule: str, steps: int) -> None:
    levels = given(schedule, steps)
    assert levels.shape == (steps + 1,)
    assert levels.dtype == torch.float32
    assert levels.device.type == "cpu"
    assert levels[-1] == 0
    assert (levels.diff() < 0).all() or (schedule == "DDIM" and steps > 999)
    assert levels[0] <= LEVELS.sigma_max * (1 + 1e-6)


@pytest.mark.parametrize("schedule", EVERY)
def test_one_step_starts_at_pure_noise(schedule: str) -> None:
    assert given(schedule, 1)[0].item() == pytest.approx(LEVELS.sigma_max, rel=1e-5)


@pytest.mark.parametrize("steps", [1, 5, 20, 31])
def test_uniform_karras_exponential_are_k_diffusions(steps: int) -> None:
    k = kdiffusion.load()
    alphas = 1 / (1 + LEVELS.sigmas**2)
    wrapper = k.external.DiscreteEpsDDPMDenoiser(None, alphas, quantize=False)
    ends = LEVELS.sigma_min, LEVELS.sigma_max
    near: Any = {"rtol": 1e-5, "atol": 1e-6}
    torch.testing.assert_close(given("Uniform", steps), wrapper.get_sigmas(steps), **near)
    karras = k.sampling.get_sigmas_karras(steps, *ends)
    torch.testing.assert_close(given("Karras", steps), karras, **near)
    exponential = k.sampling.get_sigmas_exponential(steps, *ends)
    torch.testing.assert_close(given("Exponential", steps), exponential, **near)


@pytest.mark.parametrize(
    ("schedule", "timesteps"),
    [
        ("SGM Uniform", [999.0, 749.25, 499.5, 249.75]),
        ("Simple", [999.0, 749.0, 499.0, 249.0]),
        ("DDIM", [751.0, 501.0, 251.0, 1.0]),
        ("Uniform", [999.0, 666.0, 333.0, 0.0]),
    ],
)
def test_timesteps_of_four_steps(schedule: str, timesteps: list[float]) -> None:
    assert LEVELS.sigma_to_t(given(schedule, 4)[:-1]).tolist() == pytest.approx(timesteps, abs=0.01)


def test_ddim_keeps_to_the_asked_steps_where_they_do_not_divide_the_table() -> None:
    timesteps = LEVELS.sigma_to_t(given("DDIM", 150)[:-1])
    assert timesteps[0].item() == pytest.approx(994, abs=0.01)
    assert timesteps[-1].item() == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize("sampler", SAMPLERS.names())
def test_automatic_is_the_samplers_own(sampler: str) -> None:
    own = sigmas(SAMPLERS.get(sampler).schedule, LEVELS, 9, sampler)
    assert torch.equal(sigmas("Automatic", LEVELS, 9, sampler), own)


def test_unknown_schedule_is_named() -> None:
    with pytest.raises(InvalidRequest, match="There is no schedule type 'Karas'"):
        given("Karas", 3)
