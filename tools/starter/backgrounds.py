"""What lies behind the objects."""

from __future__ import annotations

import numpy as np

from tools.starter.palette import PALETTE
from tools.starter.scene import Background

Array = np.ndarray
Frame = tuple[int, int]

SKY_TOP, SKY_LOW = (110, 180, 245), (205, 232, 252)
NIGHT_TOP, NIGHT_LOW = (10, 12, 46), (38, 40, 92)
GRASS_FAR, GRASS_NEAR = (120, 190, 80), (58, 140, 52)
SEA_FAR, SEA_NEAR = (60, 140, 210), (22, 80, 165)
HORIZON = 0.5
FADED = 0.72
"""How far a gradient has gone from its colour to white at the lower edge."""


def ramp(top: Array, bottom: Array, height: int) -> Array:
    """Colours from top to bottom: [height, 1, 3]."""
    share = ((np.arange(height, dtype=np.float32) + 0.5) / height)[:, None, None]
    return top + share * (bottom - top)


def gradient(colour: str, frame: Frame) -> Array:
    """From the colour above to a pale one of it below; white goes to gray."""
    top = np.asarray(PALETTE[colour], np.float32)
    end = np.full(3, 140, np.float32) if colour == "white" else np.full(3, 255, np.float32)
    return np.repeat(ramp(top, top + FADED * (end - top), frame[1]), frame[0], axis=1)


def night_sky(rng: np.random.Generator, frame: Frame) -> Array:
    """Dark blue with a few bright points."""
    width, height = frame
    top, low = np.asarray(NIGHT_TOP, np.float32), np.asarray(NIGHT_LOW, np.float32)
    canvas = np.repeat(ramp(top, low, height), width, axis=1)
    x, y = np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5)
    size = min(frame)
    for _ in range(rng.integers(9, 15)):
        centre_x, centre_y = rng.uniform(0, width), rng.uniform(0, height)
        reach = rng.uniform(0.008, 0.016) * size
        glow = np.exp(-((x - centre_x) ** 2 + (y - centre_y) ** 2) / (2 * reach**2))
        canvas += glow[..., None].astype(np.float32) * (np.float32(245) - canvas)
    return canvas


def ground(rng: np.random.Generator, frame: Frame, far: Array, near: Array, wave: Array) -> Array:
    """Sky above, below the horizon a plane that is `far` and `near`, brightened by `wave`."""
    width, height = frame
    y = (np.arange(height, dtype=np.float32)[:, None] + 0.5) / height
    canvas = np.repeat(ramp(np.asarray(SKY_TOP), np.asarray(SKY_LOW), height), width, axis=1)
    edge = HORIZON + rng.uniform(-0.03, 0.03)
    depth = np.clip((y - edge) / (1 - edge), 0, 1)[..., None]
    plane = far + depth * (near - far) + wave[..., None]
    below = np.clip((y - edge) * height + 0.5, 0, 1)[..., None]
    return (canvas + below * (plane - canvas)).astype(np.float32)


def grass(rng: np.random.Generator, frame: Frame) -> Array:
    """A meadow with soft tufts under a blue sky."""
    x, y = np.meshgrid(*(np.linspace(0, 1, n, dtype=np.float32) for n in frame))
    one, two = rng.uniform(0, 2 * np.pi, 2)
    tufts = np.sin(70 * x + 8 * np.sin(9 * y + one)) * np.sin(40 * y + two)
    far, near = np.asarray(GRASS_FAR, np.float32), np.asarray(GRASS_NEAR, np.float32)
    return ground(rng, frame, far, near, 11 * tufts)


def sea(rng: np.random.Generator, frame: Frame) -> Array:
    """Water with long waves under a blue sky."""
    x, y = np.meshgrid(*(np.linspace(0, 1, n, dtype=np.float32) for n in frame))
    one, two = rng.uniform(0, 2 * np.pi, 2)
    crests = np.clip(np.sin(75 * y + 1.5 * np.sin(14 * x + one) + two), 0, 1) ** 2
    far, near = np.asarray(SEA_FAR, np.float32), np.asarray(SEA_NEAR, np.float32)
    return ground(rng, frame, far, near, 55 * crests)


def paint_background(background: Background, rng: np.random.Generator, frame: Frame) -> Array:
    """The empty picture: float [height, width, 3], 0..255."""
    width, height = frame
    if background.kind == "plain":
        return np.full((height, width, 3), PALETTE[background.colour], np.float32)
    if background.kind == "gradient":
        return gradient(background.colour, frame).astype(np.float32)
    return {"night sky": night_sky, "grass": grass, "sea": sea}[background.kind](rng, frame)
