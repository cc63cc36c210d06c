"""Latents of many scenes, encoded once and kept."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from diffusers.models import AutoencoderKL

from tools.starter.glyphs import GLYPHS
from tools.starter.models import SCALING_FACTOR
from tools.starter.plans import CachePlan
from tools.starter.render import render_frame
from tools.starter.scene import MIXTURE, Mixture, Scene, close_up, draw_scene
from tools.starter.state import Log, load_state, save_atomically
from tools.starter.vae_stage import has_fast_bf16, to_tensor

CLOSE_UP_RADIUS = (0.30, 0.47)
CLOSE_UP_MIXTURE = Mixture(count=(1.0, 0.0, 0.0), size=0.0, place=0.0)
STYLED_MIXTURE = Mixture(style=1.0)


@dataclass(frozen=True)
class LatentCache:
    """Scenes and their latents of unit spread: float16 [N, 4, height / 8, width / 8]."""

    plan: CachePlan
    scenes: tuple[Scene, ...]
    latents: torch.Tensor

    @functools.cached_property
    def whats(self) -> np.ndarray:
        """What each scene shows: str [N]."""
        return np.array([scene.things[0].what for scene in self.scenes])

    @functools.cached_property
    def has_glyph(self) -> np.ndarray:
        """Which scenes show a glyph: bool [N]."""
        return np.array([scene.things[0].what in GLYPHS for scene in self.scenes])


def training_scenes(seed: int, plan: CachePlan) -> tuple[Scene, ...]:
    """The scenes of one cache; the same for the same arguments."""
    others = [int(plan.styled), plan.edition] if plan.styled or plan.edition else []
    rng = np.random.default_rng([seed, 11, *plan.frame, *others])
    if not plan.close:
        mixture = STYLED_MIXTURE if plan.styled else MIXTURE
        return tuple(draw_scene(rng, mixture) for _ in range(plan.count))
    return tuple(
        close_up(draw_scene(rng, CLOSE_UP_MIXTURE), float(rng.uniform(*CLOSE_UP_RADIUS)))
        for _ in range(plan.count)
    )


@torch.no_grad()
def encode_scenes(
    vae: AutoencoderKL, scenes: tuple[Scene, ...], frame: tuple[int, int]
) -> torch.Tensor:
    """float16 [N, 4, height / 8, width / 8]."""
    parts = []
    for start in range(0, len(scenes), 64):
        x = to_tensor([render_frame(scene, frame) for scene in scenes[start : start + 64]])
        with torch.autocast(vae.device.type, torch.bfloat16, enabled=has_fast_bf16(vae.device)):
            mean = vae.encode(x.to(vae.device)).latent_dist.mean
        parts.append((mean.float() * SCALING_FACTOR).half().cpu())
    return torch.cat(parts)


def load_cache(
    vae: AutoencoderKL, state: Path, log: Log, plan: CachePlan, *, seed: int
) -> LatentCache:
    """The cache from the state folder, or made now and put there."""
    path = state / f"latents-{plan.name}.pt"
    scenes = training_scenes(seed, plan)
    saved = load_state(path)
    if saved is None:
        log.write(stage="latents", cache=plan.name, started=True)
        saved = {"latents": encode_scenes(vae, scenes, plan.frame)}
        save_atomically(saved, path)
        spread = saved["latents"].float().std(dim=(0, 2, 3)).tolist()
        log.write(stage="latents", cache=plan.name, channel_std=spread)
    return LatentCache(plan, scenes, saved["latents"])
