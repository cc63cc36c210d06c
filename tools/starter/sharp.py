"""What an autoencoder is worst at: windows around objects, hard ones more often, and a loss that
counts edges more than faces."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F

from tools.starter.render import render
from tools.starter.scene import MIXTURE, Scene, Subject, draw_scene, draw_subject
from tools.starter.vae_stage import edges

SIDES = (96, 128, 128, 128, 128, 160)
"""Sides of the pictures that windows are cut from, in pixels."""
EDGE_GAIN, MOST_GAIN = 6.0, 4.0
"""A pixel counts up to so many times more for the steepness (-1..1 a pixel) around it."""


def window(rng: np.random.Generator, scene: Scene, size: int) -> np.ndarray:
    """A window [size, size, 3] of the scene's picture that shows most of one of its objects."""
    side = int(rng.choice(SIDES))
    picture = render(scene, side)
    thing = scene.things[int(rng.integers(len(scene.things)))]
    corner = (
        int(np.clip(middle * side - size / 2 + rng.uniform(-0.2, 0.2) * size, 0, side - size))
        for middle in (thing.y, thing.x)
    )
    top, left = corner
    return picture[top : top + size, left : left + size]


def hard_scene(rng: np.random.Generator, hard: dict[str, float]) -> Scene:
    """A random scene; the `hard` objects so many times as often as others."""
    most = max(hard.values(), default=1.0)
    while True:
        subject: Subject = draw_subject(rng, MIXTURE)
        if rng.random() < hard.get(subject.what, 1.0) / most:
            return draw_scene(rng, subject=subject)


def steepness(x: torch.Tensor) -> torch.Tensor:
    """How many times a pixel of x [B, 3, h, w] counts: [B, 1, h, w], 1 on faces."""
    across, down = edges(x)
    steep = F.pad(across.abs(), (0, 1)).amax(1, keepdim=True) + F.pad(
        down.abs(), (0, 0, 0, 1)
    ).amax(1, keepdim=True)
    near = F.max_pool2d(steep, 3, stride=1, padding=1)
    return 1 + (EDGE_GAIN * near).clamp(max=MOST_GAIN)


def sharp_loss(out: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """L1 of pixels, edges counting more, plus half the L1 of their differences."""
    weights = steepness(x)
    loss = (weights * (out - x).abs()).sum() / (weights.sum() * x.shape[1])
    for got, wanted in zip(edges(out), edges(x), strict=True):
        loss = loss + 0.5 * F.l1_loss(got, wanted)
    return loss
