"""The whole autoencoder trained further from an earlier one, on what it is worst at.

What the UNet draws can be no sharper than what comes back from the latents. The windows are cut
around objects, edges count more than faces, and the latents stay near the earlier encoder's, so
that a UNet trained on those needs to be trained further only, not anew.
"""

from __future__ import annotations

import copy
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from diffusers.models import AutoencoderKL

from tools.starter.config import Recipe
from tools.starter.decoder_stage import load_refined
from tools.starter.models import SCALING_FACTOR
from tools.starter.render import render, render_varied
from tools.starter.scene import MIXTURE, Scene, Subject, draw_scene, draw_subject
from tools.starter.state import Log, StopRequest, load_state, save_atomically, step_rng, torch_rng
from tools.starter.threads import ThreadTuner
from tools.starter.vae_stage import (
    edges,
    finish,
    has_fast_bf16,
    learning_rate,
    psnr,
    set_rate,
    to_tensor,
)

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


class Sharpener:
    """Autoencoder, its earlier encoder, optimizer and step, with save and resume."""

    def __init__(self, vae: AutoencoderKL, recipe: Recipe, state: Path) -> None:
        self.recipe, self.vae = recipe, vae
        self.earlier = copy.deepcopy(vae).eval().requires_grad_(False)
        vae.train().requires_grad_(True)
        self.optimizer = torch.optim.AdamW(
            vae.parameters(), recipe.sharpen_lr, (0.9, 0.99), weight_decay=1e-4
        )
        self.step = 0
        self._path = state / "sharpened.pt"
        if saved := load_state(self._path):
            self.step = saved["step"]
            vae.load_state_dict(saved["model"])
            self.optimizer.load_state_dict(saved["optimizer"])

    def save(self) -> None:
        """Keep everything needed to go on from here."""
        entry = {"step": self.step, "model": self.vae.state_dict()}
        save_atomically(entry | {"optimizer": self.optimizer.state_dict()}, self._path)

    def loss(self) -> torch.Tensor:
        """Sharp reconstruction from slightly noisy latents, which stay near the earlier ones."""
        recipe = self.recipe
        rng = step_rng(recipe.seed, "sharpen", self.step)
        ordinary = round(0.85 * recipe.vae_batch)
        images = [
            window(rng, hard_scene(rng, dict(recipe.hard)), recipe.crop_size)
            for _ in range(ordinary)
        ]
        others = range(recipe.vae_batch - ordinary)
        images += [render_varied(rng, recipe.crop_size, 0.0) for _ in others]
        device = self.vae.device
        x = to_tensor(images).to(device)
        with torch.autocast(device.type, torch.bfloat16, enabled=has_fast_bf16(device)):
            z = self.vae.encode(x).latent_dist.mean.float()
            with torch.no_grad():
                before = self.earlier.encode(x).latent_dist.mean.float()
            noise = torch.randn(z.shape, generator=torch_rng(rng)).to(device)
            spread = float(rng.choice((0.0, 0.5, 1.0))) * recipe.decoder_noise / SCALING_FACTOR
            out = self.vae.decode(z + spread * noise).sample.float()
        drift = ((z - before) * SCALING_FACTOR).square().mean()
        return sharp_loss(out, x) + recipe.sharpen_anchor * drift

    def advance(self) -> float:
        """One optimisation step; its loss."""
        recipe = self.recipe
        rate = learning_rate(self.step, recipe.sharpen_steps, recipe.sharpen_lr, 100, 0.7)
        set_rate(self.optimizer, rate)
        loss = self.loss()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.vae.parameters(), 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.step += 1
        return loss.item()


def sharpen(
    vae: AutoencoderKL, recipe: Recipe, state: Path, stop: StopRequest, tuner: ThreadTuner
) -> bool:
    """Train the autoencoder in place and keep it as the finished one, if the recipe wants that;
    False when asked to stop.

    It begins with the refined decoder where the state folder has one. Afterwards that one and the
    preview decoder are gone, because they are of the earlier latents.
    """
    log, path = Log(state / "log.jsonl"), state / "vae.pt"
    if not recipe.sharpen_steps or (load_state(path) or {}).get("sharpened"):
        return True
    load_refined(vae, state)
    trainer = Sharpener(vae, recipe, state)
    since, losses = time.monotonic(), []
    while trainer.step < recipe.sharpen_steps:
        with tuner.step():
            losses.append(trainer.advance())
        if trainer.step % recipe.log_every == 0:
            speed = len(losses) * recipe.vae_batch / (time.monotonic() - since)
            mean = float(np.mean(losses))
            log.write(stage="sharpen", step=trainer.step, loss=mean, images_per_s=speed)
            since, losses = time.monotonic(), []
        if stop or trainer.step % recipe.save_every == 0:
            trainer.save()
            log.write(stage="sharpen", step=trainer.step, psnr_db=psnr(vae, recipe.image_size))
        if stop:
            return False
    finish(vae, recipe, path, log)
    finished = load_state(path) or {}
    for stale in ("decoder.pt", "tiny.pt"):
        (state / stale).unlink(missing_ok=True)
    save_atomically(finished | {"step": recipe.sharpen_steps, "sharpened": True}, path)
    return True
