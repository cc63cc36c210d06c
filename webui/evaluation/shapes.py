"""Which of five shapes a mask is, by its overlap with drawn templates."""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw

from webui.evaluation.regions import Box, box_of

Array = np.ndarray
Points = list[tuple[float, float]]

CROP = 32
LEAST_OVERLAP = 0.75
ASPECTS = (0.72, 1.39)
TILTS = range(-9, 10, 3)
CANVAS = 512
SCALE = 200.0

TRIANGLE: Points = [(0.0, -1.0), (0.97, 0.68), (-0.97, 0.68)]
SQUARE: Points = [(-0.85, -0.85), (0.85, -0.85), (0.85, 0.85), (-0.85, 0.85)]
STAR: Points = [
    (r * float(np.sin(k * np.pi / 5)), -r * float(np.cos(k * np.pi / 5)))
    for k, r in enumerate((1.05, 0.46) * 5)
]
HEART: Points = [(0.0, -0.672), (0.792, 0.12), (0.0, 0.912), (-0.792, 0.12)]
LOBES: tuple[tuple[float, float, float], ...] = ((-0.396, -0.276, 0.56), (0.396, -0.276, 0.56))


class Outline(NamedTuple):
    """A polygon and discs (x, y, radius), in units of the nominal radius, y downwards."""

    polygon: Points
    discs: tuple[tuple[float, float, float], ...] = ()


OUTLINES: dict[str, Outline] = {
    "circle": Outline([], ((0.0, 0.0, 1.0),)),
    "square": Outline(SQUARE),
    "triangle": Outline(TRIANGLE),
    "star": Outline(STAR),
    "heart": Outline(HEART, LOBES),
}
SHAPES: tuple[str, ...] = tuple(OUTLINES)


class Likeness(NamedTuple):
    """The best template of a mask: '' for no shape; overlap 0..1; the rest as Template's."""

    shape: str
    overlap: float
    area: float
    offset: tuple[float, float]


class Template(NamedTuple):
    """A drawn shape; area in squared radii, offset is its box's middle in radii."""

    shape: str
    crop: Array
    area: float
    offset: tuple[float, float]


def draw_outline(outline: Outline, degrees: float) -> Array:
    """The outline turned clockwise and filled: bool [512, 512], the radius 200 px."""
    turn = np.deg2rad(degrees)
    cos, sin = float(np.cos(turn)), float(np.sin(turn))

    def place(x: float, y: float) -> tuple[float, float]:
        return (
            CANVAS / 2 + SCALE * (x * cos - y * sin),
            CANVAS / 2 + SCALE * (x * sin + y * cos),
        )

    canvas = Image.new("1", (CANVAS, CANVAS))
    draw = ImageDraw.Draw(canvas)
    if outline.polygon:
        draw.polygon([place(x, y) for x, y in outline.polygon], fill=1)
    for x, y, radius in outline.discs:
        draw.circle(place(x, y), radius * SCALE, fill=1)
    return np.asarray(canvas, bool)


def stretched(mask: Array, box: Box) -> Array:
    """The box of a mask 0..1 [h, w], stretched to [32, 32]."""
    part = Image.fromarray(np.asarray(mask[box.window], np.float32))
    return np.asarray(part.resize((CROP, CROP), Image.Resampling.BILINEAR), np.float64)


@cache
def templates() -> tuple[Template, ...]:
    """Every shape at small tilts, each in its own box."""
    made = []
    for name, outline in OUTLINES.items():
        for degrees in TILTS:
            mask = draw_outline(outline, degrees)
            box = box_of(mask)
            assert box is not None
            middle = ((box.left + box.right) / 2, (box.top + box.bottom) / 2)
            offset = ((middle[0] - CANVAS / 2) / SCALE, (middle[1] - CANVAS / 2) / SCALE)
            made.append(Template(name, stretched(mask, box), float(mask.sum()) / SCALE**2, offset))
    return tuple(made)


@cache
def _crops() -> Array:
    return np.stack([template.crop for template in templates()])


def overlap(first: Array, second: Array) -> Array:
    """Soft intersection over union along the last two axes."""
    union = np.maximum(first, second).sum(axis=(-2, -1))
    return np.minimum(first, second).sum(axis=(-2, -1)) / np.maximum(union, 1e-6)


def match_shape(mask: Array, box: Box, least: float = LEAST_OVERLAP) -> Likeness:
    """The shape whose template the box of a mask 0..1 overlaps best.

    It counts only from the `least` overlap on and in a box that is not squashed, so that a blob is
    nothing rather than the nearest name.
    """
    overlaps = overlap(_crops(), stretched(mask, box)[None])
    best = int(np.argmax(overlaps))
    template = templates()[best]
    aspect = box.height / box.width
    sure = overlaps[best] >= least and ASPECTS[0] < aspect < ASPECTS[1]
    name = template.shape if sure else ""
    return Likeness(name, float(overlaps[best]), template.area, template.offset)
