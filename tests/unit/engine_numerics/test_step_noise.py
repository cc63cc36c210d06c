"""Noise that steps add, and noise schedules: what an image's run is made of."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from tests.unit.engine_numerics.toys import (
    LEVELS,
    SHAPE,
    GaussianDenoiser,
    UnetDenoiser,
    finish,
    prompt,
    tiny_unet,
)
from webui.core.requests import Txt2Img
from webui.core.seeds import MAX_SEED
from webui.engine.brownian import BrownianNoise
from webui.engine.denoise import ImageRun, StepLoop
from webui.engine.evaluation import Denoiser, Prompts
from webui.engine.levels import NoiseLevels
from webui.engine.noise import NoiseStream
from webui.engine.pipelines.stages import Watch, image_run
from webui.engine.samplers.solvers import SOLVERS

PROMPTS = Prompts(((prompt(1), 1.0),), prompt(2))


def run(model: Denoiser | None = None, index: int = 0, **fields: Any) -> tuple[ImageRun, list[Any]]:
    """An image's run as the pipeline makes it, and where its latents will be put."""
    given: dict[str, Any] = {"seed": 7, "steps": 6} | fields
    request = Txt2Img(**given)
    ended: list[Any] = []
    watch = Watch(lambda *_: None, ended.append, ended.append)
    model = model or GaussianDenoiser()
    device = torch.device("cpu")
    return image_run(request, index, "job", model, PROMPTS, SHAPE, device, watch), ended


def latents(model: Denoiser | None = None, **fields: Any) -> torch.Tensor:
    one, ended = run(model, **fields)
    loop = StepLoop()
    loop.add(one)
    finish(loop)
    return ended[0]


def test_eta_noise_seed_delta_moves_the_steps_noise_only() -> None:
    plain, _ = run(sampler="Euler a")
    moved, _ = run(sampler="Euler a", ensd=31337)
    assert torch.equal(moved.x, plain.x)
    of_seed = NoiseStream(7 + 31337, SHAPE)
    for _ in range(2):
        assert torch.equal(moved.noise(), of_seed())
    own = NoiseStream(7, SHAPE)
    own()
    assert torch.equal(plain.noise(), own())


def test_eta_noise_seed_delta_reaches_beyond_the_last_seed() -> None:
    assert latents(seed=MAX_SEED, sampler="Euler a", ensd=2**31 - 1).isfinite().all()


def test_each_image_of_a_batch_has_its_own_delta() -> None:
    moved, _ = run(sampler="Euler a", ensd=100, index=2, batch_size=3)
    assert torch.equal(moved.noise(), NoiseStream(7 + 2 + 100, SHAPE)())


@pytest.mark.parametrize("source", ["NV", "CPU"])
@pytest.mark.parametrize("sampler", ["DPM++ SDE", "DPM++ 2M SDE", "DPM++ 3M SDE"])
def test_sde_samplers_draw_from_the_seeds_brownian_path(sampler: str, source: str) -> None:
    one, _ = run(sampler=sampler, noise_source=source, ensd=31337)
    levels = SOLVERS.get(sampler).points(one.sigmas)
    path = BrownianNoise(7, levels, lambda seed: NoiseStream(seed, SHAPE, source)())
    assert torch.equal(one.noise(), path())
    assert torch.equal(one.noise(), path())


@pytest.mark.parametrize("steps", [1, 2])
@pytest.mark.parametrize("sampler", ["DPM++ SDE", "DPM++ 2M SDE", "DPM++ 3M SDE"])
def test_a_path_of_few_points_is_enough(sampler: str, steps: int) -> None:
    for scheduler in ("Automatic", "KL Optimal"):
        assert latents(sampler=sampler, steps=steps, scheduler=scheduler).isfinite().all()


@pytest.mark.parametrize("sampler", ["DPM++ SDE", "DPM++ 2M SDE"])
def test_sde_samplers_draw_much_the_same_picture_with_more_steps(sampler: str) -> None:
    """What a Brownian path is for: its noise does not depend on where it is read."""
    few, more = latents(sampler=sampler, steps=20), latents(sampler=sampler, steps=40)
    other = latents(sampler=sampler, steps=40, seed=8)
    assert (few - more).norm() < 0.5 * (other - more).norm()


def test_zero_terminal_snr_starts_from_pure_noise() -> None:
    one, _ = run(sampler="Euler", scheduler="Uniform", noise_schedule="Zero Terminal SNR")
    assert one.sigmas[0].item() == pytest.approx(4518.7, abs=0.2)
    plain, _ = run(sampler="Euler", scheduler="Uniform")
    torch.testing.assert_close(one.sigmas[-2], plain.sigmas[-2])


def test_zero_terminal_snr_is_diffusers_rescaling() -> None:
    from diffusers.schedulers.scheduling_ddim import rescale_zero_terminal_snr

    betas = torch.linspace(0.00085**0.5, 0.012**0.5, 1000, dtype=torch.float64) ** 2
    alphas = (1 - rescale_zero_terminal_snr(betas)).cumprod(0)
    expected = ((1 - alphas) / alphas).sqrt()
    found = LEVELS.with_zero_snr().sigmas.double()
    torch.testing.assert_close(found[:-1], expected[:-1], rtol=1e-3, atol=1e-4)


def test_the_model_finds_its_timesteps_in_the_levels_asked_for() -> None:
    """A velocity model under Zero Terminal SNR is the same as one trained with those levels."""
    levels = LEVELS.with_zero_snr()
    asked: Any = {"sampler": "Euler", "scheduler": "SGM Uniform"}
    trained = UnetDenoiser(tiny_unet(), "v_prediction", levels=levels)
    found = latents(
        UnetDenoiser(tiny_unet(), "v_prediction"), noise_schedule="Zero Terminal SNR", **asked
    )
    torch.testing.assert_close(found, latents(trained, **asked))
    plain = latents(UnetDenoiser(tiny_unet(), "v_prediction"), **asked)
    assert (found - plain).norm() > 0.01 * plain.norm()


def test_levels_of_their_own_keep_images_out_of_one_batch() -> None:
    model = GaussianDenoiser()
    rows: list[int] = []
    loop = StepLoop("shared", on_forward=lambda count, _: rows.append(count))
    for schedule in ("Default", "Zero Terminal SNR"):
        loop.add(run(model, sampler="Euler", noise_schedule=schedule)[0])
    finish(loop)
    assert rows == [2] * 12


def test_a_tables_key_tells_its_levels() -> None:
    again = NoiseLevels.from_config({})
    assert LEVELS.key == again.key
    assert LEVELS.key != LEVELS.with_zero_snr().key
    assert LEVELS.with_zero_snr().key == again.with_zero_snr().key
