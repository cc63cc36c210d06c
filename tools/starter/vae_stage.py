"""Stage one: the autoencoder."""

from __future__ import annotations

import math
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from diffusers.models import AutoencoderKL

from tools.starter.config import Recipe
from tools.starter.models import SCALING_FACTOR, build_vae
from tools.starter.render import render, render_varied
from tools.starter.scene import MIXTURE, draw_scene, draw_subject
from tools.starter.state import Log, StopRequest, load_state, save_atomically, step_rng, torch_rng
from tools.starter.threads import ThreadTuner


def to_tensor(images: list[np.ndarray]) -> torch.Tensor:
    """uint8 [h, w, 3] pictures to float [B, 3, h, w] in -1..1."""
    batch = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).float()
    return (batch / 127.5 - 1.0).contiguous()


def edges(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Differences between neighbouring pixels, across and down."""
    return x[..., 1:] - x[..., :-1], x[..., 1:, :] - x[..., :-1, :]


def reconstruction_loss(out: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """L1 of pixels plus half the L1 of their differences; both [B, 3, h, w]."""
    loss = F.l1_loss(out, x)
    for got, wanted in zip(edges(out), edges(x), strict=True):
        loss = loss + 0.5 * F.l1_loss(got, wanted)
    return loss


def vae_loss(vae: AutoencoderKL, x: torch.Tensor, rng: torch.Generator, kl: float) -> torch.Tensor:
    """Reconstruction, plus a light pull towards unit normal latents."""
    posterior = vae.encode(x).latent_dist
    noise = torch.randn(posterior.mean.shape, generator=rng).to(x.device)
    out = vae.decode(posterior.mean + posterior.std * noise).sample.float()
    return reconstruction_loss(out, x) + kl * posterior.kl().mean() / posterior.mean[0].numel()


def learning_rate(step: int, total: int, peak: float, warmup: int, decay_share: float) -> float:
    """Linear up, flat, linear down to a fiftieth over the last `decay_share` of the steps."""
    tail = max(1.0, total * decay_share)
    return peak * min(1.0, (step + 1) / warmup, max(0.02, (total - step) / tail))


def set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Give every parameter group the rate."""
    for group in optimizer.param_groups:
        group["lr"] = rate


@torch.no_grad()
def psnr(vae: AutoencoderKL, size: int, count: int = 128) -> float:
    """Mean PSNR in dB of round trips over held-out subjects."""
    rng = np.random.default_rng(5)
    scenes = [
        draw_scene(rng, subject=draw_subject(rng, MIXTURE, held_out=True)) for _ in range(count)
    ]
    values = []
    for start in range(0, count, 32):
        x = to_tensor([render(scene, size) for scene in scenes[start : start + 32]])
        x = x.to(vae.device)
        out = vae.decode(vae.encode(x).latent_dist.mean).sample.clamp(-1, 1)
        error = ((out - x) / 2).square().mean(dim=(1, 2, 3))
        values += (-10 * torch.log10(error + 1e-10)).tolist()
    return float(np.mean(values))


@torch.no_grad()
def standardise(vae: AutoencoderKL, size: int, seed: int, count: int = 512) -> None:
    """Fold each latent channel's mean and spread into the 1x1 convolutions on either side.

    Afterwards raw latents have mean 0 and std 1 / scaling_factor over training scenes, while
    encode -> decode is the same function as before.
    """
    rng = np.random.default_rng([seed, 3])
    x = to_tensor([render(draw_scene(rng), size) for _ in range(count)]).to(vae.device)
    z = torch.cat([vae.encode(part).latent_dist.mean for part in x.split(64)])
    mean, std = z.mean(dim=(0, 2, 3)), z.std(dim=(0, 2, 3))
    gain = 1.0 / (std * SCALING_FACTOR)
    n = len(mean)
    vae.quant_conv.weight[:n] *= gain[:, None, None, None]
    vae.quant_conv.bias[:n] = (vae.quant_conv.bias[:n] - mean) * gain
    vae.quant_conv.bias[n:] += 2 * torch.log(gain)
    weight = vae.post_quant_conv.weight.clone()
    vae.post_quant_conv.bias += (weight[:, :, 0, 0] * mean).sum(dim=1)
    vae.post_quant_conv.weight.copy_(weight / gain[None, :, None, None])


def batch_at(recipe: Recipe, step: int) -> tuple[torch.Tensor, torch.Generator]:
    """The pictures and the latent noise of one step."""
    rng = step_rng(recipe.seed, "vae", step)
    images = [render_varied(rng, recipe.crop_size) for _ in range(recipe.vae_batch)]
    return to_tensor(images), torch_rng(rng)


def vae_step(
    vae: AutoencoderKL, optimizer: torch.optim.Optimizer, recipe: Recipe, step: int
) -> float:
    """One optimisation step; its loss."""
    x, rng = batch_at(recipe, step)
    with torch.autocast(vae.device.type, torch.bfloat16, enabled=has_fast_bf16(vae.device)):
        loss = vae_loss(vae, x.to(vae.device), rng, recipe.vae_kl)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(vae.parameters(), 1.0)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    return loss.item()


def has_fast_bf16(device: torch.device) -> bool:
    """Whether the hardware itself multiplies in bfloat16."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported()
    return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def train_vae(
    recipe: Recipe,
    state: Path,
    device: str,
    stop: StopRequest,
    tuner: ThreadTuner,
) -> AutoencoderKL | None:
    """Train, or load what is already trained; None when asked to stop before the end."""
    torch.manual_seed(recipe.seed)
    vae = build_vae(recipe.image_size).to(device)
    optimizer = torch.optim.AdamW(vae.parameters(), recipe.vae_lr, (0.9, 0.99), weight_decay=1e-4)
    path, log = state / "vae.pt", Log(state / "log.jsonl")
    saved = load_state(path) or {"step": 0, "done": False}
    if "model" in saved:
        vae.load_state_dict(saved["model"])
    if saved["done"]:
        return vae.eval().requires_grad_(False)
    if "optimizer" in saved:
        optimizer.load_state_dict(saved["optimizer"])
    since, shown, losses = time.monotonic(), saved["step"], []
    for step in range(saved["step"], recipe.vae_steps):
        rate = learning_rate(step, recipe.vae_steps, recipe.vae_lr, 100, 0.4)
        set_rate(optimizer, rate)
        with tuner.step():
            losses.append(vae_step(vae, optimizer, recipe, step))
        done = step + 1
        if done % recipe.log_every == 0:
            speed = (done - shown) * recipe.vae_batch / (time.monotonic() - since)
            mean = float(np.mean(losses))
            log.write(stage="vae", step=done, loss=mean, images_per_s=speed, threads=tuner.best)
            since, shown, losses = time.monotonic(), done, []
        if stop or done % recipe.save_every == 0:
            entry = {"step": done, "done": False, "model": vae.state_dict()}
            save_atomically(entry | {"optimizer": optimizer.state_dict()}, path)
            log.write(stage="vae", step=done, psnr_db=psnr(vae, recipe.image_size))
        if stop:
            return None
    return finish(vae, recipe, path, log)


def finish(vae: AutoencoderKL, recipe: Recipe, path: Path, log: Log) -> AutoencoderKL:
    """Standardise the latents, save for good, and refuse a bad autoencoder."""
    vae.eval().requires_grad_(False)
    standardise(vae, recipe.image_size, recipe.seed)
    reached = psnr(vae, recipe.image_size)
    log.write(stage="vae", done=True, psnr_db=reached)
    if not math.isfinite(reached) or reached < 27.0:
        raise RuntimeError(f"The autoencoder reached {reached:.1f} dB; at least 27 are needed.")
    save_atomically({"step": recipe.vae_steps, "done": True, "model": vae.state_dict()}, path)
    return vae
