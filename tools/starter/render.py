"""Scenes to pixels: signed distances give anti-aliased edges at any size."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tools.starter.palette import PALETTE
from tools.starter.scene import SHAPES, Scene, Thing, draw_scene

Array = np.ndarray


def circle(x: Array, y: Array) -> Array:
    """Signed distance to the unit circle (negative inside); x, y [h, w]."""
    return np.hypot(x, y) - 1.0


def square(x: Array, y: Array) -> Array:
    """Signed distance to an upright square of half side 0.85."""
    return np.maximum(np.abs(x), np.abs(y)) - 0.85


def triangle(x: Array, y: Array) -> Array:
    """Signed distance to an equilateral triangle that points up."""
    flank = np.abs(x) * np.cos(np.pi / 6) - (y - 0.12) * 0.5
    return np.maximum(flank, y - 0.12) - 0.56


def star(x: Array, y: Array) -> Array:
    """Signed distance to a five-pointed star with one tip up and a fat body."""
    wedge = np.pi / 5
    theta = np.abs((np.arctan2(x, -y) + wedge) % (2 * wedge) - wedge)
    length = np.hypot(x, y)
    along, across = length * np.cos(theta), length * np.sin(theta)
    inner = 0.46
    edge = np.array([inner * np.cos(wedge) - 1.05, inner * np.sin(wedge)])
    normal = np.array([edge[1], -edge[0]]) / np.hypot(*edge)
    return (along - 1.05) * normal[0] + across * normal[1]


def heart(x: Array, y: Array) -> Array:
    """Signed distance to a heart: a square on its corner with a disc on each upper side."""
    side = 0.56
    u, v = (x + (y - 0.12)) / np.sqrt(2), (x - (y - 0.12)) / np.sqrt(2)
    body = np.maximum(np.abs(u), np.abs(v)) - side
    left = np.hypot(u + side, v) - side
    right = np.hypot(u, v - side) - side
    return np.minimum(body, np.minimum(left, right))


DISTANCES: dict[str, Callable[[Array, Array], Array]] = {
    "circle": circle,
    "square": square,
    "triangle": triangle,
    "star": star,
    "heart": heart,
}


def grid(size: int) -> tuple[Array, Array]:
    """Pixel centres of a size x size frame in frame units: x, y [size, size], 0..1."""
    axis = (np.arange(size, dtype=np.float32) + 0.5) / size
    x, y = np.meshgrid(axis, axis)
    return x, y


def coverage(thing: Thing, size: int) -> Array:
    """How much of each pixel the object covers: [size, size], 0..1."""
    x, y = grid(size)
    x, y = (x - thing.x) / thing.radius, (y - thing.y) / thing.radius
    turn = np.deg2rad(thing.angle)
    x, y = x * np.cos(turn) + y * np.sin(turn), y * np.cos(turn) - x * np.sin(turn)
    return np.clip(0.5 - DISTANCES[thing.shape](x, y) * thing.radius * size, 0.0, 1.0)


def paint(canvas: Array, mask: Array, colour: tuple[float, float, float] | Array) -> Array:
    """Lay a colour over canvas [h, w, 3] where mask [h, w] is 1."""
    return canvas + mask[..., None] * (np.asarray(colour, np.float32) - canvas)


def render(scene: Scene, size: int) -> Array:
    """The picture of a scene: uint8 [size, size, 3]."""
    canvas = np.empty((size, size, 3), np.float32)
    canvas[:] = PALETTE[scene.background]
    for thing in scene.things:
        canvas = paint(canvas, coverage(thing, size), PALETTE[thing.colour])
    return np.round(canvas).astype(np.uint8)


def gradient(rng: np.random.Generator, size: int) -> Array:
    """A linear blend of two random colours: float [size, size, 3], 0..255."""
    x, y = grid(size)
    turn = rng.uniform(0, 2 * np.pi)
    ramp = np.clip(0.5 + (x - 0.5) * np.cos(turn) + (y - 0.5) * np.sin(turn), 0, 1)[..., None]
    first, second = rng.uniform(0, 255, (2, 3))
    return (first + ramp * (second - first)).astype(np.float32)


def render_varied(rng: np.random.Generator, size: int) -> Array:
    """A richer picture for the autoencoder: mostly an ordinary scene, else several
    objects in any colour on a plain or blended background, sometimes grainy: uint8 [s, s, 3]."""
    if rng.random() < 0.7:
        return render(draw_scene(rng), size)
    canvas = gradient(rng, size)
    for _ in range(rng.integers(1, 6)):
        x, y = rng.uniform(0, 1, 2)
        thing = Thing(
            str(rng.choice(SHAPES)), "", rng.uniform(0.05, 0.5), x, y, rng.uniform(0, 360)
        )
        colour = gradient(rng, size) if rng.random() < 0.3 else rng.uniform(0, 255, 3)
        canvas = paint(canvas, coverage(thing, size), colour)
    if rng.random() < 0.2:
        canvas = canvas + rng.normal(0, rng.uniform(2, 12), canvas.shape)
    return np.clip(np.round(canvas), 0, 255).astype(np.uint8)
