"""Second passes, pictures drawn over and masks, through the real worker on tiny checkpoints."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from tests.engine.test_against_diffusers import CPU, Both, embeddings_of, read_folder
from tests.fakes import upscalers
from tests.fakes.drawing import Drawer, pixels_of
from webui.core.messages import JobImage, JobPhase, JobSpec, JobStep, RunJob, StopJob
from webui.core.models import ModelRef
from webui.core.requests import DrawRequest, Img2Img, Txt2Img
from webui.core.second_pass import LATENT_UPSCALERS
from webui.core.sizes import partial_steps
from webui.engine.denoise import StepLoop
from webui.engine.noise import NoiseStream
from webui.engine.pipelines.passes import enlarged_latents, passes_of
from webui.engine.pipelines.stages import Start, Watch, conditionings, image_run

BASE: dict[str, Any] = {
    "prompt": "a red circle, on a white background",
    "negative_prompt": "blue",
    "sampler": "Euler",
    "steps": 6,
    "seed": 11,
    "width": 64,
    "height": 64,
    "cfg_scale": 5.0,
}


def png(pixels: NDArray[np.uint8]) -> bytes:
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG")
    return out.getvalue()


def noise_picture(height: int = 64, width: int = 64, seed: int = 0) -> NDArray[np.uint8]:
    """A smooth picture of many colours."""
    small = np.random.default_rng(seed).integers(0, 256, (4, 4, 3), np.uint8)
    return np.asarray(Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC))


class Over:
    """Draws one job after the other; pictures by the names requests give them."""

    def __init__(self, model: ModelRef, **pictures: NDArray[np.uint8]) -> None:
        self.drawer = Drawer()
        self.model = model
        self.pictures = tuple((name, png(pixels)) for name, pixels in pictures.items())

    def start(self, request: DrawRequest, job_id: str = "job") -> None:
        spec = JobSpec(job_id, 1, request, self.model, pictures=self.pictures)
        self.drawer.worker.handle(RunJob(spec))

    def drawn(self, request: DrawRequest) -> list[NDArray[np.float32]]:
        job_id = f"job-{len(self.drawer.events)}"
        self.start(request, job_id)
        self.drawer.run()
        assert self.drawer.finished(job_id).error is None, self.drawer.finished(job_id).error
        return [pixels_of(image) for image in self.drawer.of(JobImage, job_id)]

    def error(self, request: DrawRequest) -> str:
        job_id = f"job-{len(self.drawer.events)}"
        self.start(request, job_id)
        self.drawer.run()
        error = self.drawer.finished(job_id).error
        assert error is not None
        return error.message


# ---- what is drawn over is what diffusers draws over


def our_latents(both: Both, request: Img2Img, embeddings: list[Tensor], start: Start) -> Tensor:
    denoiser = both.load("denoiser")
    results: list[Any] = []
    loop = StepLoop()
    watch = Watch(lambda *_: None, results.append, results.append)
    conds = conditionings(request, embeddings, denoiser)
    shape = both.checkpoint.latent_shape(64, 64)
    loop.add(image_run(request, 0, "job", denoiser, conds, shape, CPU, watch, start))
    while loop.tick():
        pass
    return results[0]


def their_latents(
    both: Both, request: Img2Img, embeddings: list[Tensor], latents: Tensor, taken: int
) -> Tensor:
    """What the loop of diffusers' img2img pipeline does, with our noise."""
    from diffusers import EulerDiscreteScheduler

    config = dict(both.pipe.scheduler.config) | {"timestep_spacing": "linspace"}
    scheduler: Any = EulerDiscreteScheduler.from_config(
        config | {"prediction_type": both.ref.prediction}
    )
    scheduler.set_timesteps(request.steps)
    timesteps = scheduler.timesteps[-taken:]
    scheduler.set_begin_index(request.steps - taken)
    noise = NoiseStream(request.seed, latents.shape)()
    x = scheduler.add_noise(latents[None], noise[None], timesteps[:1])
    texts = torch.stack([embeddings[1], embeddings[0]])
    with torch.inference_mode():
        for t in timesteps:
            scaled = scheduler.scale_model_input(torch.cat([x, x]), t)
            uncond, cond = both.pipe.unet(scaled, t, texts).sample.chunk(2)
            guided = uncond + request.cfg_scale * (cond - uncond)
            x = scheduler.step(guided, t, x).prev_sample
    return x[0]


@pytest.mark.parametrize("model", ["folder_model", "v_model"])
@pytest.mark.parametrize("strength", [0.2, 0.5, 1.0])
def test_final_latents_are_those_of_diffusers_img2img(
    model: str, strength: float, request: pytest.FixtureRequest
) -> None:
    both = read_folder(request.getfixturevalue(model))
    embeddings = embeddings_of(both)
    latents = torch.randn(4, 8, 8, generator=torch.Generator().manual_seed(3))
    asked = Img2Img(**BASE, init_image="x", denoising_strength=strength)
    schedule, taken = partial_steps(asked.steps, strength)
    ours = our_latents(both, asked, embeddings, Start(latents, schedule, taken))
    theirs = their_latents(both, asked, embeddings, latents, taken)
    assert ((ours - theirs).norm() / theirs.norm()).item() < 1e-3
    assert (ours - latents).std() > 0.05


def test_what_is_encoded_is_diffusers_mean(folder_model: ModelRef) -> None:
    both = read_folder(folder_model)
    picture = torch.from_numpy(noise_picture().copy())[None]
    pixels = picture.permute(0, 3, 1, 2).float() / 127.5 - 1
    with torch.inference_mode():
        theirs = both.pipe.vae.encode(pixels).latent_dist.mean * 0.18215
    torch.testing.assert_close(both.load("decoder").encode(picture), theirs, rtol=1e-4, atol=1e-5)


# ---- the second pass


def test_a_second_pass_without_steps_is_the_first_enlarged(folder_model: ModelRef) -> None:
    over = Over(folder_model)
    both = read_folder(folder_model)
    request = Txt2Img(**BASE, hires=True, denoising_strength=0.0)
    denoiser, results = both.load("denoiser"), []
    loop = StepLoop()
    first = replace(request, hires=False)
    watch = Watch(lambda *_: None, results.append, results.append)
    conds = conditionings(first, embeddings_of(both), denoiser)
    loop.add(image_run(first, 0, "job", denoiser, conds, (4, 8, 8), CPU, watch))
    while loop.tick():
        pass
    for name in LATENT_UPSCALERS.names():
        (drawn,) = over.drawn(replace(request, hires_upscaler=name, hires_scale=1.5))
        large = enlarged_latents(results[0][None], LATENT_UPSCALERS.get(name), (12, 12), (12, 12))
        expected = both.load("decoder").decode(large)[0].numpy()
        assert np.abs(drawn - expected).max() <= 1, name
    nearest = LATENT_UPSCALERS.get("Latent (nearest)")
    doubled = F.interpolate(results[0][None], (16, 16), mode="nearest")
    assert torch.equal(enlarged_latents(results[0][None], nearest, (16, 16), (16, 16)), doubled)


@pytest.mark.parametrize("upscaler", ["Latent", "Lanczos", "Nearest", "None"])
def test_a_second_pass_takes_its_own_steps_at_its_own_size(
    folder_model: ModelRef, upscaler: str
) -> None:
    over = Over(folder_model)
    request = Txt2Img(
        **BASE, hires=True, hires_upscaler=upscaler, hires_steps=3, denoising_strength=0.5,
        hires_width=96, hires_height=64, batch_size=2,
    )  # fmt: skip
    pictures = over.drawn(request)
    assert [p.shape for p in pictures] == [(64, 96, 3)] * 2
    steps = over.drawer.of(JobStep)
    assert (steps[-1].step, steps[-1].steps) == (9, 9)
    assert [s.step for s in steps] == sorted(s.step for s in steps)
    assert over.drawer.stats.forwards == 9, "both pictures and both prompts share forward passes"
    (alone,) = over.drawn(replace(request, batch_size=1, seed=12))
    assert np.abs(alone - pictures[1]).max() <= 1
    (another,) = over.drawn(replace(request, batch_size=1, hires_prompt="something else"))
    assert not np.array_equal(another, pictures[0])


def test_an_upscaling_model_enlarges_between_the_passes(
    folder_model: ModelRef, tmp_path: Path
) -> None:
    upscaler = upscalers.write_nearest(tmp_path / "2x-near.safetensors", 2)
    over = Over(replace(folder_model, upscalers=(upscaler,)))
    request = Txt2Img(**BASE, hires=True, hires_upscaler="2x-near", denoising_strength=0.0)
    ((drawn,), (first,)) = (over.drawn(r) for r in (request, replace(request, hires=False)))
    decoder = read_folder(folder_model).load("decoder")
    repeated = torch.from_numpy(first.astype(np.uint8).repeat(2, 0).repeat(2, 1))[None]
    expected = decoder.decode(decoder.encode(repeated))[0].numpy()
    assert drawn.shape == (128, 128, 3)
    assert np.abs(drawn - expected).mean() < 2
    assert "Loading upscaler" in [phase.text for phase in over.drawer.of(JobPhase)]
    assert "no upscaler 'gone'" in over.error(replace(request, hires_upscaler="gone"))


def test_an_upscaling_model_goes_through_tiles_as_large_as_the_job_says(
    folder_model: ModelRef, tmp_path: Path
) -> None:
    module = upscalers.compact(2)  # what it makes of a pixel depends on those around it
    upscaler = upscalers.write(tmp_path / "2x.safetensors", module)
    request = Txt2Img(**BASE, hires=True, hires_upscaler="2x", denoising_strength=0.0)
    drawn: list[Any] = []
    for tiles in (None, (64, 0), (16, 0)):
        model = replace(folder_model, upscalers=(replace(upscaler, tiles=tiles),))
        drawn += Over(model).drawn(request)
    assert np.array_equal(drawn[0], drawn[1]), "the whole picture at once"
    assert not np.array_equal(drawn[0], drawn[2]), "seams where tiles meet"


def test_jobs_that_hold_all_the_memory_do_not_wait_for_each_other(
    folder_model: ModelRef, tmp_path: Path
) -> None:
    upscaler = upscalers.write_nearest(tmp_path / "2x-near.safetensors", 2)
    over = Over(replace(folder_model, upscalers=(upscaler,)))
    over.drawer = Drawer(model_bytes=1)
    request = Txt2Img(**{**BASE, "steps": 1}, hires=True, hires_upscaler="2x-near")
    for job_id in ("a", "b"):
        over.start(request, job_id)
    over.drawer.run()
    for job_id in ("a", "b"):
        assert over.drawer.finished(job_id).error is None
        assert len(over.drawer.of(JobImage, job_id)) == 1


def test_a_picture_is_skipped_while_it_is_enlarged(folder_model: ModelRef, tmp_path: Path) -> None:
    upscaler = upscalers.write_nearest(tmp_path / "2x-near.safetensors", 2)
    over = Over(replace(folder_model, upscalers=(upscaler,)))
    given = {**BASE, "steps": 1, "width": 512, "height": 16, "batch_count": 2}
    over.start(Txt2Img(**given, hires=True, hires_upscaler="2x-near"))
    worker = over.drawer.worker
    over.drawer.run(until=lambda: bool(over.drawer.of(JobPhase, "job")[2:]))
    assert over.drawer.of(JobPhase, "job")[-1].text == "Loading upscaler"
    worker.handle(StopJob("job", "skip"))
    steps = len(over.drawer.of(JobStep, "job"))
    worker.tick()
    worker.tick()
    assert over.drawer.of(JobStep, "job")[steps].image == 1, "the next one is begun at once"
    over.drawer.run()
    assert [image.index for image in over.drawer.of(JobImage, "job")] == [1]


def test_a_weak_second_pass_takes_its_steps_of_a_schedule_of_any_length(
    folder_model: ModelRef,
) -> None:
    request = Txt2Img(**{**BASE, "steps": 2}, hires=True, hires_scale=1, denoising_strength=0.01)
    (_, second) = passes_of(request, (64, 64))
    assert (second.schedule, second.steps) == (200, 2), "longer than a request may be"
    over = Over(folder_model)
    (found,) = over.drawn(request)
    (before,) = over.drawn(replace(request, denoising_strength=0.0))
    assert 0 < np.abs(found - before).mean() < 2


def test_a_second_pass_may_be_longer_than_a_first_one() -> None:
    (_, second) = passes_of(Txt2Img(width=2048, height=64, hires=True, hires_scale=4), (2048, 64))
    assert second.size == (8192, 256)


def test_what_the_second_pass_leaves_open_is_the_firsts() -> None:
    request = Txt2Img(**BASE, hires=True, hires_sampler="Heun", hires_cfg_scale=2.0)
    first, second = passes_of(request, (64, 64))
    assert (first.steps, first.size, first.first_pass) == (6, (64, 64), None)
    assert (second.steps, second.schedule, second.first_pass) == (6, 8, 6)
    assert second.size == (128, 128)
    own = second.request
    assert (own.sampler, own.scheduler, own.cfg_scale) == ("Heun", "Automatic", 2.0)
    assert (own.prompt, own.negative_prompt) == (request.prompt, request.negative_prompt)


def test_a_job_that_is_stopped_between_its_passes_has_no_picture(folder_model: ModelRef) -> None:
    over = Over(folder_model)
    over.start(Txt2Img(**BASE, hires=True, hires_steps=8, batch_count=2))
    over.drawer.run(until=lambda: any(s.step > 7 for s in over.drawer.of(JobStep)))
    over.drawer.worker.handle(StopJob("job", "skip"))
    over.drawer.run(until=lambda: any(s.image == 1 and s.step > 7 for s in over.drawer.of(JobStep)))
    assert over.drawer.of(JobImage) == [], "a skipped picture is not finished"
    over.drawer.worker.handle(StopJob("job", "interrupt"))
    over.drawer.run()
    end = over.drawer.finished("job")
    assert (end.stopped, end.error) == (True, None)
    assert over.drawer.of(JobImage) == []
    assert len(over.drawn(Txt2Img(**BASE))) == 1, "and the next job is drawn"


# ---- pictures and masks


def test_strength_zero_gives_the_picture_as_the_autoencoder_has_it(folder_model: ModelRef) -> None:
    picture = noise_picture(64, 96)
    over = Over(folder_model, a=picture)
    request = Img2Img(**{**BASE, "width": 96}, init_image="a", denoising_strength=0.0)
    (drawn,) = over.drawn(request)
    decoder = read_folder(folder_model).load("decoder")
    expected = decoder.decode(decoder.encode(torch.from_numpy(picture.copy())[None]))[0].numpy()
    assert np.abs(drawn - expected).max() <= 1
    assert over.drawer.stats.forwards == 0
    (some,) = over.drawn(replace(request, denoising_strength=0.3))
    (more,) = over.drawn(replace(request, denoising_strength=0.9))
    assert 0 < np.abs(some - drawn).mean() < np.abs(more - drawn).mean()
    (softer,) = over.drawn(replace(request, denoising_strength=0.9, noise_multiplier=0.5))
    assert np.abs(softer - more).max() > 3


@pytest.mark.parametrize("content", ["original", "fill", "latent noise", "latent nothing"])
def test_only_what_is_masked_changes(folder_model: ModelRef, content: str) -> None:
    picture, mask = noise_picture(), np.zeros((64, 64), np.uint8)
    mask[:, 32:] = 255
    over = Over(folder_model, a=picture, m=mask)
    request = Img2Img(
        **BASE, init_image="a", mask="m", mask_blur=0, denoising_strength=0.9,
        masked_content=content,
    )  # fmt: skip
    (drawn,) = over.drawn(request)
    assert np.array_equal(drawn[:, :32], picture[:, :32])
    assert np.abs(drawn[:, 32:] - picture[:, 32:]).mean() > 5
    (inverse,) = over.drawn(replace(request, mask_mode="Inpaint not masked"))
    assert np.array_equal(inverse[:, 32:], picture[:, 32:])
    (soft,) = over.drawn(replace(request, mask_blur=8))
    assert np.array_equal(soft[:, :8], picture[:, :8])
    assert np.abs(soft[:, 28:32] - picture[:, 28:32]).max() > 0


def test_only_the_part_around_the_mask_is_drawn_and_put_back(folder_model: ModelRef) -> None:
    picture, mask = noise_picture(120, 200), np.zeros((120, 200), np.uint8)
    mask[20:50, 100:140] = 255
    over = Over(folder_model, a=picture, m=mask)
    request = Img2Img(
        **BASE, init_image="a", mask="m", mask_blur=0, denoising_strength=0.9,
        inpaint_area="Only masked", masked_padding=8,
    )  # fmt: skip
    (drawn,) = over.drawn(request)
    assert drawn.shape == (120, 200, 3)
    is_masked = mask > 0
    assert np.array_equal(drawn[~is_masked], picture[~is_masked])
    assert np.abs(drawn[is_masked] - picture[is_masked]).mean() > 5


def test_each_picture_of_a_batch_is_put_back(folder_model: ModelRef) -> None:
    picture, mask = noise_picture(120, 200), np.zeros((120, 200), np.uint8)
    mask[20:50, 100:140] = 255
    over = Over(folder_model, a=picture, m=mask)
    given = {**BASE, "batch_size": 2, "inpaint_area": "Only masked", "mask_blur": 0}
    first, second = over.drawn(Img2Img(**given, init_image="a", mask="m"))
    for drawn in (first, second):
        assert np.array_equal(drawn[mask == 0], picture[mask == 0])
    assert not np.array_equal(first, second)


@pytest.mark.parametrize("content", ["original", "fill", "latent noise"])
def test_a_mask_that_selects_nothing_changes_nothing(folder_model: ModelRef, content: str) -> None:
    picture, blank = noise_picture(), np.zeros((64, 64), np.uint8)
    over = Over(folder_model, a=picture, m=blank)
    request = Img2Img(**BASE, init_image="a", mask="m", masked_content=content)
    (drawn,) = over.drawn(request)
    assert np.array_equal(drawn, picture)
    # There is no part to draw alone: as in A1111 the whole picture is drawn over.
    (part,) = over.drawn(replace(request, inpaint_area="Only masked"))
    (unmasked,) = over.drawn(replace(request, mask=""))
    assert np.array_equal(part, unmasked)
    assert np.abs(part - picture).mean() > 5


def test_what_cannot_be_drawn_over_is_one_sentence(folder_model: ModelRef) -> None:
    over = Over(folder_model, a=noise_picture())
    asked = Img2Img(**BASE, init_image="a")
    assert "no picture to start from" in over.error(replace(asked, init_image=""))
    assert len(over.drawn(asked)) == 1
