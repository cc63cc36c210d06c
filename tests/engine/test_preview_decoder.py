"""A checkpoint's own tiny decoder draws its previews; what is no such decoder is refused."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers.models import AutoencoderTiny
from PIL import Image

from tests.fakes import tiny
from tests.fakes.drawing import Drawer, pixels_of
from webui.core.errors import ModelError, UnsafeFile
from webui.core.messages import JobImage, JobPreview
from webui.core.models import ModelRef
from webui.core.requests import Txt2Img
from webui.engine import preview
from webui.engine.devices import Machine
from webui.engine.models.manager import ModelManager


def tiny_autoencoder(channels: int = 4) -> AutoencoderTiny:
    """Random weights from a fixed seed."""
    torch.manual_seed(7)
    return AutoencoderTiny(
        latent_channels=channels,
        encoder_block_out_channels=(8, 8),
        decoder_block_out_channels=(8, 8),
        num_encoder_blocks=(1, 1),
        num_decoder_blocks=(1, 1),
        scaling_factor=1.0,
    ).eval()


@pytest.fixture
def checkpoint(tmp_path: Path) -> ModelRef:
    ref = tiny.write_folder(tmp_path / "model")
    tiny_autoencoder().save_pretrained(tmp_path / "model" / "preview_decoder")
    return ref


@pytest.fixture
def manager() -> ModelManager:
    return ModelManager(Machine.choose("cpu"))


def test_the_preview_decoder_draws_what_diffusers_does(
    checkpoint: ModelRef, manager: ModelManager
) -> None:
    latents = torch.randn(2, 4, 6, 5, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        wanted = tiny_autoencoder().decode(latents, return_dict=False)[0]
    wanted = ((wanted / 2 + 0.5).clamp(0, 1) * 255).permute(0, 2, 3, 1)
    with manager.lease(checkpoint, "denoiser", "decoder", "preview") as model:
        shown = model.sketcher.decode(latents)
        assert model.sketcher.weights < model.decoder.weights
    assert shown.dtype is torch.uint8
    assert (shown.float() - wanted).abs().max() <= 1


def test_a_job_shows_what_the_preview_decoder_draws(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preview, "SHARE", 1e6)  # so that a slow machine shows previews, too
    ref = tiny.write_folder(tmp_path / "model")
    only_red = tiny_autoencoder()
    last = only_red.decoder.layers[-1]
    assert isinstance(last, torch.nn.Conv2d)
    assert last.bias is not None
    with torch.no_grad():
        for weight in only_red.decoder.parameters():
            weight.zero_()
        last.bias.copy_(torch.tensor([1.0, 0.0, 0.0]))
    only_red.save_pretrained(tmp_path / "model" / "preview_decoder")
    drawer = Drawer()
    request = Txt2Img(prompt="a", seed=1, steps=4, width=64, height=64)
    drawer.submit(request, ref, preview_every=1)
    drawer.run()
    shown = [np.asarray(Image.open(io.BytesIO(p.jpeg))) for p in drawer.of(JobPreview)]
    assert shown
    for picture in shown:
        assert np.abs(picture.astype(int) - (255, 0, 0)).max() <= 6
    (image,) = drawer.of(JobImage)
    assert np.abs(pixels_of(image) - (255, 0, 0)).mean() > 20  # the picture is the decoder's


def test_without_one_the_decoder_itself_draws_previews(
    tmp_path: Path, manager: ModelManager
) -> None:
    ref = tiny.write_folder(tmp_path / "plain")
    assert manager.open(ref).weights("preview") == 0
    with manager.lease(ref, "denoiser", "decoder") as model:
        assert model.sketcher is model.decoder


def test_another_class_is_refused(checkpoint: ModelRef, manager: ModelManager) -> None:
    config = Path(checkpoint.path) / "preview_decoder" / "config.json"
    config.write_text(json.dumps({**json.loads(config.read_text()), "_class_name": "Shell"}))
    with pytest.raises(UnsafeFile, match="'Shell' as its preview decoder"):
        manager.open(checkpoint)


def test_other_channels_are_refused(tmp_path: Path, manager: ModelManager) -> None:
    ref = tiny.write_folder(tmp_path / "model")
    tiny_autoencoder(channels=16).save_pretrained(tmp_path / "model" / "preview_decoder")
    with pytest.raises(ModelError, match="16 channels"):
        manager.open(ref)
