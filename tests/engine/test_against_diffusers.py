"""Our reading of checkpoints and our pictures against diffusers' own pipelines."""

from __future__ import annotations

import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.fakes import tiny
from tests.fakes.drawing import Drawer, pixels_of
from webui.core.models import ModelRef
from webui.core.requests import Txt2Img
from webui.engine.denoise import StepLoop
from webui.engine.families import FAMILIES
from webui.engine.families.base import Checkpoint, Decoder, LoadedDenoiser, TextEncoder
from webui.engine.families.clip import clip_tokenizer
from webui.engine.noise import NoiseStream
from webui.engine.pipelines.stages import Watch, conditionings, image_run

CPU = torch.device("cpu")
PROMPT, NEGATIVE = "a red circle, on a white background", "blue"


class Both:
    """One checkpoint, read by us and by diffusers."""

    def __init__(self, ref: ModelRef, pipe: Any) -> None:
        self.ref, self.pipe = ref, pipe
        self.checkpoint: Checkpoint = FAMILIES.get(ref.family).open(ref)

    def load(self, role: Any) -> Any:
        return self.checkpoint.load(role, torch.float32, CPU, torch.contiguous_format)


def quiet(load: Any, *args: Any, **options: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pipe = load(*args, **options, safety_checker=None, requires_safety_checker=False)
    pipe.set_progress_bar_config(disable=True)
    return pipe


@pytest.fixture(scope="module")
def from_file(file_model: ModelRef, tmp_path_factory: pytest.TempPathFactory) -> Both:
    from diffusers import StableDiffusionPipeline

    config = tmp_path_factory.mktemp("config")
    tiny.write_folder(config, tiny.Tiny(seed=3, vocabulary=49_408))
    load = StableDiffusionPipeline.from_single_file
    options = {"config": str(config), "tokenizer": clip_tokenizer(), "feature_extractor": None}
    options |= {"dtype": torch.float32, "local_files_only": True}
    return Both(file_model, quiet(load, file_model.path, **options))


def read_folder(ref: ModelRef) -> Both:
    from diffusers import StableDiffusionPipeline

    return Both(ref, quiet(StableDiffusionPipeline.from_pretrained, ref.path, dtype=torch.float32))


@pytest.fixture(scope="module")
def from_folder(folder_model: ModelRef) -> Both:
    return read_folder(folder_model)


@pytest.fixture(scope="module", params=["file", "folder"])
def both(request: pytest.FixtureRequest) -> Both:
    return request.getfixturevalue(f"from_{request.param}")


def inputs(both: Both) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(5)
    x = torch.randn(3, 4, 8, 12, generator=generator)
    cond = torch.randn(3, 77, 64, generator=generator)
    return x, torch.tensor([0.5, 3.0, 14.0]), cond


def test_the_denoiser_is_diffusers_unet(both: Both) -> None:
    denoiser: LoadedDenoiser = both.load("denoiser")
    x, sigma, cond = inputs(both)
    t = denoiser.levels.sigma_to_t(sigma)
    root = (sigma[:, None, None, None] ** 2 + 1).sqrt()
    with torch.inference_mode():
        eps = both.pipe.unet(x / root, t, cond).sample
        ours = denoiser(x, sigma, cond)
    torch.testing.assert_close(ours, x - sigma[:, None, None, None] * eps, rtol=1e-4, atol=1e-4)


def test_decoded_pictures_are_diffusers_bytes(both: Both) -> None:
    decoder: Decoder = both.load("decoder")
    x, *_ = inputs(both)
    with torch.inference_mode():
        image = both.pipe.vae.decode(x / both.pipe.vae.config.scaling_factor).sample
    expected = both.pipe.image_processor.postprocess(image, output_type="pil")
    ours = decoder.decode(x)
    assert ours.shape == (3, 64, 96, 3)
    for mine, theirs in zip(ours, expected, strict=True):
        assert np.array_equal(mine.numpy(), np.asarray(theirs))


@pytest.mark.parametrize("skip", [1, 2])
def test_prompts_are_encoded_as_diffusers_does(both: Both, skip: int) -> None:
    encoder: TextEncoder = both.load("text")
    ids = both.pipe.tokenizer(PROMPT, padding="max_length", max_length=77).input_ids
    pair = [encoder.start, *encoder.tokenize(PROMPT), encoder.end]
    pair += [encoder.pad] * (77 - len(pair))
    assert pair == ids
    with torch.inference_mode():
        out = both.pipe.text_encoder(torch.tensor([ids]), output_hidden_states=True)
        expected = both.pipe.text_encoder.final_layer_norm(out.hidden_states[-skip])
    assert torch.equal(encoder.encode([pair], skip), expected)
    if skip == 1:
        theirs, _ = both.pipe.encode_prompt(PROMPT, CPU, 1, False)
        assert torch.equal(theirs, expected)


def test_clips_tokens_are_the_published_ones() -> None:
    ids = clip_tokenizer()("a photo of an astronaut riding a horse on mars").input_ids
    assert ids == [49406, 320, 1125, 539, 550, 18376, 6765, 320, 4558, 525, 7496, 49407]


def our_latents(both: Both, request: Txt2Img, embeddings: list[Tensor]) -> Tensor:
    denoiser: LoadedDenoiser = both.load("denoiser")
    results: list[Any] = []
    loop = StepLoop()
    watch = Watch(lambda *_: None, results.append, results.append)
    shape = both.checkpoint.latent_shape(request.width or 64, request.height or 64)
    conds = conditionings(request, embeddings, denoiser)
    loop.add(image_run(request, 0, "job", denoiser, conds, shape, CPU, watch))
    while loop.tick():
        pass
    return results[0]


def their_latents(both: Both, request: Txt2Img, embeddings: list[Tensor], kind: str) -> Any:
    from diffusers import EulerDiscreteScheduler

    pipe = both.pipe
    config = dict(pipe.scheduler.config) | {"timestep_spacing": "linspace"}
    config |= {"prediction_type": both.ref.prediction}
    pipe.scheduler = EulerDiscreteScheduler.from_config(config)
    width, height = request.width or 64, request.height or 64
    noise = NoiseStream(request.seed, both.checkpoint.latent_shape(width, height))()[None]
    return pipe(
        prompt_embeds=embeddings[0][None],
        negative_prompt_embeds=embeddings[1][None],
        latents=noise,
        width=width,
        height=height,
        num_inference_steps=request.steps,
        guidance_scale=request.cfg_scale,
        output_type=kind,
    ).images


REQUEST = Txt2Img(
    prompt=PROMPT,
    negative_prompt=NEGATIVE,
    sampler="Euler",
    steps=7,
    seed=11,
    width=96,
    height=64,
    cfg_scale=5.0,
)


def embeddings_of(both: Both) -> list[Tensor]:
    encoded = both.pipe.encode_prompt(PROMPT, CPU, 1, True, negative_prompt=NEGATIVE)
    return [one[0] for one in encoded]


@pytest.mark.parametrize("model", ["folder_model", "v_model"])
def test_final_latents_are_those_of_diffusers_euler(
    model: str, request: pytest.FixtureRequest
) -> None:
    both = read_folder(request.getfixturevalue(model))
    embeddings = embeddings_of(both)
    ours = our_latents(both, REQUEST, embeddings)
    theirs = their_latents(both, REQUEST, embeddings, "latent")[0]
    assert ((ours - theirs).norm() / theirs.norm()).item() < 1e-3
    assert theirs.std() > 0.1


@pytest.mark.parametrize(
    ("width", "height", "steps"),
    [(96, 64, 7), (72, 104, 2), (136, 40, 2), (16, 16, 2), (16, 1024, 2)],
)
def test_the_worker_draws_diffusers_picture(
    width: int, height: int, steps: int, from_folder: Both, drawer: Drawer
) -> None:
    """Also where the UNet halves a side that is odd, or as small as one."""
    request = replace(REQUEST, width=width, height=height, steps=steps)
    theirs = their_latents(from_folder, request, embeddings_of(from_folder), "np")[0]
    ours = pixels_of(drawer.images(request, from_folder.ref)[0])
    assert ours.shape == (height, width, 3)
    assert np.abs(ours - theirs * 255).max() < 1.5


@pytest.fixture
def drawer() -> Drawer:
    return Drawer()


def test_novelais_names_mean_the_same(file_model: ModelRef, weights_folder: Path) -> None:
    other = tiny.write_file(weights_folder / "nai.safetensors", tiny.Tiny(seed=3), nai=True)
    ids = [[49406, 320, *[49407] * 75]]
    one: Any
    two: Any
    one, two = (
        FAMILIES.get("sd15").open(ref).load("text", torch.float32, CPU, torch.contiguous_format)
        for ref in (file_model, other)
    )
    assert torch.equal(one.encode(ids, 1), two.encode(ids, 1))
