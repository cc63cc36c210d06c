"""A last, separate stage: the tiny autoencoder that shows what is being drawn.

`AutoencoderTiny` (the architecture of TAESD) at a sixteenth of the real decoder's cost. Its decoder
learns pictures from the real encoder's latents, its encoder learns those latents from pictures.
"""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from diffusers.models import AutoencoderKL, AutoencoderTiny

from tools.starter.config import Recipe
from tools.starter.models import LATENT_CHANNELS, SCALING_FACTOR
from tools.starter.render import render_varied
from tools.starter.state import Log, StopRequest, load_state, save_atomically, step_rng, torch_rng
from tools.starter.threads import ThreadTuner
from tools.starter.vae_stage import learning_rate, reconstruction_loss, set_rate, to_tensor

WIDTH = 16


def build_tiny() -> AutoencoderTiny:
    """About 70,000 weights; latents of unit spread go in and out."""
    return AutoencoderTiny(
        latent_channels=LATENT_CHANNELS,
        encoder_block_out_channels=(WIDTH,) * 4,
        decoder_block_out_channels=(WIDTH,) * 4,
        num_encoder_blocks=(1, 1, 1, 1),
        num_decoder_blocks=(1, 1, 1, 1),
        scaling_factor=1.0,
    )


def tiny_loss(
    tiny: AutoencoderTiny, x: torch.Tensor, z: torch.Tensor, noise: torch.Tensor
) -> torch.Tensor:
    """How far pictures decoded from z (plus noise) are from x, and latents encoded from x from z.

    x [B, 3, H, W] in -1..1; z, noise [B, 4, H / 8, W / 8].
    """
    shown = tiny.decode(z + noise).sample
    return reconstruction_loss(shown, x) + 0.2 * F.mse_loss(tiny.encode(x).latents, z)


@torch.no_grad()
def tiny_psnr(tiny: AutoencoderTiny, vae: AutoencoderKL, recipe: Recipe, count: int = 64) -> float:
    """Mean PSNR in dB of pictures decoded from the real encoder's latents of fresh scenes."""
    rng = np.random.default_rng([recipe.seed, 5, 5])
    x = to_tensor([render_varied(rng, recipe.crop_size, 1.0) for _ in range(count)])
    z = vae.encode(x.to(vae.device)).latent_dist.mean * SCALING_FACTOR
    error = ((tiny.decode(z).sample.clamp(-1, 1) - x.to(vae.device)) / 2).square()
    return float((-10 * torch.log10(error.mean(dim=(1, 2, 3)) + 1e-10)).mean())


def has_tiny(state: Path) -> bool:
    """Whether this stage is done."""
    return (state / "tiny.pt").exists()


def train_tiny(
    vae: AutoencoderKL, recipe: Recipe, state: Path, stop: StopRequest, tuner: ThreadTuner
) -> AutoencoderTiny | None:
    """Train, or load what is trained; None when asked to stop (this short stage starts over)."""
    torch.manual_seed(recipe.seed + 5)
    tiny = build_tiny().to(vae.device)
    path, log = state / "tiny.pt", Log(state / "log.jsonl")
    if saved := load_state(path):
        tiny.load_state_dict(saved["model"])
        return tiny.eval()
    optimizer = torch.optim.AdamW(tiny.parameters(), recipe.tiny_lr, (0.9, 0.99), weight_decay=0)
    since, losses = time.monotonic(), []
    for step in range(recipe.tiny_steps):
        rng = step_rng(recipe.seed, "tiny", step)
        x = to_tensor([render_varied(rng, recipe.crop_size, 0.9) for _ in range(recipe.vae_batch)])
        x = x.to(vae.device)
        with torch.no_grad():
            z = vae.encode(x).latent_dist.mean * SCALING_FACTOR
        noise = 0.1 * torch.randn(z.shape, generator=torch_rng(rng)).to(z.device)
        set_rate(optimizer, learning_rate(step, recipe.tiny_steps, recipe.tiny_lr, 50, 0.6))
        with tuner.step():
            loss = tiny_loss(tiny, x, z, noise)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(tiny.parameters(), 1.0)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        losses.append(loss.item())
        if (step + 1) % recipe.log_every == 0:
            speed = len(losses) * recipe.vae_batch / (time.monotonic() - since)
            log.write(stage="tiny", step=step + 1, loss=float(np.mean(losses)), images_per_s=speed)
            since, losses = time.monotonic(), []
        if stop:
            return None
    tiny.eval()
    save_atomically({"model": tiny.state_dict()}, path)
    log.write(stage="tiny", done=True, psnr_db=tiny_psnr(tiny, vae, recipe))
    return tiny
