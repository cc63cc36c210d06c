"""Pictures brought to another size: pure functions of 8-bit pictures [H, W, 3]."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Picture = NDArray[np.uint8]
"""[H, W, 3], 0..255."""

JUST, CROP, FILL, LATENT = (
    "Just resize",
    "Crop and resize",
    "Resize and fill",
    "Just resize (latent upscale)",
)

_MAX_SCALED = 64_000_000
"""Pixels of which a middle is cut out; beyond, only the middle is made."""


def stretched(picture: Picture, width: int, height: int, *, nearest: bool = False) -> Picture:
    """The picture at that size whatever its shape, by Lanczos as A1111 resizes."""
    if picture.shape[:2] == (height, width):
        return picture
    kind = Image.Resampling.NEAREST if nearest else Image.Resampling.LANCZOS
    return np.asarray(Image.fromarray(picture).resize((width, height), kind))


def covering(picture: Picture, width: int, height: int) -> Picture:
    """The middle of the picture, enlarged until it covers width × height ("Crop and resize")."""
    size = _scaled(picture, width, height, cover=True)
    if size[0] * size[1] > _MAX_SCALED:
        return _middle(picture, width, height, size)
    scaled = stretched(picture, *size)
    top, left = (scaled.shape[0] - height) // 2, (scaled.shape[1] - width) // 2
    return scaled[top : top + height, left : left + width]


def _middle(picture: Picture, width: int, height: int, scaled: tuple[int, int]) -> Picture:
    """As :func:`covering`, for a long narrow one: what is cut off of ``scaled`` is never made."""
    rows, columns = picture.shape[:2]
    across, down = width * columns / scaled[0], height * rows / scaled[1]
    left, top = (columns - across) / 2, (rows - down) / 2
    image = Image.fromarray(picture)
    box = (left, top, left + across, top + down)
    return np.asarray(image.resize((width, height), Image.Resampling.LANCZOS, box=box))


def filled(picture: Picture, width: int, height: int) -> Picture:
    """The whole picture in the middle of width × height, the rest filled with the colours of its
    edge ("Resize and fill")."""
    scaled = stretched(picture, *_scaled(picture, width, height, cover=False))
    rows, columns = height - scaled.shape[0], width - scaled.shape[1]
    margins = ((rows // 2, rows - rows // 2), (columns // 2, columns - columns // 2), (0, 0))
    return np.pad(scaled, margins, mode="edge")


def resized(picture: Picture, mode: str, width: int, height: int) -> Picture:
    """The picture at that size by one of A1111's resize modes."""
    if mode == CROP:
        return covering(picture, width, height)
    return filled(picture, width, height) if mode == FILL else stretched(picture, width, height)


def _scaled(picture: Picture, width: int, height: int, *, cover: bool) -> tuple[int, int]:
    """The picture's size with its own shape: as small as covers the other, or as large as fits."""
    rows, columns = picture.shape[:2]
    is_wide = columns * height > width * rows
    if is_wide == cover:  # its height is the one that fits
        side = max(columns * height // rows, 1)
        return (max(side, width) if cover else side), height
    side = max(rows * width // columns, 1)
    return width, (max(side, height) if cover else side)
