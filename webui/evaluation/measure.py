"""What a picture shows: objects, their number, place, size and colour, and what lies behind them.

Everything but the names of glyphs is geometry and colour; glyphs are named by a small classifier
of its own. Nothing here shares weights with a model that draws.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from webui.evaluation.classifier import name_objects
from webui.evaluation.colour import distance, nearest_colour, undiluted
from webui.evaluation.ground import Ground, fit_ground, name_ground, refined
from webui.evaluation.objects import find_objects, object_mask
from webui.evaluation.regions import Box, filled, grown, shrunk
from webui.evaluation.shapes import LEAST_OVERLAP, match_shape

Array = np.ndarray

SIZE_LIMITS = {1: (0.18, 0.29), 2: (0.1475, 0.1995), 3: (0.12, 0.1465)}
"""Number of objects -> radius (in shorter sides) below which they are small, above which large."""
PLACE_LIMIT = 0.0875
"""How far from the middle, as a share of the side, objects are at the left, top ..."""
STYLED_OVERLAP = 0.65
"""Lines have a width, blots waver, blocks have steps."""
HOLLOW_OR_BLOTTED = ("outline", "watercolour")
FLAT_DISTANCE, FLAT_SHARE = 22.0, 0.85
"""A shape has one colour: so much of it lies within this L*a*b* distance of it."""
OTHER_EXTENT = 1.97
"""An object's box that is no shape is so many radii long."""


@dataclass(frozen=True)
class Verdict:
    """What was measured; '' where nothing recognisable was found.

    `shape`, `glyph` and `colour` are what most of the objects are; `overlap` is the first object's
    with its best template, `area` the objects' share of the picture.
    """

    background: str
    background_colour: str
    count: int = 0
    shape: str = ""
    glyph: str = ""
    colour: str = ""
    size: str = ""
    place: str = ""
    overlap: float = 0.0
    area: float = 0.0


@dataclass(frozen=True)
class Found:
    """One object: its colour and shape, radius in pixels and middle (x, y) in pixels."""

    box: Box
    shape: str
    colour: str
    overlap: float
    radius: float
    middle: tuple[float, float]


def measure(image: Array, style: str = "") -> Verdict:
    """Measure a uint8 picture [h, w, 3].

    `style` is what the prompt asked for: outlines are filled before their shape is asked, and a
    watercolour's colours are taken for paler ones.
    """
    pixels = np.asarray(image, np.float64)
    ground = fit_ground(pixels, style)
    ground = refined(ground, pixels, grown(object_mask(ground, pixels), 2))
    behind = name_ground(ground)
    mask = object_mask(ground, pixels, starry=behind.kind == "night sky")
    found = [look_at(box, mask, ground, pixels, style) for box in find_objects(mask)]
    if not found:
        return Verdict(behind.kind, behind.colour)
    frame = (pixels.shape[1], pixels.shape[0])
    return Verdict(
        behind.kind,
        behind.colour,
        count=len(found),
        shape=majority([item.shape for item in found]),
        glyph=majority(name_objects(image, [item.box for item in found])),
        colour=majority([item.colour for item in found]),
        size=size_of(found, min(frame)),
        place=place_of(found, frame),
        overlap=found[0].overlap,
        area=float(mask.mean()),
    )


def majority(names: Sequence[str]) -> str:
    """The name that more than half of them are, else ''."""
    name, times = Counter(names).most_common(1)[0]
    return name if 2 * times > len(names) else ""


def look_at(box: Box, mask: Array, ground: Ground, pixels: Array, style: str) -> Found:
    """One object's colour, shape, size and middle."""
    part = mask[box.window]
    inside = pixels[box.window]
    behind = np.broadcast_to(ground.rows[box.top : box.bottom, None], inside.shape)
    far = np.where(part, distance(inside, behind), 0)
    colour = np.median(inside[far >= 0.7 * np.percentile(far[part], 90)], axis=0)
    soft = coverage(inside, behind, colour, part)
    if style == "outline":
        soft = np.maximum(soft, filled(soft > 0.5))
    whole = np.zeros(mask.shape)
    whole[box.window] = soft
    tight = tight_box(whole, box)
    like = match_shape(whole, tight, STYLED_OVERLAP if style else LEAST_OVERLAP)
    name, radius, offset = "", tight.longer / OTHER_EXTENT, (0.0, 0.0)
    if like.shape and (style in HOLLOW_OR_BLOTTED or is_flat(inside, soft, colour)):
        name, radius = like.shape, float(np.sqrt(whole.sum() / like.area))
        offset = like.offset
    middle = (
        (tight.left + tight.right) / 2 - offset[0] * radius,
        (tight.top + tight.bottom) / 2 - offset[1] * radius,
    )
    paint = undiluted(colour) if style == "watercolour" else colour
    return Found(box, name, nearest_colour(paint), like.overlap, radius, middle)


def is_flat(inside: Array, soft: Array, colour: Array) -> bool:
    """Whether what is well inside `soft` [h, w] of the pixels [h, w, 3] has one colour."""
    core = shrunk(soft > 0.9, 1)
    if not core.any():
        return False
    return bool((distance(inside[core], colour) < FLAT_DISTANCE).mean() >= FLAT_SHARE)


def coverage(inside: Array, behind: Array, colour: Array, part: Array) -> Array:
    """How much of each pixel [h, w, 3] is of the object's colour, or in its mask: [h, w], 0..1."""
    step = colour - behind
    along = ((inside - behind) * step).sum(axis=-1) / np.maximum((step**2).sum(axis=-1), 1.0)
    edge = grown(part, 1) & ~shrunk(part, 1)
    return np.where(edge, np.clip(along, 0, 1), part)


def tight_box(soft: Array, box: Box) -> Box:
    """The box of the half level, ignoring stray pixels; the given box where there is none."""
    solid = soft > 0.5
    rows, columns = np.flatnonzero(solid.sum(1) >= 2), np.flatnonzero(solid.sum(0) >= 2)
    if len(rows) < 4 or len(columns) < 4:
        return box
    return Box(int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1)


def size_of(found: Sequence[Found], side: int) -> str:
    """'small', 'large' or '' for ordinary ones."""
    small, large = SIZE_LIMITS[min(len(found), 3)]
    radius = float(np.mean([item.radius for item in found])) / side
    return "small" if radius < small else "large" if radius > large else ""


def place_of(found: Sequence[Found], frame: tuple[int, int]) -> str:
    """Where the middle of all objects is: left, right, top, bottom or centre."""
    middle = np.array([item.middle for item in found])
    x, y = (middle.min(axis=0) + middle.max(axis=0)) / 2 / frame - 0.5
    if max(abs(x), abs(y)) < PLACE_LIMIT:
        return "centre"
    if abs(x) > abs(y):
        return "left" if x < 0 else "right"
    return "top" if y < 0 else "bottom"
