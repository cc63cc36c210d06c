"""Stage four: the UNet, on kept latents and kept captions."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from diffusers.models import UNet2DConditionModel

from tools.starter.config import Recipe
from tools.starter.contexts import ContextBank
from tools.starter.diffusion import (
    add_noise,
    alphas_cumprod,
    draw_timesteps,
    loss_weights,
    velocity,
)
from tools.starter.latents import LatentCache
from tools.starter.models import build_unet
from tools.starter.state import Log, StopRequest, load_state, save_atomically, step_rng, torch_rng
from tools.starter.threads import ThreadTuner
from tools.starter.vae_stage import learning_rate, set_rate


@dataclass(frozen=True)
class Batch:
    """One step's inputs: latents and noise [B, 4, h, w], timesteps [B], context [B, 77, D]."""

    latents: torch.Tensor
    noise: torch.Tensor
    timesteps: torch.Tensor
    context: torch.Tensor
    twins: bool = False


def choose_cache(rng: np.random.Generator, caches: list[LatentCache], large: bool) -> LatentCache:
    """The native size, or one of all sizes once larger ones take part."""
    if not large or len(caches) == 1 or rng.random() < 0.5:
        return caches[0]
    return caches[1 + int(rng.integers(len(caches) - 1))]


def batch_at(recipe: Recipe, step: int, caches: list[LatentCache], bank: ContextBank) -> Batch:
    """Everything random about one step, from the seed and the step's number alone.

    Larger pictures come in proportionally smaller batches. From `twins_from` on the second half
    repeats the first: where the noise is low, the same noisy pictures with the empty caption.
    """
    rng = step_rng(recipe.seed, "unet", step)
    cache = choose_cache(rng, caches, step >= recipe.large_from)
    count = max(2, round(recipe.batch * (recipe.image_size / cache.size) ** 2))
    copies = 2 if step >= recipe.twins_from else 1
    chosen = np.tile(rng.integers(len(cache.scenes), size=count // copies), copies)
    generator = torch_rng(rng)
    latents = cache.latents[torch.from_numpy(chosen)].float()
    shares = [shares for start, *shares in recipe.timestep_shares if step >= start][-1]
    timesteps = draw_timesteps(generator, len(chosen) // copies, *shares)
    order = torch.randperm(len(timesteps), generator=generator)
    timesteps = timesteps[order].repeat(copies)
    noise = torch.randn(latents.shape, generator=generator)
    numbers = [bank.choose(rng, cache.scenes[i], recipe.caption_dropout) for i in chosen]
    if copies == 2:
        half = len(chosen) // 2
        clear = timesteps[half:] < recipe.clear_below
        noise[half:][clear] = noise[:half][clear]
        numbers[half:] = [0 if c else n for c, n in zip(clear, numbers[half:], strict=True)]
    return Batch(latents, noise, timesteps, bank.contexts[numbers].float(), twins=copies == 2)


def disagreement(v: torch.Tensor, timesteps: torch.Tensor, below: int) -> torch.Tensor:
    """Mean square by which the empty caption's half of v [B, C, h, w] misses the other half,
    counted at timesteps [B] under `below`.

    Guidance multiplies the difference of the two branches. Where the noisy picture already shows
    what it is, a caption adds nothing, and any difference is an error made several times larger.
    """
    asked, empty = v.chunk(2)
    error = (empty - asked.detach()).square().mean(dim=(1, 2, 3))
    return (error * (timesteps[: len(asked)] < below)).mean()


def diffusion_loss(
    unet: UNet2DConditionModel, batch: Batch, recipe: Recipe, device: str
) -> torch.Tensor:
    """Weighted mean square error of v over the batch, and the twins' disagreement."""
    latents = batch.latents.to(device, memory_format=torch.channels_last)
    noise = batch.noise.to(device, memory_format=torch.channels_last)
    timesteps = batch.timesteps.to(device)
    alpha = alphas_cumprod().to(device)[timesteps]
    with torch.autocast("cuda", torch.bfloat16, enabled=device == "cuda"):
        noisy = add_noise(latents, noise, alpha)
        v = unet(noisy, timesteps, batch.context.to(device), return_dict=False)[0].float()
    error = (v - velocity(latents, noise, alpha)).square().mean(dim=(1, 2, 3))
    loss = (error * loss_weights(alpha, recipe.loss_weight)).mean()
    if batch.twins:
        loss = loss + recipe.twin_weight * disagreement(v, timesteps, recipe.agree_below)
    return loss


class UNetTrainer:
    """UNet, running average, optimizer and step, with save and resume."""

    def __init__(
        self, recipe: Recipe, state: Path, caches: list[LatentCache], bank: ContextBank,
        device: str = "cpu",
    ) -> None:  # fmt: skip
        self.recipe, self.caches, self.bank, self.device = recipe, caches, bank, device
        torch.manual_seed(recipe.seed + 1)
        unet = build_unet(recipe.image_size, recipe.unet_channels)
        self.unet = unet.to(device, memory_format=torch.channels_last)
        self.ema = [p.detach().clone() for p in self.unet.parameters()]
        self.optimizer = torch.optim.AdamW(
            self.unet.parameters(), recipe.lr, (0.9, 0.99), weight_decay=0.01, fused=True
        )
        self.step = 0
        self._path = state / "unet.pt"
        self._resume()

    def _resume(self) -> None:
        saved = load_state(self._path)
        if saved is None:
            return
        self.step = saved["step"]
        self.unet.load_state_dict(saved["unet"])
        self.ema = [weight.to(self.device) for weight in saved["ema"]]
        self.optimizer.load_state_dict(saved["optimizer"])

    def save(self) -> None:
        """Keep everything needed to go on from here."""
        state = {"step": self.step, "unet": self.unet.state_dict(), "ema": self.ema}
        save_atomically(state | {"optimizer": self.optimizer.state_dict()}, self._path)

    def averaged(self) -> dict[str, torch.Tensor]:
        """The UNet's state dict with the averaged weights in place."""
        names = [name for name, _ in self.unet.named_parameters()]
        return dict(self.unet.state_dict()) | dict(zip(names, self.ema, strict=True))

    def follow(self) -> None:
        """Move the average towards the weights; slower as steps go by."""
        decay = min(self.recipe.ema, (1 + self.step) / (10 + self.step))
        torch._foreach_lerp_(self.ema, [p.detach() for p in self.unet.parameters()], 1 - decay)

    def advance(self) -> float:
        """One optimisation step; its loss."""
        recipe = self.recipe
        total, peak = recipe.unet_steps, recipe.lr
        rate = learning_rate(self.step, total, peak, recipe.warmup, recipe.decay_share)
        set_rate(self.optimizer, rate)
        batch = batch_at(recipe, self.step, self.caches, self.bank)
        loss = diffusion_loss(self.unet, batch, recipe, self.device)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.unet.parameters(), 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.follow()
        self.step += 1
        return loss.item()


def train_unet(
    trainer: UNetTrainer,
    log: Log,
    stop: StopRequest,
    tuner: ThreadTuner,
    export: Callable[[], None],
) -> bool:
    """Run to the recipe's last step; False when asked to stop before."""
    recipe = trainer.recipe
    since, shown, losses = time.monotonic(), trainer.step, []
    while trainer.step < recipe.unet_steps:
        with tuner.step():
            losses.append(trainer.advance())
        step = trainer.step
        if step % recipe.log_every == 0:
            speed = (step - shown) * recipe.batch / (time.monotonic() - since)
            mean = float(np.mean(losses))
            log.write(stage="unet", step=step, loss=mean, samples_per_s=speed, threads=tuner.best)
            since, shown, losses = time.monotonic(), step, []
        if stop or step % recipe.save_every == 0 or step == recipe.unet_steps:
            trainer.save()
        if stop or step % recipe.export_every == 0 or step == recipe.unet_steps:
            export()
        if stop:
            return False
    return True
