"""Which parts of a picture are objects, before what they are is asked."""

from __future__ import annotations

import numpy as np

from webui.evaluation.ground import Ground, unrest
from webui.evaluation.regions import Box, box_of, grown, label, shrunk

Array = np.ndarray

THRESHOLDS = (9.0, 18.0)
"""Least L*a*b* distance from the background that can count, and the greatest that is asked for."""
SPECK = 0.0012
"""A part of less area than this share of the squared shorter side is noise."""
OBJECT_SIDE, OBJECT_BREADTH, OBJECT_AREA = 0.12, 0.045, 0.005
"""An object is at least so long and broad, in shorter sides; a star in the sky is less."""
STAR = 0.026
"""Radius of the greatest star's bright part, in shorter sides."""
FRAGMENT_GAP = 0.10
"""Fragments closer than this, in shorter sides, may be one object ..."""
FRAGMENT_ASPECT = 1.6
"""... if together they are no longer than this many times their breadth ..."""
LONGEST = 0.80
"""... nor than this many shorter sides."""
SPLIT_ASPECT = 1.75
"""Something longer than this many times its breadth is looked at for touching objects."""
VALLEY = 0.62
"""Where objects touch, they are at most this share of their breadth wide."""


def threshold_of(difference: Array) -> float:
    """From which distance on [h, w] a pixel belongs to an object."""
    strong = difference[difference > THRESHOLDS[0]]
    if not len(strong):
        return THRESHOLDS[0]
    wanted = max(0.3 * np.percentile(strong, 90), 2 * unrest(difference))
    return float(np.clip(wanted, *THRESHOLDS))


def object_mask(ground: Ground, pixels: Array, *, starry: bool = False) -> Array:
    """What of float pixels [h, w, 3] is not the background, specks left out: bool [h, w].

    In a `starry` sky, what is no broader than a star counts only beside something broader.
    """
    difference = ground.difference(pixels)
    mask = difference > threshold_of(difference)
    side = min(mask.shape)
    if starry:
        reach = max(2, round(STAR * side))
        broad = grown(shrunk(mask, reach), 2 * reach + 2)
        mask &= broad | ~ground.starlight(pixels)
    labels, count = label(mask)
    areas = np.bincount(labels.ravel(), minlength=count + 1)
    kept = areas >= SPECK * side * side
    kept[0] = False
    return kept[labels]


def parts_of(mask: Array) -> list[Box]:
    """Boxes of the connected parts, the largest first."""
    labels, count = label(mask)
    boxes = [box_of(labels == index) for index in range(1, count + 1)]
    return sorted((box for box in boxes if box), key=lambda box: -box.longer)


def belong_together(first: Box, second: Box, side: int) -> bool:
    """Whether two parts can be fragments of one object."""
    both = first.joined(second)
    inside = both in (first, second)
    compact = both.longer <= FRAGMENT_ASPECT * both.shorter and both.longer <= LONGEST * side
    return inside or (compact and first.gap(second) <= FRAGMENT_GAP * side)


def joined_fragments(boxes: list[Box], side: int) -> list[Box]:
    """Boxes with fragments of one object joined, until none are left to join."""
    boxes = list(boxes)
    merged = True
    while merged:
        merged = False
        for i in range(len(boxes)):
            for k in range(len(boxes) - 1, i, -1):
                if belong_together(boxes[i], boxes[k], side):
                    boxes[i] = boxes[i].joined(boxes.pop(k))
                    merged = True
    return boxes


def split_box(mask: Array, box: Box) -> list[Box]:
    """The box of touching objects in a row or column, cut where they touch; else just the box."""
    if box.longer < SPLIT_ASPECT * box.shorter:
        return [box]
    across = box.width > box.height
    profile = mask[box.window].sum(axis=0 if across else 1)
    for count in (3, 2) if box.longer > 2.2 * box.shorter else (2,):
        cuts = _valleys(profile, count)
        if cuts:
            return [_cut(mask, box, across, a, b) for a, b in zip([0, *cuts], [*cuts, len(profile)],
                                                                  strict=True)]  # fmt: skip
    return [box]


def _valleys(profile: Array, count: int) -> list[int]:
    """Where `count` like objects with this profile touch; empty if there are none such."""
    part = len(profile) / count
    cuts = []
    for index in range(1, count):
        low, high = (round((index + shift) * part) for shift in (-0.16, 0.16))
        cut = low + int(np.argmin(profile[low:high]))
        sides = (profile[round(cut - part * 0.8) : cut], profile[cut : round(cut + part * 0.8)])
        if profile[cut] > VALLEY * min(s.max() for s in sides if len(s)):
            return []
        cuts.append(cut)
    return cuts


def _cut(mask: Array, box: Box, across: bool, start: int, end: int) -> Box:
    if across:
        part = Box(box.top, box.bottom, box.left + start, box.left + end)
    else:
        part = Box(box.top + start, box.top + end, box.left, box.right)
    inner = box_of(mask[part.window])
    if inner is None:
        return part
    return Box(
        part.top + inner.top, part.top + inner.bottom,
        part.left + inner.left, part.left + inner.right,
    )  # fmt: skip


def find_objects(mask: Array) -> list[Box]:
    """Boxes of the objects in a mask [h, w], left to right, then top to bottom."""
    side = min(mask.shape)
    boxes = joined_fragments(parts_of(mask), side)
    boxes = [
        box
        for box in boxes
        if box.longer >= OBJECT_SIDE * side
        and box.shorter >= OBJECT_BREADTH * side
        and mask[box.window].sum() >= OBJECT_AREA * side * side
    ]
    found = [part for box in boxes for part in split_box(mask, box)]
    return sorted(found, key=lambda box: (box.left + box.right, box.top))
