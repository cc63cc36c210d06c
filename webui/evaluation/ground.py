"""What lies behind the objects: a colour for each row, read off the picture's border.

Backgrounds here are plain, a gradient from top to bottom, a night sky, or a plane under a sky, so
one straight line through the border's colours, or one above and one below a horizon, follows all.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache

import numpy as np

from webui.evaluation.colour import COLOURS, PALETTE, PAPER, distance, to_lab, undiluted

Array = np.ndarray

LANDSCAPES: dict[str, tuple[tuple[tuple[int, int, int], tuple[int, int, int]], ...]] = {
    "night sky": (((10, 12, 46), (38, 40, 92)),),
    "grass": (((110, 180, 245), (205, 232, 252)), ((120, 190, 80), (58, 140, 52))),
    "sea": (((110, 180, 245), (205, 232, 252)), ((60, 140, 210), (22, 80, 165))),
}
"""Name -> for each part from top to bottom its upper and lower sRGB colour."""
FADED = 0.72
PROFILE = 32
STARLIGHT = np.array([245.0, 245.0, 245.0])
STAR_TINT = 14.0
SKY_ENDS, PLANE_BEGINS = 0.40, 0.60
"""Between these heights, as shares, lies the horizon."""
LEAST_LIKENESS = 32.0
"""A background farther than this (mean L*a*b* distance) from every known one is none of them."""
WITH_HORIZON = ("grass", "sea")
CREST = (-18.0, 68.0)
"""How much darker or brighter than their row's colour tufts and waves are, in sRGB steps."""
BLOTS = (0.6, 1.45)
"""How deep a watercolour's paint is in places, as shares of what it is on the whole."""
IRLS_ROUNDS = 12
OUTLIER = 30.0


def distance_to_blend(pixels: Array, first: Array, second: Array) -> Array:
    """L*a*b* distance of sRGB pixels [..., 3] from the nearest mixture of two colours."""
    step = second - first
    length = np.maximum((step**2).sum(axis=-1, keepdims=True), 1.0)
    share = np.clip(((pixels - first) * step).sum(axis=-1, keepdims=True) / length, 0, 1)
    return distance(pixels, first + share * step)


@dataclass(frozen=True)
class Ground:
    """The empty picture: `rows` float [height, 3] sRGB; `horizon` is a row, 0 where there is none.

    Below the horizon pixels may be as much brighter or darker as waves are; in a watercolour they
    may everywhere be as much paler or deeper as blots are.
    """

    rows: Array
    horizon: int
    style: str = ""

    def difference(self, pixels: Array) -> Array:
        """L*a*b* distance of float pixels [h, w, 3] from what would lie there: [h, w]."""
        rows = self.rows[:, None]
        if self.style == "watercolour":
            pale, deep = (PAPER - (PAPER - rows) * depth for depth in BLOTS)
            far = distance_to_blend(pixels, pale, np.clip(deep, 0, 255))
        else:
            far = distance(pixels, rows)
        if not self.horizon:
            return far
        crest = np.clip((pixels - rows).mean(axis=-1, keepdims=True), *CREST)
        crest[: self.horizon - 2] = 0
        far = np.minimum(far, distance(pixels - crest, rows))
        edge = self._edge
        sky, plane = self.rows[edge.start], self.rows[edge.stop - 1]
        for wave in np.linspace(*CREST, 5):
            mixed = distance_to_blend(pixels[edge], sky, np.clip(plane + wave, 0, 255))
            far[edge] = np.minimum(far[edge], mixed)
        return far

    def starlight(self, pixels: Array) -> Array:
        """Where pixels [h, w, 3] are the background with some white light on it: bool [h, w]."""
        middle = self.rows.mean(axis=0)
        return distance_to_blend(pixels, middle, STARLIGHT) < STAR_TINT

    @property
    def _edge(self) -> slice:
        """Rows in which sky and plane may mix."""
        reach = max(3, round((0.05 if self.style else 0.025) * len(self.rows)))
        return slice(max(0, self.horizon - reach), min(len(self.rows), self.horizon + reach))


@dataclass(frozen=True)
class GroundVerdict:
    """What the background is; '' for what it is not known by or has not."""

    kind: str
    colour: str


def frame_width(pixels: Array) -> int:
    """How many pixels along each edge are looked at; objects seldom come that near."""
    return max(2, round(0.02 * min(pixels.shape[:2])))


def border(pixels: Array) -> tuple[Array, Array]:
    """Heights 0..1 [N] and colours [N, 3] of a thin frame along the picture's edges."""
    height, width = pixels.shape[:2]
    thick = frame_width(pixels)
    y = (np.arange(height) + 0.5) / height
    sides = [np.median(part, axis=1) for part in (pixels[:, :thick], pixels[:, -thick:])]
    step = max(1, width // 24)
    ends = [pixels[:thick, ::step], pixels[-thick:, ::step]]
    levels = [np.repeat(y[rows], part.shape[1]) for rows, part in
              zip((slice(thick), slice(-thick, None)), ends, strict=True)]  # fmt: skip
    colours = np.concatenate([*sides, *(part.reshape(-1, 3) for part in ends)])
    return np.concatenate([y, y, *levels]), colours


def robust_line(y: Array, colours: Array) -> tuple[Array, Array]:
    """Offset [3] and slope [3] of the line with the least sum of distances."""
    weights = np.ones(len(y))
    offset, slope = np.zeros(3), np.zeros(3)
    for _ in range(IRLS_ROUNDS):
        total = weights.sum()
        middle, mean = weights @ y / total, weights @ colours / total
        spread = weights @ (y - middle) ** 2
        slope = (weights * (y - middle)) @ (colours - mean) / max(spread, 1e-9)
        offset = mean - slope * middle
        error = np.linalg.norm(offset + y[:, None] * slope - colours, axis=1)
        weights = 1 / np.maximum(error, 1.0)
    return offset, slope


def fit_ground(pixels: Array, style: str = "") -> Ground:
    """The background of float sRGB pixels [h, w, 3], from their border alone.

    `style` is how the picture is painted, if that is known.
    """
    height = len(pixels)
    y, colours = border(pixels)
    levels = ((np.arange(height) + 0.5) / height)[:, None]
    if likeliest(pixels, style).kind in WITH_HORIZON:
        parts = [robust_line(y[side], colours[side]) for side in (y < SKY_ENDS, y > PLANE_BEGINS)]
        sky, plane = (np.clip(offset + levels * slope, 0, 255) for offset, slope in parts)
        return Ground(*split_at_horizon(pixels, sky, plane), style)
    offset, slope = robust_line(y, colours)
    return Ground(np.clip(offset + levels * slope, 0, 255), 0, style)


def likeliest(pixels: Array, style: str) -> GroundVerdict:
    """The known background nearest to one of the two sides, band by band."""
    thick = frame_width(pixels)
    bands = np.array_split(np.arange(len(pixels)), PROFILE)
    sides = np.array(
        [
            [np.median(part[band].reshape(-1, 3), axis=0) for band in bands]
            for part in (pixels[:, :thick], pixels[:, -thick:])
        ]
    )
    lab = to_lab(undiluted(sides) if style == "watercolour" else sides)
    profiles, verdicts = known_grounds()
    far = np.linalg.norm(profiles[:, None] - lab, axis=-1).min(axis=1).mean(axis=-1)
    return verdicts[int(np.argmin(far))]


def split_at_horizon(pixels: Array, sky: Array, plane: Array) -> tuple[Array, int]:
    """Rows [h, 3] that are `sky` above and `plane` below, and the row of their border."""
    thick = frame_width(pixels)
    sides = np.concatenate([pixels[:, :thick], pixels[:, -thick:]], axis=1)
    above = np.minimum(Ground(sky, 0).difference(sides), OUTLIER).mean(axis=1)
    rest = sides - plane[:, None]
    crest = np.clip(rest.mean(axis=-1, keepdims=True), *CREST)
    below = np.minimum(distance(sides - crest, plane[:, None]), OUTLIER).mean(axis=1)
    costs = np.cumsum(np.concatenate([[0.0], above - below]))
    first, last = (round(edge * len(sky)) for edge in (SKY_ENDS, PLANE_BEGINS))
    horizon = first + int(np.argmin(costs[first : last + 1]))
    return np.concatenate([sky[:horizon], plane[horizon:]]), horizon


def unrest(difference: Array) -> float:
    """How far the background itself is from its fit, by the border of a difference [h, w]."""
    thick = frame_width(difference)
    edges = (difference[:thick], difference[-thick:], difference[:, :thick], difference[:, -thick:])
    return float(np.percentile(np.concatenate([edge.ravel() for edge in edges]), 75))


def refined(ground: Ground, pixels: Array, taken: Array) -> Ground:
    """The ground with each row moved to the median of its pixels that are not `taken` [h, w]."""
    rest = pixels - ground.rows[:, None]
    if ground.horizon:
        crest = np.clip(rest.mean(axis=-1, keepdims=True), *CREST)
        crest[: ground.horizon] = 0
        rest = rest - crest
    free = ~taken
    shift = np.zeros_like(ground.rows)
    for row in np.flatnonzero(free.mean(axis=1) > 0.12):
        shift[row] = np.median(rest[row, free[row]], axis=0)
    return replace(ground, rows=np.clip(ground.rows + shift, 0, 255))


def _profile(parts: tuple[tuple[Array, Array], ...]) -> Array:
    levels = (np.arange(PROFILE // len(parts)) + 0.5)[:, None] / (PROFILE // len(parts))
    return np.concatenate([top + levels * (low - top) for top, low in parts])


@cache
def known_grounds() -> tuple[Array, tuple[GroundVerdict, ...]]:
    """L*a*b* profiles [K, 32, 3] of every background there is, and what each is."""
    profiles: list[Array] = []
    verdicts: list[GroundVerdict] = []
    for name in COLOURS:
        top = np.array(PALETTE[name], np.float64)
        end = np.full(3, 140.0 if name == "white" else 255.0)
        for kind, low in (("plain", top), ("gradient", top + FADED * (end - top))):
            profiles.append(_profile(((top, low),)))
            verdicts.append(GroundVerdict(kind, name))
    for kind, parts in LANDSCAPES.items():
        pairs = tuple((np.array(top, float), np.array(low, float)) for top, low in parts)
        profiles.append(_profile(pairs))
        verdicts.append(GroundVerdict(kind, ""))
    return to_lab(np.stack(profiles)), tuple(verdicts)


def name_ground(ground: Ground) -> GroundVerdict:
    """The known background whose profile is nearest."""
    rows = undiluted(ground.rows) if ground.style == "watercolour" else ground.rows
    places = ((np.arange(PROFILE) + 0.5) / PROFILE * len(rows)).astype(int)
    profiles, verdicts = known_grounds()
    far = np.linalg.norm(profiles - to_lab(rows[places]), axis=-1).mean(axis=-1)
    best = int(np.argmin(far))
    return verdicts[best] if far[best] < LEAST_LIKENESS else GroundVerdict("", "")
