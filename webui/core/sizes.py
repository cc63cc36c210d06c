"""Sizes of pictures that are enlarged or fitted: pure arithmetic in pixels."""

from __future__ import annotations

import math
from dataclasses import dataclass

Size = tuple[int, int]
"""(width, height) in pixels."""

UNIT = 8
"""Sides of what is drawn are multiples of this many pixels: one latent."""


@dataclass(frozen=True, slots=True)
class Enlarged:
    """To what size a picture is enlarged, and the size of the middle of it that is kept."""

    scaled: Size
    final: Size


def hires_size(size: Size, scale: float, wanted: Size = (0, 0)) -> Enlarged:
    """What the second pass draws at, as A1111 counts.

    ``scale`` times the first pass's ``size`` where ``wanted`` is (0, 0); with one side of it given
    the other follows; with both, the picture is enlarged until it covers them and the rest is cut
    off. Sides become multiples of 8 (downwards, at least 8).
    """
    width, height = size
    to_width, to_height = wanted
    if not to_width and not to_height:
        scaled = (whole(int(width * scale)), whole(int(height * scale)))
        return Enlarged(scaled, scaled)
    if not to_height:
        scaled = (whole(to_width), whole(to_width * height // width))
        return Enlarged(scaled, scaled)
    if not to_width:
        scaled = (whole(to_height * width // height), whole(to_height))
        return Enlarged(scaled, scaled)
    final = (whole(to_width), whole(to_height))
    if width * to_height < height * to_width:  # narrower than wanted: as wide, and higher
        scaled = (final[0], max(whole(final[0] * height // width), final[1]))
    else:
        scaled = (max(whole(final[1] * width // height), final[0]), final[1])
    return Enlarged(scaled, final)


def whole(side: int) -> int:
    """The next multiple of 8 that is not above ``side``, at least 8."""
    return max(side - side % UNIT, UNIT)


def own_size(size: Size, given: Size, least: int, most: int, pixels: int) -> Size:
    """What a picture of ``size`` is drawn over at: its own size as multiples of 8, sides of
    ``least`` to ``most`` and at most so many ``pixels`` in all, in its shape.

    Where one side is ``given`` (the other 0) the other follows from it; where both are, they are
    the answer.
    """
    (width, height), (wide, high) = size, given
    if wide and high:
        return given
    if wide or high:
        share = wide / width if wide else high / height
    else:
        share = min(1.0, most / max(size), math.sqrt(pixels / (width * height)))
    found = [min(max(whole(round(side * share)), least), most) for side in size]
    return wide or found[0], high or found[1]


def second_pass_steps(steps: int, strength: float) -> tuple[int, int]:
    """(steps of the whole schedule, how many of its last steps are taken) so that exactly ``steps``
    are taken: how A1111 counts the steps of the second pass.

    ``strength`` is 0..1; at 0 nothing is drawn over.
    """
    if strength <= 0:
        return 0, 0
    whole_schedule = int(steps / min(strength, 0.999))
    return whole_schedule, min(steps, whole_schedule)


def partial_steps(steps: int, strength: float) -> tuple[int, int]:
    """(steps of the whole schedule, how many of its last steps are taken) where ``strength``
    shortens the schedule: how A1111 counts the steps of img2img."""
    if strength <= 0:
        return steps, 0
    return steps, min(int(min(strength, 0.999) * steps) + 1, steps)
