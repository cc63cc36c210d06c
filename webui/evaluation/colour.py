"""Colours by name, at the distances that people see."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

Array = np.ndarray

PALETTE: dict[str, tuple[int, int, int]] = {
    "red": (220, 38, 38),
    "orange": (250, 135, 20),
    "yellow": (250, 220, 50),
    "green": (40, 150, 65),
    "blue": (40, 85, 220),
    "purple": (125, 45, 170),
    "pink": (250, 150, 195),
    "brown": (120, 70, 35),
    "black": (14, 14, 14),
    "gray": (128, 128, 128),
    "white": (250, 250, 250),
}
"""Colour name -> sRGB, 0..255."""
COLOURS: tuple[str, ...] = tuple(PALETTE)

PAPER = 252.0
WASH = 0.72
"""A watercolour's paint covers about so much of the paper."""

_TO_XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
_WHITE = np.array([0.9505, 1.0, 1.089])


def to_lab(rgb: Array | Sequence[float] | Sequence[Sequence[float]]) -> Array:
    """CIE L*a*b* (D65) of sRGB values 0..255, along the last axis."""
    c = np.clip(np.asarray(rgb, np.float64) / 255, 0, 1)
    linear = np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)
    t = linear @ _TO_XYZ.T / _WHITE
    f = np.where(t > (6 / 29) ** 3, np.cbrt(t), t / (3 * (6 / 29) ** 2) + 4 / 29)
    x, y, z = np.moveaxis(f, -1, 0)
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1)


def distance(first: Array, second: Array) -> Array:
    """How far apart two arrays of sRGB colours are in L*a*b*, along the last axis."""
    return np.linalg.norm(to_lab(first) - to_lab(second), axis=-1)


_PALETTE_LAB = to_lab([PALETTE[name] for name in COLOURS])


def nearest_colour(rgb: Array | Sequence[float]) -> str:
    """The palette colour at the smallest distance in L*a*b* from one sRGB colour."""
    return COLOURS[int(np.argmin(np.linalg.norm(_PALETTE_LAB - to_lab(rgb), axis=-1)))]


def undiluted(rgb: Array) -> Array:
    """The paint of which a watercolour shows these sRGB colours, 0..255."""
    return np.clip(PAPER - (PAPER - rgb) / WASH, 0, 255)
