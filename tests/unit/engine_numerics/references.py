"""Independent implementations of the samplers: k-diffusion's functions and diffusers' schedulers.

Each is run on the levels, the noise and the denoiser that ours is run on.
"""

from __future__ import annotations

import importlib
import inspect
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any
from unittest import mock

import torch
from torch import Tensor

from tests.unit.engine_numerics import kdiffusion
from tests.unit.engine_numerics.toys import LEVELS, SHAPE, MixtureDenoiser, draw, prompt
from webui.engine.levels import NoiseLevels
from webui.engine.noise import NoiseStream
from webui.engine.samplers.solvers import SOLVERS

Denoise = Callable[[Tensor, float], Tensor]
Noise = Callable[[], Tensor]

SCALE, SEED = 3.0, 5

K_DIFFUSION = {
    "DPM++ 2M": "dpmpp_2m",
    "DPM++ SDE": "dpmpp_sde",
    "DPM++ 2M SDE": "dpmpp_2m_sde",
    "DPM++ 2M SDE Heun": "dpmpp_2m_sde",
    "DPM++ 2S a": "dpmpp_2s_ancestral",
    "DPM++ 3M SDE": "dpmpp_3m_sde",
    "Euler a": "euler_ancestral",
    "Euler": "euler",
    "LMS": "lms",
    "Heun": "heun",
    "DPM2": "dpm_2",
    "DPM2 a": "dpm_2_ancestral",
    "DPM fast": "dpm_fast",
    "DPM adaptive": "dpm_adaptive",
    "DDPM": "euler_ancestral",
    "DDIM": "euler",
}
"""Which function computes the same; the last two are the same methods in another notation."""

DIFFUSERS: dict[str, tuple[str, dict[str, Any]]] = {
    "Euler": ("EulerDiscreteScheduler", {}),
    "Euler a": ("EulerAncestralDiscreteScheduler", {}),
    "Heun": ("HeunDiscreteScheduler", {}),
    "LMS": ("LMSDiscreteScheduler", {}),
    "DPM++ 2M": ("DPMSolverMultistepScheduler", {}),
    "DPM++ 2M SDE": (
        "DPMSolverMultistepScheduler",
        {"algorithm_type": "sde-dpmsolver++", "solver_type": "midpoint"},
    ),
    "DEIS": ("DEISMultistepScheduler", {"solver_order": 3}),
    "UniPC": ("UniPCMultistepScheduler", {"solver_order": 3, "solver_type": "bh1"}),
    "DDPM": ("DDPMScheduler", {"clip_sample": False, "steps_offset": 1}),
    "DDIM": (
        "DDIMScheduler",
        {"clip_sample": False, "set_alpha_to_one": True, "steps_offset": 1},
    ),
    "PLMS": (
        "PNDMScheduler",
        {"skip_prk_steps": True, "set_alpha_to_one": True, "steps_offset": 1},
    ),
    "LCM": ("LCMScheduler", {"clip_sample": False}),
    "TCD": ("TCDScheduler", {}),
}
"""Scheduler and its configuration."""

_OWN_TIMESTEPS = {"DDPM", "DDIM", "PLMS"}
_VARIANCE_PRESERVING = {*_OWN_TIMESTEPS, "DPM++ 2M", "DPM++ 2M SDE", "DEIS", "UniPC", "LCM", "TCD"}


def k_diffusion(
    sampler: str, denoise: Denoise, x: Tensor, sigmas: Tensor, noise: Noise, **options: Any
) -> Tensor:
    """Final latents [C, h, w] from ``x`` [C, h, w] at ``sigmas[0]``."""
    function = getattr(kdiffusion.load().sampling, f"sample_{K_DIFFUSION[sampler]}")
    known = inspect.signature(function).parameters
    if sampler in {"DPM fast", "DPM adaptive"}:
        options = {"eta": 1.0} | options
        levels: dict[str, Any] = {"sigma_min": sigmas[-1].item(), "sigma_max": sigmas[0].item()}
        if "n" in known:
            levels["n"] = len(sigmas) - 1
    else:
        levels = {"sigmas": sigmas}
    if "Heun" in sampler and "solver_type" in known:
        options["solver_type"] = "heun"
    if "noise_sampler" in known:
        of_path = brownian(noise) if sampler == "DPM++ SDE" else (lambda *_: noise())
        options["noise_sampler"] = lambda *stretch: of_path(*stretch)[None]

    def model(x: Tensor, sigma: Tensor) -> Tensor:
        return denoise(x[0], sigma.item())[None]

    with mock.patch.object(torch, "randn_like", _drawing(noise)):
        return function(model, x[None], **levels, disable=True, **options)[0]


def _drawing(noise: Noise) -> Callable[..., Tensor]:
    """Stands in for a function of torch that draws [1, C, h, w]."""
    return lambda *_, **__: noise()[None]


def brownian(noise: Noise) -> Callable[[Tensor, Tensor], Tensor]:
    """Increments of a path for stretches from one level to halfway, then to the end, in turn."""
    last: list[tuple[float, Tensor]] = []

    def increment(high: Tensor, low: Tensor) -> Tensor:
        start, end = float(high), float(low)
        if not last:
            last.append((end, noise()))
            return last[0][1]
        middle, first = last.pop()
        way = first * math.sqrt(start - middle) + noise() * math.sqrt(middle - end)
        return way / math.sqrt(start - end)

    return increment


def diffusers(
    sampler: str,
    raw: Callable[[Tensor, Tensor], Tensor],
    prediction: str,
    x: Tensor,
    sigmas: Tensor,
    noise: Noise,
    **options: Any,
) -> Tensor:
    """The same by a scheduler; ``raw(x, t)`` is the network's output for its scaled input."""
    kind, config = DIFFUSERS[sampler]
    module: Any = importlib.import_module("diffusers.schedulers")
    scheduler = getattr(module, kind)(
        beta_schedule="scaled_linear",
        beta_start=0.00085,
        beta_end=0.012,
        prediction_type=prediction,
        **(config | options.pop("config", {})),
    )
    _visit(scheduler, sampler, sigmas)
    preserving = sampler in _VARIANCE_PRESERVING
    x = x[None] / (1 + sigmas[0] ** 2).sqrt() if preserving else x[None]
    with _same_noise(scheduler, noise):
        for t in scheduler.timesteps:
            out = raw(scheduler.scale_model_input(x, t), t)
            x = scheduler.step(out, t, x, return_dict=False, **options)[0]
    return (x * (1 + sigmas[-1] ** 2).sqrt() if preserving else x)[0]


def _visit(scheduler: Any, sampler: str, sigmas: Tensor, levels: NoiseLevels = LEVELS) -> None:
    """Make a scheduler visit these levels, or check that it does by itself."""
    timesteps, steps = levels.sigma_to_t(sigmas[:-1]), len(sigmas) - 1
    if sampler in {"LCM", "TCD"}:
        scheduler.set_timesteps(timesteps=timesteps.round().long().tolist())
        return
    scheduler.set_timesteps(steps)
    if sampler in _OWN_TIMESTEPS:
        own = dict.fromkeys(scheduler.timesteps.tolist())
        assert [*own] == timesteps.round().long().tolist()
        return
    if sampler == "Heun":  # it counts every evaluation
        sigmas = torch.cat([sigmas[:1], sigmas[1:-1].repeat_interleave(2), sigmas[-1:]])
        timesteps = torch.cat([timesteps[:1], timesteps[1:].repeat_interleave(2)])
    scheduler.sigmas, scheduler.timesteps = sigmas, timesteps
    scheduler.set_begin_index(0)


@contextmanager
def _same_noise(scheduler: Any, noise: Noise) -> Iterator[None]:
    """Stands in for the generator that a scheduler draws an image's noise from."""
    module = importlib.import_module(type(scheduler).__module__)
    if not hasattr(module, "randn_tensor"):
        yield
        return
    with mock.patch.object(module, "randn_tensor", _drawing(noise)):
        yield


def ours(sampler: str, schedule: str, steps: int, **options: Any) -> Tensor:
    """Final latents as the step loop draws them; ``options`` are a request's other fields."""
    outcome = draw(
        MixtureDenoiser(),
        sampler=sampler,
        schedule=schedule,
        steps=steps,
        seed=SEED,
        scale=SCALE,
        options=options,
    )
    return outcome.latents


def denoise(x: Tensor, sigma: float) -> Tensor:
    """Denoised latents [C, h, w] with classifier-free guidance."""
    cond = torch.stack([prompt(1).embeddings, prompt(2).embeddings])
    at = torch.tensor([sigma, sigma])
    positive, negative = MixtureDenoiser()(torch.stack([x, x]).float(), at, cond)
    return negative + SCALE * (positive - negative)


def raw(x: Tensor, t: Tensor, prediction: str) -> Tensor:
    """The same as the output of a network for its input ``x`` [1, C, h, w] at a timestep."""
    sigma = LEVELS.t_to_sigma(t).item()
    root = math.sqrt(1 + sigma**2)
    denoised = denoise(x[0] * root, sigma)[None]
    if prediction == "epsilon":
        return (x * root - denoised) / sigma
    return (x / root - denoised) * root / sigma


def start(sampler: str, levels: Tensor) -> tuple[NoiseStream, Tensor]:
    """The noise of the steps, and the latents to start from."""
    stream = NoiseStream(SEED, SHAPE)
    return stream, SOLVERS.get(sampler).initial(stream(), levels)


def of_diffusers(
    sampler: str, levels: Tensor, prediction: str = "epsilon", **options: Any
) -> Tensor:
    """The same by a scheduler of diffusers."""
    stream, x = start(sampler, levels)
    network = partial(raw, prediction=prediction)
    return diffusers(sampler, network, prediction, x, levels, stream, **options)


def of_k_diffusion(sampler: str, levels: Tensor, **options: Any) -> Tensor:
    """The same by k-diffusion."""
    stream, x = start(sampler, levels)
    return k_diffusion(sampler, denoise, x, levels, stream, **options)
