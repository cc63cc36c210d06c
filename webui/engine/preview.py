"""Pictures of what is being drawn, cheap enough not to be felt.

A linear map from latents to colours is fitted to the loaded decoder once; small decoders are used
themselves where their time is not felt.
"""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from weakref import WeakKeyDictionary

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from webui.engine.families.base import SizedDecodes

MAX_SIDE = 512
SHARE = 0.03
"""The most of a run's time that its previews may take."""

SMALL_DECODER = 5_000_000
_QUALITY = 80
_SAMPLES, _SAMPLE_SIDE = 16, 8


@dataclass(slots=True)
class _Look:
    """What is known of a decoder: ``colours`` [C + 1, 3] and seconds per latent pixel."""

    colours: NDArray[np.float32]
    decoding: float
    mapping: float = 1e-5


class Previewer:
    """Makes previews of any decoder's latents, and knows what they cost."""

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self._looks: WeakKeyDictionary[SizedDecodes, _Look] = WeakKeyDictionary()

    def prepare(self, decoder: SizedDecodes, channels: int) -> None:
        """Get to know a decoder of latents with that many channels; takes a few small decodes."""
        if decoder not in self._looks:
            latents = sample_latents(channels)
            decoder.decode(latents[:1])
            begun = self._clock()
            images = decoder.decode(latents)
            cells = _SAMPLES * _SAMPLE_SIDE**2
            seconds = (self._clock() - begun) / cells
            self._looks[decoder] = _Look(fit_colours(latents, images), seconds)

    def picture(
        self, decoder: SizedDecodes, latents: Tensor, width: int, height: int, allowed: float
    ) -> bytes | None:
        """A JPEG of ``latents`` [C, h, w], at the picture's size but no side above 512.

        None when even the cheapest preview would take more than ``allowed`` seconds. The decoder
        must have been prepared.
        """
        look = self._looks[decoder]
        cells = latents.shape[-1] * latents.shape[-2]
        exact = decoder.weights <= SMALL_DECODER and look.decoding * cells <= allowed
        if not exact and look.mapping * cells > allowed:
            return None
        begun = self._clock()
        image = _decoded(decoder, latents) if exact else map_colours(latents, look.colours)
        jpeg = encode(image, width, height)
        seconds = (self._clock() - begun) / cells
        if exact:
            look.decoding = seconds
        else:
            look.mapping = seconds
        return jpeg


class PreviewBudget:
    """Keeps a run's previews within their share of its time."""

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self._begun = clock()
        self._spent = 0.0

    @contextmanager
    def counted(self) -> Iterator[float]:
        """The seconds the next preview may take; the block's time is counted."""
        begun = self._clock()
        try:
            yield SHARE * (begun - self._begun) - self._spent
        finally:
            self._spent += self._clock() - begun


def sample_latents(channels: int) -> Tensor:
    """Latents [N, C, h, w] as pictures have them: smooth, of various colours, with some noise."""
    generator = torch.Generator().manual_seed(0)
    shape = (_SAMPLES, channels)
    means = torch.randn(*shape, 1, 1, generator=generator)
    coarse = torch.randn(*shape, 3, 3, generator=generator)
    fine = torch.randn(*shape, _SAMPLE_SIDE, _SAMPLE_SIDE, generator=generator)
    smooth = F.interpolate(coarse, size=(_SAMPLE_SIDE, _SAMPLE_SIDE), mode="bilinear")
    return means + 0.7 * smooth + 0.2 * fine


def fit_colours(latents: Tensor, images: Tensor) -> NDArray[np.float32]:
    """The matrix [C + 1, 3] that maps latents and a one to colours 0..255 with least squares.

    ``latents`` [N, C, h, w]; ``images`` uint8 [N, H, W, 3] what they decode to.
    """
    height, width = latents.shape[-2:]
    small = F.adaptive_avg_pool2d(images.permute(0, 3, 1, 2).float(), (height, width))
    colours = small.permute(0, 2, 3, 1).reshape(-1, 3).numpy()
    rows = latents.permute(0, 2, 3, 1).reshape(-1, latents.shape[1]).numpy()
    rows = np.concatenate([rows, np.ones((len(rows), 1), np.float32)], axis=1)
    solution, *_ = np.linalg.lstsq(rows, colours, rcond=None)
    return solution.astype(np.float32)


def map_colours(latents: Tensor, colours: NDArray[np.float32]) -> NDArray[np.uint8]:
    """A picture [h, w, 3] of latents [C, h, w]."""
    rows = latents.float().cpu().permute(1, 2, 0).numpy()
    image = np.nan_to_num(rows @ colours[:-1] + colours[-1])
    return image.round().clip(0, 255).astype(np.uint8)


def encode(image: NDArray[np.uint8], width: int, height: int) -> bytes:
    """JPEG of ``image`` [h, w, 3] at ``width`` × ``height``, shrunk to 512 at the longer side."""
    scale = min(1.0, MAX_SIDE / max(width, height))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    picture = Image.fromarray(image)
    if picture.size != size:
        picture = picture.resize(size, Image.Resampling.BILINEAR)
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=_QUALITY)
    return buffer.getvalue()


def _decoded(decoder: SizedDecodes, latents: Tensor) -> NDArray[np.uint8]:
    return decoder.decode(latents[None].nan_to_num())[0].numpy()
