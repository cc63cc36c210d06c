"""Colours as people see them."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import numpy as np

from tools.starter.palette import COLOURS, PALETTE


def to_lab(rgb: np.ndarray | Sequence[float]) -> np.ndarray:
    """CIE L*a*b* (D65) of sRGB values 0..255, along the last axis."""
    c = np.asarray(rgb, np.float64) / 255
    linear = np.where(c <= 0.04045, c / 12.92, ((np.maximum(c, 0) + 0.055) / 1.055) ** 2.4)
    matrix = np.array(
        [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    )
    t = linear @ matrix.T / np.array([0.9505, 1.0, 1.089])
    f = np.where(t > (6 / 29) ** 3, np.cbrt(t), t / (3 * (6 / 29) ** 2) + 4 / 29)
    x, y, z = np.moveaxis(f, -1, 0)
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1)


def difference(first: Sequence[float], second: Sequence[float]) -> float:
    """Distance of two sRGB colours in L*a*b*."""
    return float(np.linalg.norm(to_lab(first) - to_lab(second)))


@functools.cache
def palette_lab() -> np.ndarray:
    """The palette in L*a*b*: [11, 3], in the order of COLOURS."""
    return to_lab(np.array([PALETTE[name] for name in COLOURS]))


def nearest_colour(rgb: np.ndarray | Sequence[float]) -> str:
    """The palette colour at the smallest distance in L*a*b*."""
    return COLOURS[int(np.argmin(np.linalg.norm(palette_lab() - to_lab(rgb), axis=-1)))]
