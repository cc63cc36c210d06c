"""Decoding, where it does not go smoothly."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from webui.core.errors import OutOfMemory
from webui.engine.families.autoencoder import VaeDecoder
from webui.engine.pipelines.stages import decode
from webui.engine.preview import Previewer

LATENTS = [torch.zeros(4, 2, 2), torch.ones(4, 2, 2)]


class Config(dict[str, Any]):
    scaling_factor = 0.5


class Vae(nn.Module):
    """An autoencoder that notes what it is given, on a device that computes nothing."""

    def __init__(self, device: str) -> None:
        super().__init__()
        self.config, self.dtype, self.device = Config(), torch.float32, torch.device(device)
        self.seen: list[Tensor] = []

    def decode(self, z: Tensor, **_: Any) -> tuple[Tensor]:
        self.seen.append(z)
        value = 0.0 if z.is_meta else z.mean().item()
        return (torch.full((len(z), 3, 16, 16), value),)


class Short:
    """A decoder with memory for ``fits`` pictures at once."""

    weights, nbytes = 10, 0

    def __init__(self, fits: int) -> None:
        self.fits = fits
        self.tried: list[int] = []

    def to(self, device: torch.device) -> None: ...

    def decode(self, latents: Tensor) -> Tensor:
        self.tried.append(len(latents))
        if len(latents) > self.fits:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return torch.zeros(len(latents), 16, 16, 3, dtype=torch.uint8)


def test_latents_are_brought_to_the_decoders_device() -> None:
    vae: Any = Vae("meta")
    VaeDecoder(vae).decode(LATENTS[0][None])
    assert vae.seen[0].device.type == "meta"


def test_a_preview_of_invalid_numbers_is_a_picture_and_blames_nobody() -> None:
    vae: Any = Vae("cpu")
    previewer, decoder = Previewer(), VaeDecoder(vae)
    previewer.prepare(decoder, 4)
    broken = torch.full((4, 2, 2), float("nan"))
    assert previewer.picture(decoder, broken, 16, 16, allowed=1e9)


def test_pictures_are_decoded_one_by_one_where_memory_is_short() -> None:
    decoder = Short(fits=1)
    assert len(decode(decoder, LATENTS, lambda: False)) == 2
    assert decoder.tried == [2, 1, 1]


def test_decoding_frees_what_can_be_freed() -> None:
    decoder = Short(fits=0)

    def free() -> bool:
        decoder.fits = 1
        return True

    assert len(decode(decoder, LATENTS[:1], free)) == 1
    assert decoder.tried == [1, 1]


def test_a_picture_that_does_not_fit_at_all_is_out_of_memory() -> None:
    decoder = Short(fits=0)
    with pytest.raises(OutOfMemory):
        decode(decoder, LATENTS[:1], lambda: False)
    assert decoder.tried == [1]
