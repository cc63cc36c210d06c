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
from diffusers.models import AutoencoderKL

from tools.starter.config import Recipe
from tools.starter.decoder_stage import load_refined
from tools.starter.models import SCALING_FACTOR
from tools.starter.render import render_varied
from tools.starter.sharp import hard_scene, sharp_loss, window
from tools.starter.state import Log, StopRequest, load_state, save_atomically, step_rng, torch_rng
from tools.starter.threads import ThreadTuner
from tools.starter.vae_stage import (
    finish,
    has_fast_bf16,
    learning_rate,
    psnr,
    set_rate,
    to_tensor,
)


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
