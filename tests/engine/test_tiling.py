"""Seamless pictures: what is drawn is rolled by rolling its noise, and nobody else notices."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from numpy.typing import NDArray
from torch import Tensor, nn

from tests.fakes import tiny
from tests.fakes.drawing import Drawer, pixels_of
from webui.core.messages import JobImage
from webui.core.models import ModelRef
from webui.core.requests import Txt2Img
from webui.engine.denoise import batch_key
from webui.engine.evaluation import Conditioning, Evaluation
from webui.engine.families.padding import wrapped
from webui.engine.models.manager import ModelManager
from webui.engine.pipelines import stages
from webui.engine.tiling import TiledDecoder, TiledDenoiser

ROLL = 8  # latent pixels: what the UNet's three halvings come to
ONE = Txt2Img(prompt="a red circle", seed=1, steps=4, width=128, height=128, sampler="Euler")


def convolutions(network: nn.Module) -> list[tuple[Any, ...]]:
    """Everything about padding that could be changed."""
    return [
        (m.padding_mode, m.padding, tuple(m._reversed_padding_repeated_twice))
        for m in network.modules()
        if isinstance(m, nn.Conv2d)
    ] + [(m.padding,) for m in network.modules() if type(m).__name__ == "Downsample2D"]


@pytest.fixture
def rolled(monkeypatch: pytest.MonkeyPatch) -> Callable[[int, int], None]:
    """Rolls the initial noise of every image from now on, by (rows, columns)."""
    original = stages.noise_of

    def roll_by(rows: int, columns: int) -> None:
        def noise_of(*given: Any) -> Callable[[], Tensor]:
            stream = original(*given)
            return lambda: stream().roll((rows, columns), (1, 2))

        monkeypatch.setattr(stages, "noise_of", noise_of)

    return roll_by


def drawn(request: Txt2Img, model: ModelRef) -> NDArray[np.float32]:
    (image,) = Drawer().images(request, model)
    return pixels_of(image)


@pytest.mark.parametrize("by", [(0, ROLL), (ROLL, 0), (ROLL, ROLL)])
def test_rolling_the_noise_rolls_the_picture(
    folder_model: ModelRef, rolled: Callable[[int, int], None], by: tuple[int, int]
) -> None:
    tiled, plain = drawn(replace(ONE, tiling=True), folder_model), drawn(ONE, folder_model)
    rolled(*by)
    pixels = (8 * by[0], 8 * by[1])
    tiled_again = drawn(replace(ONE, tiling=True), folder_model)
    plain_again = drawn(ONE, folder_model)
    assert np.abs(tiled_again - np.roll(tiled, pixels, (0, 1))).max() <= 1
    assert np.abs(plain_again - np.roll(plain, pixels, (0, 1))).max() > 10


def test_edges_continue_on_the_other_side(folder_model: ModelRef) -> None:
    """Across the seam the picture changes no more than it does anywhere else."""
    picture = drawn(replace(ONE, tiling=True), folder_model)
    for axis in (0, 1):
        changes = np.abs(picture - np.roll(picture, 1, axis)).mean((1 - axis, 2))
        assert changes[0] <= changes[1:].max()


def test_a_job_beside_a_tiled_one_is_bit_for_bit_what_it_is_alone(folder_model: ModelRef) -> None:
    alone = Drawer("shared").images(ONE, folder_model)[0].pixels
    tiled_alone = Drawer("shared").images(replace(ONE, tiling=True), folder_model)[0].pixels
    drawer = Drawer("shared")
    jobs = [drawer.submit(replace(ONE, tiling=tiling), folder_model) for tiling in (True, False)]
    drawer.run()
    beside = [drawer.of(JobImage, job)[0].pixels for job in jobs]
    assert beside == [tiled_alone, alone]
    assert alone != tiled_alone
    assert drawer.stats.forwards == 8  # none of them shared
    assert drawer.images(ONE, folder_model)[0].pixels == alone


def test_tiled_and_plain_evaluations_have_different_batch_keys(folder_model: ModelRef) -> None:
    drawer = Drawer()
    manager: ModelManager = drawer.worker._studio.manager
    cond = Conditioning(torch.zeros(77, 64))
    x = torch.zeros(4, 16, 16)
    with manager.lease(folder_model, "denoiser") as leased:
        denoiser, again = TiledDenoiser(leased.denoiser), TiledDenoiser(leased.denoiser)
        keys = [
            batch_key(Evaluation(x, 1.0, cond, m), cond) for m in (denoiser, again, leased.denoiser)
        ]
    assert keys[0] == keys[1] != keys[2]


def test_every_convolution_is_put_back_also_after_a_failure(folder_model: ModelRef) -> None:
    drawer = Drawer()
    manager: ModelManager = drawer.worker._studio.manager
    with manager.lease(folder_model, "denoiser", "decoder") as leased:
        networks: list[Any] = [leased.denoiser, leased.decoder]
        modules = [networks[0]._unet, networks[1]._vae]
        before = [convolutions(module) for module in modules]
        with pytest.raises(RuntimeError):
            TiledDenoiser(leased.denoiser)(torch.zeros(1, 3, 16, 16), torch.ones(1), torch.ones(1))
        with pytest.raises(RuntimeError):
            TiledDecoder(leased.decoder).decode(torch.zeros(1, 3, 16, 16))
        assert [convolutions(module) for module in modules] == before
        with wrapped(modules[0]):
            assert all(mode == "circular" for mode, *_ in convolutions(modules[0]) if _)
        assert [convolutions(module) for module in modules] == before


def test_what_is_encoded_is_seamless_too() -> None:
    vae: AutoencoderKL = tiny.Tiny().vae
    picture = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    before = convolutions(vae)
    with torch.inference_mode(), wrapped(vae):
        latents, again = (
            vae.encode(p, return_dict=False)[0].mean for p in (picture, picture.roll(16, 3))
        )
    torch.testing.assert_close(again, latents.roll(2, 3), rtol=1e-4, atol=1e-4)
    assert convolutions(vae) == before
