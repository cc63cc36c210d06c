"""What is in a picture, as plain frozen values, and how scenes are drawn at random.

Lengths are in frame units: x runs 0..1 over the width, y 0..1 downwards over the height, and a
radius is a share of the shorter side.
"""

from __future__ import annotations

import functools
import zlib
from dataclasses import dataclass, replace

import numpy as np

from tools.starter.colour import difference
from tools.starter.glyphs import GLYPHS, main_colour
from tools.starter.palette import COLOURS, PALETTE

SHAPES: tuple[str, ...] = ("circle", "square", "triangle", "star", "heart")
OBJECTS: tuple[str, ...] = (*SHAPES, *GLYPHS)
SIZE_WORDS: tuple[str, ...] = ("small", "large")
PLACES: tuple[str, ...] = ("left", "right", "top", "bottom", "centre")
PLACES_XY: dict[str, tuple[float, float]] = {
    "left": (0.27, 0.5),
    "right": (0.73, 0.5),
    "top": (0.5, 0.27),
    "bottom": (0.5, 0.73),
    "centre": (0.5, 0.5),
}
LANDSCAPES: tuple[str, ...] = ("night sky", "grass", "sea")
STYLES: tuple[str, ...] = ("pixel art", "outline", "watercolour")

RADII: dict[tuple[int, str], tuple[float, float]] = {
    (1, ""): (0.20, 0.27),
    (1, "small"): (0.125, 0.16),
    (1, "large"): (0.31, 0.37),
    (2, ""): (0.165, 0.20),
    (2, "small"): (0.11, 0.13),
    (2, "large"): (0.205, 0.225),
    (3, ""): (0.125, 0.15),
    (3, "small"): (0.10, 0.115),
    (3, "large"): (0.15, 0.16),
}
"""(count, size word) -> least and greatest radius."""

MARGIN = 0.02
TILT_DEGREES = 7.0
LEAST_CONTRAST = 30.0
"""Least colour difference (L*a*b*) between an object and what lies behind it."""

LANDSCAPE_COLOURS = {"night sky": (18, 20, 60), "grass": (85, 165, 65), "sea": (40, 110, 190)}


@dataclass(frozen=True)
class Background:
    """Plain colour, gradient of a colour, or a landscape (which has no colour of its own)."""

    kind: str = "plain"
    colour: str = ""

    @property
    def name(self) -> str:
        """'red', 'red gradient', 'sea' ..."""
        return {"plain": self.colour, "gradient": f"{self.colour} gradient"}.get(
            self.kind, self.kind
        )


@dataclass(frozen=True)
class Thing:
    """One object: what it is, and where it lies; a glyph has no colour of its own."""

    what: str
    colour: str
    radius: float
    x: float = 0.5
    y: float = 0.5
    angle: float = 0.0


@dataclass(frozen=True)
class Scene:
    """A picture before it is drawn: one to three like objects before a background."""

    things: tuple[Thing, ...]
    background: Background
    size: str = ""
    place: str = ""
    style: str = ""
    texture: int = 0
    """Seed of what differs from picture to picture without being said: stars, waves, blots."""

    @property
    def subject(self) -> Subject:
        """What of the scene the held-out split looks at."""
        return Subject(self.things[0].what, self.things[0].colour, self.background)

    @property
    def count(self) -> int:
        """How many objects."""
        return len(self.things)


@dataclass(frozen=True)
class Subject:
    """An object, its colour and its background."""

    what: str
    colour: str
    background: Background

    @property
    def held_out(self) -> bool:
        """True for the tenth of all subjects that training never sees."""
        key = f"{self.what}/{self.colour}/{self.background.name}"
        return zlib.crc32(key.encode()) % 10 == 0

    @property
    def visible(self) -> bool:
        """Whether the object stands out from its background."""
        own = PALETTE[self.colour] if self.colour else main_colour(self.what)
        behind = (
            PALETTE[self.background.colour]
            if self.background.colour
            else LANDSCAPE_COLOURS[self.background.kind]
        )
        return difference(own, behind) >= LEAST_CONTRAST


BACKGROUNDS: tuple[Background, ...] = (
    *(Background("plain", colour) for colour in COLOURS),
    *(Background("gradient", colour) for colour in COLOURS),
    *(Background(kind) for kind in LANDSCAPES),
)


@functools.cache
def subjects(held_out: bool) -> tuple[Subject, ...]:
    """All visible subjects on one side of the split."""
    every = (
        Subject(what, colour, background)
        for what in OBJECTS
        for colour in (COLOURS if what in SHAPES else ("",))
        for background in BACKGROUNDS
    )
    return tuple(s for s in every if s.visible and s.held_out == held_out)


@functools.cache
def _table(held_out: bool) -> dict[tuple[str, str], tuple[Subject, ...]]:
    table: dict[tuple[str, str], list[Subject]] = {}
    for subject in subjects(held_out):
        kind = subject.background.kind
        table.setdefault((subject.what, kind), []).append(subject)
    return {key: tuple(options) for key, options in table.items()}


@dataclass(frozen=True)
class Mixture:
    """How often what is drawn; shares of all scenes."""

    glyph: float = 0.66
    plain: float = 0.55
    gradient: float = 0.15
    count: tuple[float, float, float] = (0.70, 0.17, 0.13)
    size: float = 0.4
    place: float = 0.45
    style: float = 0.12


MIXTURE = Mixture()


def draw_subject(rng: np.random.Generator, mixture: Mixture, held_out: bool = False) -> Subject:
    """An object, then its kind of background, then colours, each evenly among what is allowed."""
    table = _table(held_out)
    names = tuple(GLYPHS) if rng.random() < mixture.glyph else SHAPES
    while True:
        what = names[int(rng.integers(len(names)))]
        chance = rng.random()
        kind = "plain" if chance < mixture.plain else "gradient"
        if chance >= mixture.plain + mixture.gradient:
            kind = LANDSCAPES[int(rng.integers(len(LANDSCAPES)))]
        options = table.get((what, kind))
        if options:
            return options[int(rng.integers(len(options)))]


def centres(rng: np.random.Generator, count: int, place: str, radius: float) -> list[list[float]]:
    """Where so many objects go: [[x, y], ...]; a row, or a column on the left or right."""
    free = 0.5 - MARGIN - radius
    if place:
        x, y = PLACES_XY[place]
        x = min(max(x, radius + MARGIN), 1 - radius - MARGIN)
        y = min(max(y, radius + MARGIN), 1 - radius - MARGIN)
        wander_x = wander_y = 0.025
        if count == 1 and place in ("left", "right"):
            wander_y = 0.07
        if count == 1 and place in ("top", "bottom"):
            wander_x = 0.07
    else:
        x = y = 0.5
        wander_x = wander_y = min(0.13, free) if count == 1 else 0.05
    x += rng.uniform(-wander_x, wander_x)
    y += rng.uniform(-wander_y, wander_y)
    spread = {1: (0.0,), 2: (-0.23, 0.23), 3: (-0.32, 0.0, 0.32)}[count]
    column = place in ("left", "right")
    placed = [[x, 0.5 + step] if column else [0.5 + step, y] for step in spread]
    if count == 1:
        placed = [[x, y]]
    for spot in placed:
        for axis in (0, 1):
            shaken = spot[axis] + (rng.uniform(-0.012, 0.012) if count > 1 else 0.0)
            spot[axis] = float(min(max(shaken, radius + MARGIN), 1 - radius - MARGIN))
    return placed


def draw_scene(
    rng: np.random.Generator, mixture: Mixture = MIXTURE, subject: Subject | None = None
) -> Scene:
    """A random scene, of the training side of the split unless a subject is given."""
    subject = subject or draw_subject(rng, mixture)
    count = 1 + int(rng.choice(3, p=mixture.count))
    size = SIZE_WORDS[int(rng.integers(2))] if rng.random() < mixture.size else ""
    place = PLACES[int(rng.integers(5))] if rng.random() < mixture.place else ""
    style = STYLES[int(rng.integers(3))] if rng.random() < mixture.style else ""
    radius = float(rng.uniform(*RADII[count, size]))
    if place and place != "centre" and (count, size) == (1, "large"):
        radius = min(radius, 0.33)
    tilt = TILT_DEGREES if subject.what in SHAPES else 0.0
    things = tuple(
        Thing(subject.what, subject.colour, radius, x, y, float(rng.uniform(-tilt, tilt)))
        for x, y in centres(rng, count, place, radius)
    )
    return Scene(things, subject.background, size, place, style, int(rng.integers(2**31)))


def close_up(scene: Scene, radius: float) -> Scene:
    """The scene's first object alone in the middle, so large, for small training pictures."""
    thing = replace(scene.things[0], radius=radius, x=0.5, y=0.5)
    return replace(scene, things=(thing,), size="", place="")
