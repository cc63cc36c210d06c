"""Tells shape, colour and background of a picture by measuring it; knows nothing of the model."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from tools.starter.palette import COLOURS, PALETTE
from tools.starter.render import coverage
from tools.starter.scene import SHAPES, Thing

CROP = 32
LEAST_OVERLAP = 0.75
LEAST_CONTRAST = 9.0


@dataclass(frozen=True)
class Verdict:
    """What was measured; '' where nothing recognisable was found."""

    shape: str
    colour: str
    background: str
    overlap: float
    area: float


def to_lab(rgb: np.ndarray) -> np.ndarray:
    """CIE L*a*b* (D65) of sRGB values 0..255, along the last axis."""
    c = np.asarray(rgb, np.float64) / 255
    linear = np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)
    matrix = np.array(
        [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    )
    t = linear @ matrix.T / np.array([0.9505, 1.0, 1.089])
    f = np.where(t > (6 / 29) ** 3, np.cbrt(t), t / (3 * (6 / 29) ** 2) + 4 / 29)
    x, y, z = np.moveaxis(f, -1, 0)
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1)


def nearest_colour(rgb: np.ndarray) -> str:
    """The palette colour at the smallest distance in L*a*b*."""
    table = to_lab(np.array([PALETTE[name] for name in COLOURS]))
    return COLOURS[int(np.argmin(np.linalg.norm(table - to_lab(rgb), axis=-1)))]


def background_of(image: np.ndarray) -> np.ndarray:
    """Median colour of the four corners: float [3]."""
    n = max(2, len(image) // 12)
    corners = [image[:n, :n], image[:n, -n:], image[-n:, :n], image[-n:, -n:]]
    return np.median(np.concatenate([c.reshape(-1, 3) for c in corners]), axis=0)


def object_mask(image: np.ndarray, background: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """Soft mask [h, w] of what differs from the background, and its colour; None if nothing."""
    distance = np.linalg.norm(to_lab(image) - to_lab(background), axis=-1)
    peak = np.percentile(distance, 99)
    if peak < LEAST_CONTRAST:
        return None
    colour = np.median(image[distance > 0.7 * peak], axis=0)
    step = colour - background
    mask = np.clip((image - background) @ step / max(1e-6, float(step @ step)), 0, 1)
    return mask, colour


def crop_box(mask: np.ndarray) -> tuple[int, int, int, int] | None:
    """Top, bottom, left, right of the mask's half level, ignoring stray pixels; None if empty."""
    solid = mask > 0.5
    rows, columns = np.flatnonzero(solid.sum(1) >= 2), np.flatnonzero(solid.sum(0) >= 2)
    if len(rows) < 4 or len(columns) < 4:
        return None
    return int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1


def resample(mask: np.ndarray, box: tuple[int, int, int, int]) -> np.ndarray:
    """The box of the mask, stretched to [CROP, CROP] by bilinear look-up."""
    top, bottom, left, right = box
    steps = (np.arange(CROP) + 0.5) / CROP
    y = np.clip(top + steps * (bottom - top) - 0.5, 0, mask.shape[0] - 1)
    x = np.clip(left + steps * (right - left) - 0.5, 0, mask.shape[1] - 1)
    y0, x0 = np.floor(y).astype(int), np.floor(x).astype(int)
    y1, x1 = np.minimum(y0 + 1, mask.shape[0] - 1), np.minimum(x0 + 1, mask.shape[1] - 1)
    fy, fx = (y - y0)[:, None], (x - x0)[None, :]
    upper = mask[np.ix_(y0, x0)] * (1 - fx) + mask[np.ix_(y0, x1)] * fx
    lower = mask[np.ix_(y1, x0)] * (1 - fx) + mask[np.ix_(y1, x1)] * fx
    return upper * (1 - fy) + lower * fy


@cache
def templates() -> tuple[np.ndarray, tuple[str, ...]]:
    """Every shape at small tilts and two sizes, each in its own box: [K, CROP, CROP], names."""
    masks, names = [], []
    for shape in SHAPES:
        for angle in range(-9, 10, 3):
            for radius in (0.22, 0.38):
                mask = coverage(Thing(shape, "", radius, angle=angle), 64)
                box = crop_box(mask)
                assert box is not None
                masks.append(resample(mask, box))
                names.append(shape)
    return np.stack(masks), tuple(names)


def overlap(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Soft intersection over union along the last two axes."""
    union = np.maximum(first, second).sum(axis=(-2, -1))
    return np.minimum(first, second).sum(axis=(-2, -1)) / np.maximum(union, 1e-6)


def judge(image: np.ndarray) -> Verdict:
    """Measure a uint8 [h, w, 3] picture of one object on a plain background.

    A shape counts only when it overlaps its template by at least 0.75 and its box is not
    squashed, so that a blob is nothing rather than the nearest name.
    """
    pixels = np.asarray(image, np.float64)
    ground = background_of(pixels)
    found = object_mask(pixels, ground)
    background = nearest_colour(ground)
    box = crop_box(found[0]) if found else None
    if found is None or box is None:
        return Verdict("", "", background, 0.0, 0.0)
    mask, colour = found
    masks, names = templates()
    overlaps = overlap(masks, resample(mask, box)[None])
    best = int(np.argmax(overlaps))
    aspect = (box[1] - box[0]) / (box[3] - box[2])
    sure = overlaps[best] >= LEAST_OVERLAP and 0.72 < aspect < 1.39
    shape = names[best] if sure else ""
    return Verdict(
        shape, nearest_colour(colour), background, float(overlaps[best]), float(mask.mean())
    )
