"""Stage four: the decoder alone, on the final latents, so that it draws sharp tips and corners.

The encoder is frozen: latents made before, and whatever was trained on them, stay valid.
"""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import torch
from diffusers.models import AutoencoderKL

from tools.starter.config import Recipe
from tools.starter.models import SCALING_FACTOR
from tools.starter.render import render_varied
from tools.starter.sharp import hard_scene, sharp_loss, window
from tools.starter.state import Log, StopRequest, load_state, save_atomically, step_rng, torch_rng
from tools.starter.threads import ThreadTuner
from tools.starter.vae_stage import (
    has_fast_bf16,
    learning_rate,
    psnr,
    reconstruction_loss,
    set_rate,
    to_tensor,
)


def decoder_parameters(vae: AutoencoderKL) -> list[torch.nn.Parameter]:
    """What this stage may change."""
    return [*vae.decoder.parameters(), *vae.post_quant_conv.parameters()]


def decoder_loss(vae: AutoencoderKL, recipe: Recipe, step: int) -> torch.Tensor:
    """Reconstruction from latents with some noise on top, as a denoiser's results have.

    Where the recipe names hard objects, from windows around objects, edges counting more.
    """
    rng = step_rng(recipe.seed, "decoder", step)
    varied = recipe.vae_batch // 4
    images = [render_varied(rng, recipe.crop_size, 0.0) for _ in range(varied)]
    plain = range(recipe.vae_batch - varied)
    if hard := dict(recipe.hard):
        images.extend(window(rng, hard_scene(rng, hard), recipe.crop_size) for _ in plain)
    else:
        images.extend(render_varied(rng, recipe.crop_size, 1.0) for _ in plain)
    x = to_tensor(images).to(vae.device)
    with torch.autocast(vae.device.type, torch.bfloat16, enabled=has_fast_bf16(vae.device)):
        with torch.no_grad():
            z = vae.encode(x).latent_dist.mean.float()
        noise = torch.randn(z.shape, generator=torch_rng(rng)).to(z.device)
        spread = recipe.decoder_noise / SCALING_FACTOR
        out = vae.decode(z + spread * noise).sample.float()
    return sharp_loss(out, x) if hard else reconstruction_loss(out, x)


def save(vae: AutoencoderKL, optimizer: torch.optim.Optimizer, step: int, path: Path) -> None:
    """Everything needed to go on."""
    entry = {"step": step, "model": vae.state_dict(), "optimizer": optimizer.state_dict()}
    save_atomically(entry, path)


def load_refined(vae: AutoencoderKL, state: Path) -> bool:
    """Give the autoencoder the refined decoder, finished or not; False when there is none."""
    saved = load_state(state / "decoder.pt")
    if saved is None:
        return False
    vae.load_state_dict(saved["model"])
    return True


def refine_decoder(
    vae: AutoencoderKL, recipe: Recipe, state: Path, stop: StopRequest, tuner: ThreadTuner
) -> bool:
    """Train the decoder in place, or load what is trained; False when asked to stop early."""
    vae.requires_grad_(False)
    parameters = decoder_parameters(vae)
    for parameter in parameters:
        parameter.requires_grad_(True)
    optimizer = torch.optim.AdamW(parameters, recipe.decoder_lr, (0.9, 0.99), weight_decay=1e-4)
    path, log, first = state / "decoder.pt", Log(state / "log.jsonl"), 0
    if saved := load_state(path):
        first = saved["step"]
        vae.load_state_dict(saved["model"])
        optimizer.load_state_dict(saved["optimizer"])
    since, losses = time.monotonic(), []
    for step in range(first, recipe.decoder_steps):
        set_rate(optimizer, learning_rate(step, recipe.decoder_steps, recipe.decoder_lr, 50, 0.6))
        with tuner.step():
            loss = decoder_loss(vae, recipe, step)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(parameters, 1.0)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        losses.append(loss.item())
        done = step + 1
        if done % recipe.log_every == 0:
            speed = len(losses) * recipe.vae_batch / (time.monotonic() - since)
            log.write(stage="decoder", step=done, loss=float(np.mean(losses)), images_per_s=speed)
            since, losses = time.monotonic(), []
        if stop or done % recipe.save_every == 0 or done == recipe.decoder_steps:
            save(vae, optimizer, done, path)
            log.write(stage="decoder", step=done, psnr_db=psnr(vae, recipe.image_size))
        if stop:
            return False
    vae.requires_grad_(False)
    return True
