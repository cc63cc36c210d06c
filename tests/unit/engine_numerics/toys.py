"""Small models and runs for tests of the engine's numerics."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

import torch
from torch import Tensor

from webui.core.requests import Txt2Img
from webui.engine.denoise import ImageRun, StepLoop
from webui.engine.evaluation import Conditioning, Denoiser, Guide, Guided
from webui.engine.guidance import cfg
from webui.engine.levels import NoiseLevels
from webui.engine.noise import NoiseStream
from webui.engine.samplers.plan import plan_sampling, visited

LEVELS = NoiseLevels.from_config({})
SHAPE = (4, 8, 8)


def spread(sigma: Tensor) -> Tensor:
    """A value per row [B] as [B, 1, 1, 1]."""
    return sigma.view(-1, 1, 1, 1)


@dataclass
class GaussianDenoiser:
    """The exact denoiser of data ~ N(m, s²), m a prompt's mean embedding, s = 0.5.

    Notes each call's rows; more than ``fits`` rows are out of memory; ``broken`` gives NaN.
    """

    weights_key: Hashable = "gaussian"
    fits: int | None = None
    broken: bool = False
    dtype: torch.dtype = torch.float32
    levels: NoiseLevels = LEVELS
    rows: list[int] = field(default_factory=list)
    tried: list[int] = field(default_factory=list)

    def with_levels(self, levels: NoiseLevels) -> GaussianDenoiser:
        return replace(self, levels=levels, weights_key=(levels.key, self.weights_key))

    def __call__(self, x: Tensor, sigma: Tensor, cond: Tensor) -> Tensor:
        assert x.shape[0] == sigma.shape[0] == cond.shape[0]
        self.tried.append(len(x))
        if self.fits is not None and len(x) > self.fits:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB.")
        self.rows.append(len(x))
        if self.broken:
            return x * float("nan")
        mean = spread(cond.mean(dim=(1, 2)))
        return mean + (x - mean) * 0.25 / (0.25 + spread(sigma) ** 2)


@dataclass
class MixtureDenoiser:
    """The exact denoiser of data ±1 around a prompt's mean embedding, s = 0.3: not linear in x."""

    weights_key: Hashable = "mixture"
    dtype: torch.dtype = torch.float32
    levels: NoiseLevels = LEVELS

    def with_levels(self, levels: NoiseLevels) -> MixtureDenoiser:
        return replace(self, levels=levels, weights_key=(levels.key, self.weights_key))

    def __call__(self, x: Tensor, sigma: Tensor, cond: Tensor) -> Tensor:
        mean, variance = spread(cond.mean(dim=(1, 2))), spread(sigma) ** 2
        y, whole = x - mean, 0.09 + variance
        return mean + (0.09 * y + variance * (y / whole).tanh()) / whole


@dataclass
class UnetDenoiser:
    """A tiny diffusers UNet as ε or v model."""

    unet: Any
    prediction: str
    weights_key: Hashable = "unet"
    dtype: torch.dtype = torch.float32
    levels: NoiseLevels = LEVELS

    def with_levels(self, levels: NoiseLevels) -> UnetDenoiser:
        return replace(self, levels=levels, weights_key=(levels.key, self.weights_key))

    def __call__(self, x: Tensor, sigma: Tensor, cond: Tensor) -> Tensor:
        s, t = spread(sigma), self.levels.sigma_to_t(sigma)
        out = self.unet(x / (1 + s**2).sqrt(), t, cond, return_dict=False)[0]
        if self.prediction == "epsilon":
            return x - s * out
        return x / (1 + s**2) - s / (1 + s**2).sqrt() * out


@cache
def tiny_unet() -> Any:
    """A UNet of 30 thousand random weights: 4 latent channels, conditioning [T, 8]."""
    from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel

    torch.manual_seed(0)
    unet = UNet2DConditionModel(
        sample_size=8,
        block_out_channels=(8, 16),
        layers_per_block=1,
        cross_attention_dim=8,
        attention_head_dim=2,
        norm_num_groups=4,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
    )
    return unet.eval().requires_grad_(requires_grad=False)


def sigmas(schedule: str, levels: NoiseLevels, steps: int, sampler: str = "Euler") -> Tensor:
    """The noise levels that a sampler visits under a schedule."""
    return visited(Txt2Img(sampler=sampler, scheduler=schedule, steps=steps), levels)


def prompt(seed: int, tokens: int = 5) -> Conditioning:
    """A made-up encoded prompt [tokens, 8]."""
    generator = torch.Generator().manual_seed(seed)
    return Conditioning(torch.randn(tokens, 8, generator=generator))


@dataclass
class Outcome:
    """What a run told."""

    x: Tensor | None = None
    error: Exception | None = None
    progress: list[tuple[int, int]] = field(default_factory=list)
    previews: list[Tensor] = field(default_factory=list)

    def note(self, step: int, steps: int, denoised: Tensor) -> None:
        self.progress.append((step, steps))
        self.previews.append(denoised)

    @property
    def latents(self) -> Tensor:
        assert self.error is None, self.error
        assert self.x is not None
        return self.x


def image_run(
    model: Denoiser,
    outcome: Outcome,
    *,
    job: str = "job",
    index: int = 0,
    sampler: str = "Euler",
    schedule: str = "Automatic",
    steps: int = 10,
    seed: int = 1,
    scale: float = 5.0,
    positive: Any = None,
    negative: Any = None,
    shape: tuple[int, int, int] = SHAPE,
    guide: Guide | None = None,
    options: dict[str, Any] | None = None,
    **callbacks: Any,
) -> ImageRun:
    """One image as the txt2img pipeline makes it; ``options`` are the request's other fields."""
    noise = NoiseStream(seed, shape)
    request = Txt2Img(sampler=sampler, scheduler=schedule, steps=steps, **(options or {}))
    plan = plan_sampling(request, model.levels)
    told: dict[str, Callable[..., None]] = {
        "on_progress": outcome.note,
        "on_done": lambda x: setattr(outcome, "x", x),
        "on_error": lambda error: setattr(outcome, "error", error),
    }
    return ImageRun(
        job_id=job,
        index=index,
        sampler=plan.run,
        x=plan.initial(noise(), plan.sigmas),
        sigmas=plan.sigmas,
        guide=guide or cfg(model, positive or prompt(1), negative or prompt(2), scale),
        noise=noise,
        **(told | callbacks),
    )


def draw(model: Denoiser, **options: Any) -> Outcome:
    """One image drawn alone."""
    outcome = Outcome()
    loop = StepLoop()
    loop.add(image_run(model, outcome, **options))
    finish(loop)
    return outcome


def finish(loop: StepLoop, most: int = 2000) -> int:
    """Tick until nothing is left; returns how many ticks."""
    for count in itertools.count():
        assert count < most, "the loop does not come to an end"
        if not loop.tick():
            assert loop.idle
            return count
    raise AssertionError


def solve(
    sampler: Callable[..., Any],
    denoiser: Callable[[Tensor, float], Tensor],
    x: Tensor,
    sigmas: Tensor,
    noise: Callable[[], Tensor] | None = None,
) -> Tensor:
    """A sampler run by hand with ``denoiser(x, sigma)``, without a loop."""

    def guide(x: Tensor, sigma: float) -> Any:
        yield []
        denoised = denoiser(x, sigma)
        return Guided(denoised, denoised)

    generator = sampler(x, sigmas, guide, noise or (lambda: torch.randn_like(x)))
    while True:
        try:
            next(generator)
        except StopIteration as end:
            return end.value
