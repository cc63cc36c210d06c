"""What is in a picture, as plain frozen values, and how scenes are drawn at random."""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np

from tools.starter.palette import COLOURS

SHAPES: tuple[str, ...] = ("circle", "square", "triangle", "star", "heart")
SIZE_WORDS: tuple[str, ...] = ("small", "large")

RADIUS_RANGE = (0.23, 0.41)
SMALL_RADIUS = (0.21, 0.27)
LARGE_RADIUS = (0.35, 0.42)
MARGIN = 0.05
JITTER = 0.07
TILT_DEGREES = 7.0


@dataclass(frozen=True)
class Thing:
    """One object: what it is, and where it lies in a frame whose sides are 1 (y points down)."""

    shape: str
    colour: str
    radius: float
    x: float = 0.5
    y: float = 0.5
    angle: float = 0.0
    size_word: str = ""


@dataclass(frozen=True)
class Scene:
    """A picture before it is drawn: objects back to front on a plain background."""

    things: tuple[Thing, ...]
    background: str

    @property
    def combination(self) -> tuple[str, str, str]:
        """The (shape, colour, background) of the first object."""
        return (self.things[0].shape, self.things[0].colour, self.background)


def is_held_out(shape: str, colour: str, background: str) -> bool:
    """True for the tenth of all combinations that training never sees."""
    return zlib.crc32(f"{shape}/{colour}/{background}".encode()) % 10 == 0


def combinations(held_out: bool) -> list[tuple[str, str, str]]:
    """All visible (shape, colour, background) triples on one side of the split."""
    return [
        (shape, colour, background)
        for shape in SHAPES
        for colour in COLOURS
        for background in COLOURS
        if colour != background and is_held_out(shape, colour, background) == held_out
    ]


TRAINING_COMBINATIONS = tuple(combinations(held_out=False))


def draw_radius(rng: np.random.Generator, size_word: str) -> float:
    """A radius in frame units that agrees with the size word ('' allows all)."""
    ranges = {"": RADIUS_RANGE, "small": SMALL_RADIUS, "large": LARGE_RADIUS}
    return float(rng.uniform(*ranges[size_word]))


def place_scene(rng: np.random.Generator, combination: tuple[str, str, str]) -> Scene:
    """One object of the combination at a random size, near the middle, wholly inside the frame."""
    shape, colour, background = combination
    size_word = str(rng.choice(("", "", *SIZE_WORDS)))
    radius = draw_radius(rng, size_word)
    room = max(0.0, min(JITTER, 0.5 - MARGIN - radius))
    x, y = 0.5 + rng.uniform(-room, room, size=2)
    angle = float(rng.uniform(-TILT_DEGREES, TILT_DEGREES))
    thing = Thing(shape, colour, radius, float(x), float(y), angle, size_word)
    return Scene((thing,), background)


def draw_scene(rng: np.random.Generator) -> Scene:
    """A random scene of the training side of the split."""
    return place_scene(rng, TRAINING_COMBINATIONS[rng.integers(len(TRAINING_COMBINATIONS))])
