"""The five shapes, as signed distances: anti-aliased edges at any size."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

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


def shape_coverage(
    shape: str, centre: tuple[float, float], radius: float, angle: float, frame: tuple[int, int]
) -> Array:
    """How much of each pixel a shape covers: [height, width], 0..1.

    Centre (x, y) and radius in pixels, angle in degrees, frame (width, height) in pixels.
    """
    width, height = frame
    x, y = np.meshgrid(
        np.arange(width, dtype=np.float32) + 0.5, np.arange(height, dtype=np.float32) + 0.5
    )
    x, y = (x - centre[0]) / radius, (y - centre[1]) / radius
    turn = np.deg2rad(angle)
    x, y = x * np.cos(turn) + y * np.sin(turn), y * np.cos(turn) - x * np.sin(turn)
    return np.clip(0.5 - DISTANCES[shape](x, y) * radius, 0.0, 1.0)
