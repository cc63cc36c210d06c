"""Final latents against two independent implementations: diffusers' schedulers and k-diffusion."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.unit.engine_numerics import kdiffusion
from tests.unit.engine_numerics.toys import LEVELS, SHAPE, UnetDenoiser, draw, prompt, tiny_unet
from webui.core.samplers import SAMPLERS
from webui.engine.noise import NoiseStream
from webui.engine.samplers import SOLVERS, sigmas

SCALE, SEED = 3.0, 5
BETAS = {"beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012}
PREDICTIONS = ["epsilon", "v_prediction"]


def ours(sampler: str, schedule: str, steps: int, prediction: str) -> Tensor:
    model = UnetDenoiser(tiny_unet(), prediction)
    outcome = draw(model, sampler=sampler, schedule=schedule, steps=steps, seed=SEED, scale=SCALE)
    return outcome.latents


def guided(model_out: Callable[[Tensor, Tensor], Tensor], x: Tensor) -> Tensor:
    """Classifier-free guidance on raw model output, as diffusers' pipelines do it."""
    cond = torch.stack([prompt(1).embeddings, prompt(2).embeddings])
    positive, negative = model_out(torch.cat([x, x]), cond).split(1)
    return negative + SCALE * (positive - negative)


def assert_near(found: Tensor, expected: Tensor) -> None:
    assert (found - expected).norm() <= 1e-3 * expected.norm()


def reference_scheduler(sampler: str, prediction: str) -> Any:
    d: Any = importlib.import_module("diffusers.schedulers")
    common: dict[str, Any] = {**BETAS, "prediction_type": prediction}
    if sampler == "DDIM":
        return d.DDIMScheduler(**common, clip_sample=False, set_alpha_to_one=True, steps_offset=1)
    kind = {
        "Euler": d.EulerDiscreteScheduler,
        "Euler a": d.EulerAncestralDiscreteScheduler,
        "Heun": d.HeunDiscreteScheduler,
        "LMS": d.LMSDiscreteScheduler,
        "DPM++ 2M": d.DPMSolverMultistepScheduler,
        "DPM++ 2M SDE": d.DPMSolverMultistepScheduler,
    }[sampler]
    if sampler == "DPM++ 2M SDE":
        common |= {"algorithm_type": "sde-dpmsolver++", "solver_type": "midpoint"}
    return kind(**common)


def give_levels(scheduler: Any, sampler: str, levels: Tensor) -> None:
    """Make a diffusers scheduler visit these noise levels (DDIM's are its own)."""
    scheduler.set_timesteps(len(levels) - 1)
    if sampler == "DDIM":
        own = LEVELS.sigma_to_t(levels[:-1]).round().long()
        assert torch.equal(scheduler.timesteps, own)
        return
    timesteps = LEVELS.sigma_to_t(levels[:-1])
    if sampler == "Heun":  # it counts every evaluation
        levels = torch.cat([levels[:1], levels[1:-1].repeat_interleave(2), levels[-1:]])
        timesteps = torch.cat([timesteps[:1], timesteps[1:].repeat_interleave(2)])
    scheduler.sigmas, scheduler.timesteps = levels, timesteps
    scheduler.set_begin_index(0)


class SameNoise:
    """Stands in for the generator that diffusers draws an image's noise from."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.stream = NoiseStream(SEED, SHAPE)
        self.first = self.stream()
        import diffusers.schedulers.scheduling_dpmsolver_multistep as sde
        import diffusers.schedulers.scheduling_euler_ancestral_discrete as ancestral

        for module in (sde, ancestral):
            monkeypatch.setattr(module, "randn_tensor", lambda *_, **__: self.stream()[None])


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
@pytest.mark.parametrize("prediction", PREDICTIONS)
@pytest.mark.parametrize(
    ("sampler", "schedule"),
    [
        ("Euler", "Uniform"),
        ("Euler", "Karras"),
        ("Euler a", "Uniform"),
        ("Heun", "Karras"),
        ("LMS", "Uniform"),
        ("DPM++ 2M", "Karras"),
        ("DPM++ 2M", "SGM Uniform"),
        ("DPM++ 2M SDE", "Exponential"),
        ("DDIM", "DDIM"),
    ],
)
@torch.no_grad()
def test_final_latents_are_diffusers(
    sampler: str, schedule: str, prediction: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    noise, steps, unet = SameNoise(monkeypatch), 8, tiny_unet()
    levels = sigmas(schedule, LEVELS, steps, sampler)
    scheduler = reference_scheduler(sampler, prediction)
    give_levels(scheduler, sampler, levels)
    x = noise.first[None]
    if sampler != "DDIM":
        x = x * levels[0] if "DPM" not in sampler else x * levels[0] / (1 + levels[0] ** 2).sqrt()
    for t in scheduler.timesteps:
        scaled = scheduler.scale_model_input(x, t)
        out = guided(lambda xx, cond, t=t: unet(xx, t, cond, return_dict=False)[0], scaled)
        x = scheduler.step(out, t, x, return_dict=False)[0]
    assert_near(ours(sampler, schedule, steps, prediction), x[0])


@torch.no_grad()
def k_diffusion_latents(sampler: str, levels: Tensor, prediction: str) -> Tensor:
    k, unet = kdiffusion.load(), tiny_unet()
    wrapper = {
        "epsilon": k.external.DiscreteEpsDDPMDenoiser,
        "v_prediction": k.external.DiscreteVDDPMDenoiser,
    }[prediction]
    raw = lambda x, t, cond: unet(x, t, cond, return_dict=False)[0]  # noqa: E731
    model = wrapper(raw, 1 / (1 + LEVELS.sigmas**2), quantize=False)
    if prediction == "v_prediction":
        model.get_v = raw

    def denoise(x: Tensor, sigma: Tensor) -> Tensor:
        return guided(lambda xx, cond: model(xx, sigma.expand(2), cond=cond), x)

    function = {
        "Euler": k.sampling.sample_euler,
        "Euler a": k.sampling.sample_euler_ancestral,
        "Heun": k.sampling.sample_heun,
        "LMS": k.sampling.sample_lms,
        "DPM++ 2M": k.sampling.sample_dpmpp_2m,
        "DPM++ 2M SDE": k.sampling.sample_dpmpp_2m_sde,
        "DDIM": k.sampling.sample_euler,  # the same method, in another notation
    }[sampler]
    stream = NoiseStream(SEED, SHAPE)
    x = SOLVERS.get(sampler).initial(stream(), levels)[None]
    extra = {}
    if "noise_sampler" in inspect.signature(function).parameters:
        extra["noise_sampler"] = lambda *_: stream()[None]
    return function(denoise, x, levels, disable=True, **extra)[0]


@pytest.mark.parametrize("prediction", PREDICTIONS)
@pytest.mark.parametrize("sampler", SAMPLERS.names())
def test_final_latents_are_k_diffusions(sampler: str, prediction: str) -> None:
    # k-diffusion's own 2M SDE cannot take a single step
    for schedule, steps in (("Automatic", 10), ("Simple", 2 if "SDE" in sampler else 1)):
        levels = sigmas(schedule, LEVELS, steps, sampler)
        expected = k_diffusion_latents(sampler, levels, prediction)
        assert_near(ours(sampler, schedule, steps, prediction), expected)
