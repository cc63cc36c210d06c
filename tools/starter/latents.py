"""Latents of many scenes, encoded once and kept."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from diffusers.models import AutoencoderKL

from tools.starter.models import SCALING_FACTOR
from tools.starter.render import render
from tools.starter.scene import Scene, draw_scene
from tools.starter.state import Log, load_state, save_atomically
from tools.starter.vae_stage import has_fast_bf16, to_tensor


@dataclass(frozen=True)
class LatentCache:
    """Scenes at one picture size and their latents of unit spread: float16 [N, 4, s / 8, s / 8]."""

    size: int
    scenes: tuple[Scene, ...]
    latents: torch.Tensor


def training_scenes(seed: int, size: int, count: int) -> tuple[Scene, ...]:
    """The scenes of one cache; the same for the same arguments."""
    rng = np.random.default_rng([seed, 11, size])
    return tuple(draw_scene(rng) for _ in range(count))


@torch.no_grad()
def encode_scenes(vae: AutoencoderKL, scenes: tuple[Scene, ...], size: int) -> torch.Tensor:
    """float16 [N, 4, size / 8, size / 8]."""
    parts = []
    for start in range(0, len(scenes), 64):
        x = to_tensor([render(scene, size) for scene in scenes[start : start + 64]])
        with torch.autocast(vae.device.type, torch.bfloat16, enabled=has_fast_bf16(vae.device)):
            mean = vae.encode(x.to(vae.device)).latent_dist.mean
        parts.append((mean.float() * SCALING_FACTOR).half().cpu())
    return torch.cat(parts)


def load_cache(
    vae: AutoencoderKL, state: Path, log: Log, *, seed: int, size: int, count: int
) -> LatentCache:
    """The cache from the state folder, or made now and put there."""
    path = state / f"latents-{size}-{count}.pt"
    scenes = training_scenes(seed, size, count)
    saved = load_state(path)
    if saved is None:
        log.write(stage="latents", size=size, count=count, started=True)
        saved = {"latents": encode_scenes(vae, scenes, size)}
        save_atomically(saved, path)
        spread = saved["latents"].float().std(dim=(0, 2, 3)).tolist()
        log.write(stage="latents", size=size, count=count, channel_std=spread)
    return LatentCache(size, scenes, saved["latents"])
