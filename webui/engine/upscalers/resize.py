"""Resampling of pictures: pure functions on uint8 [H, W, 3], as A1111 resizes with Pillow."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from webui.core import upscalers

Resize = Callable[[Tensor, int, int], Tensor]


def lanczos(pixels: Tensor, width: int, height: int) -> Tensor:
    """``pixels`` uint8 [H, W, 3] as [height, width, 3], by Lanczos with three lobes."""
    return _resized(pixels, width, height, Image.Resampling.LANCZOS)


def nearest(pixels: Tensor, width: int, height: int) -> Tensor:
    """``pixels`` uint8 [H, W, 3] as [height, width, 3]; each takes the nearest one's colour."""
    return _resized(pixels, width, height, Image.Resampling.NEAREST)


METHODS: Mapping[str, Resize] = {
    upscalers.NONE: lanczos,
    upscalers.LANCZOS: lanczos,
    upscalers.NEAREST: nearest,
}
"""The built-in upscalers by name."""


def cropped(pixels: Tensor, width: int, height: int) -> Tensor:
    """The middle of ``pixels`` uint8 [H, W, 3], on black where they do not reach (as A1111)."""
    high, wide, _ = pixels.shape
    left, top = width // 2 - wide // 2, height // 2 - high // 2
    out = torch.zeros(height, width, 3, dtype=torch.uint8)
    part = pixels[max(-top, 0) : height - top, max(-left, 0) : width - left]
    y, x = max(top, 0), max(left, 0)
    out[y : y + part.shape[0], x : x + part.shape[1]] = part
    return out


def blended(first: Tensor, second: Tensor, share: float) -> Tensor:
    """``second`` laid over ``first`` (both uint8, of one size) with the opacity ``share`` 0..1."""
    mixed = Image.blend(Image.fromarray(first.numpy()), Image.fromarray(second.numpy()), share)
    return torch.from_numpy(np.array(mixed))


def _resized(pixels: Tensor, width: int, height: int, how: Image.Resampling) -> Tensor:
    if pixels.shape[:2] == (height, width):
        return pixels
    image = Image.fromarray(pixels.numpy()).resize((width, height), how)
    return torch.from_numpy(np.array(image))
