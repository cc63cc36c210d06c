"""Previews: what they show and what they may cost."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from webui.engine.preview import PreviewBudget, Previewer, fit_colours, map_colours, sample_latents


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class LinearDecoder:
    """Colours are a linear function of the latents; takes a second per call."""

    nbytes = 0
    matrix = torch.tensor([[30.0, 5, 0], [0, 20, 10], [-10, 0, 25], [4, -8, 2]])

    def __init__(self, clock: Clock, weights: int) -> None:
        self.clock, self.weights, self.calls = clock, weights, 0

    def to(self, device: torch.device) -> None: ...

    def decode(self, latents: Tensor) -> Tensor:
        self.calls += 1
        self.clock.now += 1.0
        small = torch.einsum("nchw,cd->nhwd", latents, self.matrix) + 128
        whole = small.repeat_interleave(8, 1).repeat_interleave(8, 2)
        return whole.round().clamp(0, 255).to(torch.uint8)


def ready(weights: int = 10**8) -> tuple[Previewer, LinearDecoder]:
    clock = Clock()
    previewer, decoder = Previewer(clock), LinearDecoder(clock, weights)
    previewer.prepare(decoder, 4)
    return previewer, decoder


def open_jpeg(jpeg: bytes | None) -> Image.Image:
    assert jpeg is not None
    return Image.open(io.BytesIO(jpeg))


def test_the_fit_finds_a_linear_decoders_colours() -> None:
    _, decoder = ready()
    latents = sample_latents(4)
    colours = fit_colours(latents, decoder.decode(latents))
    shown = map_colours(latents[0] * 0.5, colours).astype(int)
    exact = decoder.decode(latents[:1] * 0.5)[0, ::8, ::8].numpy().astype(int)
    assert np.abs(shown - exact).mean() < 6


@pytest.mark.parametrize(
    ("asked", "shown"), [((64, 64), (64, 64)), ((512, 768), (341, 512)), ((1024, 512), (512, 256))]
)
def test_a_preview_has_the_pictures_shape(asked, shown) -> None:
    previewer, decoder = ready()
    latents = torch.zeros(4, asked[1] // 8, asked[0] // 8)
    image = open_jpeg(previewer.picture(decoder, latents, *asked, allowed=10))
    assert (image.format, image.size) == ("JPEG", shown)


def test_a_small_decoder_is_used_itself_where_there_is_time() -> None:
    previewer, decoder = ready(weights=10)
    latents = torch.zeros(4, 8, 8)
    before = decoder.calls
    previewer.picture(decoder, latents, 64, 64, allowed=100)
    assert decoder.calls == before + 1
    previewer.picture(decoder, latents, 64, 64, allowed=0.01)
    assert decoder.calls == before + 1


def test_no_preview_is_made_when_there_is_no_time_left() -> None:
    previewer, decoder = ready()
    assert previewer.picture(decoder, torch.zeros(4, 8, 8), 64, 64, allowed=0.0) is None


def test_previews_get_three_percent_of_a_run() -> None:
    clock = Clock()
    budget = PreviewBudget(clock)
    clock.now = 10.0
    with budget.counted() as allowed:
        assert allowed == pytest.approx(0.3)
        clock.now += 0.25
    clock.now = 20.0
    with budget.counted() as allowed:
        assert allowed == pytest.approx(0.35)
