"""Masks: where a picture is drawn over, how its edge is softened, how the rest is put back.

Pure functions of 8-bit arrays: pictures [H, W, 3], masks [H, W] (255 where it is drawn over). The
rules are A1111's (modules/masking.py and StableDiffusionProcessingImg2Img).
"""

from __future__ import annotations

import io
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageFilter
from torch.nn import functional as F

from webui.engine.resizing import CROP, Picture, resized

Mask = NDArray[np.uint8]
"""[H, W], 0..255."""

_BACKGROUND = (255, 255, 255)
_RADII = ((256, 1), (64, 1), (16, 2), (4, 4), (2, 2), (0, 1))
"""Blurs, in pixels, and how often each is laid over the last when a hole is filled."""

_ROWS = 64


class Box(NamedTuple):
    """A part of a picture in pixels: from (left, top) up to (right, bottom)."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def size(self) -> tuple[int, int]:
        """Width and height."""
        return self.right - self.left, self.bottom - self.top

    def of(self, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """That part of a picture or mask."""
        return pixels[self.top : self.bottom, self.left : self.right]


def picture_of(png: bytes) -> Picture:
    """A file's picture; what is transparent is laid over white."""
    with Image.open(io.BytesIO(png)) as image:
        if image.mode == "RGBA":
            ground = Image.new("RGBA", image.size, (*_BACKGROUND, 255))
            image = Image.alpha_composite(ground, image)
        return np.asarray(image.convert("RGB"))


def mask_of(png: bytes) -> Mask:
    """A file's mask: its opacity where it has any transparency (half and more counts whole), else
    how light it is."""
    with Image.open(io.BytesIO(png)) as image:
        if image.mode == "RGBA":
            alpha = np.asarray(image.getchannel("A"))
            if alpha.min() < 255:
                return np.where(alpha > 128, 255, 0).astype(np.uint8)
        return np.asarray(image.convert("L"))


def fitted(mask: Mask, width: int, height: int) -> Mask:
    """The mask at a picture's size."""
    if mask.shape == (height, width):
        return mask
    return np.asarray(Image.fromarray(mask).resize((width, height), Image.Resampling.LANCZOS))


def softened(mask: Mask, blur: int) -> Mask:
    """The mask with its edge blurred: a Gaussian of ``blur`` pixels, cut off at 2.5 of them."""
    if not blur:
        return mask
    reach = int(2.5 * blur + 0.5)
    places = np.arange(-reach, reach + 1)
    kernel = np.exp(-(places**2) / (2 * blur**2))
    kernel = (kernel / kernel.sum()).astype(np.float32)
    box = masked_box(mask, reach)
    if box is None:
        return mask
    # Farther from what is masked than the blur reaches, all stays 0.
    soft = box.of(mask).astype(np.float32)
    for _ in range(2):
        soft = _blurred_rows(soft, kernel).T
    found = np.zeros_like(mask)
    found[box.top : box.bottom, box.left : box.right] = np.clip(np.rint(soft), 0, 255)
    return found


def _blurred_rows(values: NDArray[np.float32], kernel: NDArray[np.float32]) -> NDArray[np.float32]:
    """Each row of [H, W] convolved with the kernel, mirrored at its ends; a few rows at once, so
    that memory stays small whatever the convolution does inside."""
    reach = len(kernel) // 2
    weights = torch.from_numpy(kernel)[None, None]
    out = np.empty_like(values, order="C")
    for top in range(0, len(values), _ROWS):
        part = np.pad(values[top : top + _ROWS], ((0, 0), (reach, reach)), mode="symmetric")
        out[top : top + _ROWS] = F.conv1d(torch.from_numpy(part)[:, None], weights)[:, 0].numpy()
    return out


def masked_box(mask: Mask, padding: int) -> Box | None:
    """The least part that holds all of the mask, and ``padding`` around it; None for no mask."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return None
    height, width = mask.shape
    return Box(
        max(int(columns[0]) - padding, 0),
        max(int(rows[0]) - padding, 0),
        min(int(columns[-1]) + 1 + padding, width),
        min(int(rows[-1]) + 1 + padding, height),
    )


def widened(box: Box, shape: tuple[int, int], within: tuple[int, int]) -> Box:
    """``box`` made wider or higher until it has the shape (width, height), as far as the picture
    ``within`` (width, height) goes."""
    (width, height), (wide, high) = box.size, shape
    if width * high > height * wide:
        top, bottom = _longer(box.top, box.bottom, width * high // wide, within[1])
        return box._replace(top=top, bottom=bottom)
    left, right = _longer(box.left, box.right, height * wide // high, within[0])
    return box._replace(left=left, right=right)


def _longer(start: int, end: int, length: int, most: int) -> tuple[int, int]:
    """A stretch of ``length`` with the other in its middle, moved so that it lies in 0..most."""
    length = min(max(length, end - start), most)
    start -= (length - (end - start)) // 2
    start = min(max(start, 0), most - length)
    return start, start + length


def without_masked(picture: Picture, mask: Mask) -> Picture:
    """The picture with what is masked filled by the colours around it ("fill").

    What is not masked is blurred over the hole, ever less widely.
    """
    shown = 255 - mask
    weighted = np.dstack([picture.astype(np.float32) * (shown[..., None] / 255), shown])
    premultiplied = Image.fromarray(np.rint(weighted).astype(np.uint8), "RGBa")
    ground = Image.new("RGBA", premultiplied.size)
    for radius, times in _RADII:
        blurred = premultiplied.filter(ImageFilter.GaussianBlur(radius)).convert("RGBA")
        for _ in range(times):
            ground.alpha_composite(blurred)
    return np.asarray(ground.convert("RGB"))


def latent_mask(mask: Mask, width: int, height: int) -> NDArray[np.float32]:
    """The mask in latents: [h, w], 1 where it is drawn over and 0 elsewhere."""
    small = Image.fromarray(mask).resize((width, height), Image.Resampling.BICUBIC)
    return np.around(np.asarray(small, np.float32) / 255).astype(np.float32)


def overlaid(drawn: Picture, below: Picture, mask: Mask) -> Picture:
    """``drawn`` where the mask is, ``below`` elsewhere, mixed where it is soft."""
    share = mask[..., None].astype(np.float32) / 255
    mixed = below + share * (drawn.astype(np.float32) - below)
    return np.rint(mixed).astype(np.uint8)


def put_back(part: Picture, box: Box, below: Picture, mask: Mask) -> Picture:
    """``below`` with a drawn part in its place, where the mask (of all of ``below``, within
    ``box``) is."""
    drawn = resized(part, CROP, *box.size)
    whole = below.copy()
    whole[box.top : box.bottom, box.left : box.right] = overlaid(drawn, box.of(below), box.of(mask))
    return whole
