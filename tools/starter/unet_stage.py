"""Stage three: the UNet, on kept latents and fresh captions."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers.models import UNet2DConditionModel
from torch.nn.attention import SDPBackend, sdpa_kernel

from tools.starter.config import Recipe
from tools.starter.contexts import Captioner
from tools.starter.diffusion import (
    add_noise,
    alphas_cumprod,
    draw_timesteps,
    loss_weights,
    velocity,
)
from tools.starter.latents import LatentCache
from tools.starter.models import build_unet
from tools.starter.plans import CachePlan
from tools.starter.state import Log, StopRequest, load_state, save_atomically, step_rng, torch_rng
from tools.starter.threads import ThreadTuner
from tools.starter.together import Meeting
from tools.starter.vae_stage import learning_rate, set_rate

Shares = tuple[float, ...]


@dataclass(frozen=True)
class Batch:
    """One step's inputs: latents and noise [B, 4, h, w], timesteps [B], context [B, 77, D].

    `shown` is the noise that the UNet's input has.
    """

    latents: torch.Tensor
    noise: torch.Tensor
    shown: torch.Tensor
    timesteps: torch.Tensor
    context: torch.Tensor
    twins: bool = False


def choose_cache(rng: np.random.Generator, caches: list[LatentCache], shares: Shares) -> int:
    """Which cache the step draws from; shares are relative, in the order of the caches."""
    weights = np.asarray(shares[: len(caches)], float)
    return int(rng.choice(len(weights), p=weights / weights.sum()))


def choose_scenes(
    rng: np.random.Generator, cache: LatentCache, count: int, recipe: Recipe
) -> np.ndarray:
    """Numbers of so many of the cache's scenes: glyphs and shapes as often as the recipe says, and
    among each the hard ones more often."""
    glyph, share = cache.has_glyph, recipe.glyph_share
    weights = np.ones(len(glyph))
    for what, times in recipe.hard:
        weights[cache.whats == what] = times
    for group, part in ((glyph, share), (~glyph, 1 - share)):
        weights[group] *= part / weights[group].sum()
    edges = np.cumsum(weights)
    return np.searchsorted(edges, rng.random(count) * edges[-1])


def batch_size(recipe: Recipe, plan: CachePlan) -> int:
    """Larger pictures come in smaller batches, so that all steps take about as long."""
    pixels = plan.frame[0] * plan.frame[1]
    return max(2, 2 * round(recipe.batch * min(2.6, recipe.image_size**2 / pixels) / 2))


def current(schedule: tuple[tuple[int, Shares], ...], step: int) -> Shares:
    """The last entry of a schedule that has begun."""
    return [shares for start, shares in schedule if step >= start][-1]


def batch_at(
    recipe: Recipe, step: int, caches: list[LatentCache], captioner: Captioner, stream: str
) -> Batch:
    """Everything random about one step, from the seed, the stream and the step's number alone.

    From `twins_from` on the second half repeats the first: where the noise is low, the same noisy
    pictures with the empty caption.
    """
    rng = step_rng(recipe.seed, stream, step)
    cache = caches[choose_cache(rng, caches, current(recipe.cache_shares, step))]
    count = batch_size(recipe, cache.plan)
    copies = 2 if step >= recipe.twins_from else 1
    chosen = np.tile(choose_scenes(rng, cache, count // copies, recipe), copies)
    generator = torch_rng(rng)
    latents = cache.latents[torch.from_numpy(chosen)].float()
    noisy, middle = current(recipe.timestep_shares, step)
    timesteps = draw_timesteps(generator, len(chosen) // copies, noisy, middle)
    order = torch.randperm(len(timesteps), generator=generator)
    timesteps = timesteps[order].repeat(copies)
    noise = torch.randn(latents.shape, generator=generator)
    usual, clear = recipe.caption_dropout, recipe.clear_dropout
    dropout = [max(usual, clear if t < recipe.clear_below else 0.0) for t in timesteps.tolist()]
    texts = [
        captioner.write(rng, cache.scenes[i], share)
        for i, share in zip(chosen, dropout, strict=True)
    ]
    if copies == 2:
        half = len(chosen) // 2
        clear = timesteps[half:] < recipe.clear_below
        noise[half:][clear] = noise[:half][clear]
        texts[half:] = ["" if c else t for c, t in zip(clear, texts[half:], strict=True)]
    shown = noise
    if recipe.input_noise:
        stray = torch.randn(noise[: count // copies].shape, generator=generator)
        shown = noise + recipe.input_noise * stray.repeat(copies, 1, 1, 1)
    context = captioner.encode(texts)
    return Batch(latents, noise, shown, timesteps, context, twins=copies == 2)


def disagreement(v: torch.Tensor, timesteps: torch.Tensor, below: int) -> torch.Tensor:
    """Mean square by which the empty caption's half of v [B, C, h, w] misses the other half,
    counted at timesteps [B] under `below`.

    Guidance multiplies the difference of the two branches. Where the noisy picture already shows
    what it is, a caption adds nothing, and any difference is an error made several times larger.
    """
    asked, empty = v.chunk(2)
    error = (empty - asked.detach()).square().mean(dim=(1, 2, 3))
    return (error * (timesteps[: len(asked)] < below)).mean()


def edge_weights(latents: torch.Tensor, most: float) -> torch.Tensor:
    """How much each place of latents [B, C, h, w] counts: [B, 1, h, w], of mean 1, edges up to
    `most` times as much as faces.

    A place is as much of an edge as its latents differ from those below and to the right, compared
    with twice the picture's mean.
    """
    down = (latents[:, :, 1:] - latents[:, :, :-1]).abs().mean(1, keepdim=True)
    right = (latents[..., 1:] - latents[..., :-1]).abs().mean(1, keepdim=True)
    steep = torch.zeros_like(latents[:, :1])
    steep[:, :, :-1] += down
    steep[:, :, 1:] += down
    steep[..., :-1] += right
    steep[..., 1:] += right
    edge = (steep / (2 * steep.mean(dim=(2, 3), keepdim=True)).clamp(min=1e-6)).clamp(max=1)
    weights = 1 + (most - 1) * edge
    return weights / weights.mean(dim=(2, 3), keepdim=True)


def plain_attention() -> AbstractContextManager[None]:
    """Attention by matrix products: on a CPU the fused kernel's backward pass is so slow that a
    whole step takes a quarter longer with it."""
    return sdpa_kernel(SDPBackend.MATH)


def diffusion_loss(
    unet: UNet2DConditionModel, batch: Batch, recipe: Recipe, device: str
) -> torch.Tensor:
    """Weighted mean square error of v over the batch, and the twins' disagreement."""
    latents = batch.latents.to(device, memory_format=torch.channels_last)
    noise, shown = (
        part.to(device, memory_format=torch.channels_last) for part in (batch.noise, batch.shown)
    )
    timesteps = batch.timesteps.to(device)
    alpha = alphas_cumprod().to(device)[timesteps]
    with torch.autocast(device, torch.bfloat16, enabled=device == "cuda" or recipe.bf16):
        noisy = add_noise(latents, shown, alpha)
        v = unet(noisy, timesteps, batch.context.to(device), return_dict=False)[0].float()
    error = (v - velocity(latents, noise, alpha)).square()
    error = (error * edge_weights(latents, recipe.edge_weight)).mean(dim=(1, 2, 3))
    loss = (error * loss_weights(alpha, recipe.loss_weight)).mean()
    if batch.twins:
        loss = loss + recipe.twin_weight * disagreement(v, timesteps, recipe.agree_below)
    return loss


class UNetTrainer:
    """UNet, running average, optimizer and step, with save and resume."""

    stage = "unet"
    """What its lines in the log are called."""

    def __init__(
        self,
        recipe: Recipe,
        state: Path,
        caches: list[LatentCache],
        captioner: Captioner,
        device: str = "cpu",
        start: Path | None = None,
        stream: str = "unet",
    ) -> None:
        """`start` is an earlier checkpoint to begin from, `stream` names the randomness."""
        self.recipe, self.caches, self.captioner, self.device = recipe, caches, captioner, device
        self.stream = stream
        torch.manual_seed(recipe.seed + 1)
        unet = build_unet(recipe.image_size, recipe.unet_channels)
        if start is not None:
            unet.load_state_dict(UNet2DConditionModel.from_pretrained(start / "unet").state_dict())
        self.unet = unet.to(device, memory_format=torch.channels_last)
        self.ema = [p.detach().clone() for p in self.unet.parameters()]
        self.optimizer = torch.optim.AdamW(
            self.unet.parameters(), recipe.lr, (0.9, 0.99), weight_decay=0.01, fused=True
        )
        self.step = self.seen = 0
        self._path = state / f"{stream}.pt"
        self._resume()

    def _resume(self) -> None:
        saved = load_state(self._path)
        if saved is None:
            return
        self.step, self.seen = saved["step"], saved["seen"]
        self.unet.load_state_dict(saved["unet"])
        self.ema = [weight.to(self.device) for weight in saved["ema"]]
        self.optimizer.load_state_dict(saved["optimizer"])

    def snapshot(self) -> dict[str, Any]:
        """Everything needed to go on from here."""
        return {
            "step": self.step,
            "seen": self.seen,
            "unet": self.unet.state_dict(),
            "ema": self.ema,
            "optimizer": self.optimizer.state_dict(),
        }

    def save(self) -> None:
        """Keep the snapshot."""
        save_atomically(self.snapshot(), self._path)

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
        batch = batch_at(recipe, self.step, self.caches, self.captioner, self.stream)
        with plain_attention() if self.device == "cpu" else nullcontext():
            loss = diffusion_loss(self.unet, batch, recipe, self.device)
            loss.backward()
        torch.nn.utils.clip_grad_norm_(self.unet.parameters(), 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.follow()
        self.step += 1
        self.seen += len(batch.latents)
        return loss.item()


def train_unet(
    trainer: UNetTrainer,
    log: Log,
    stop: StopRequest,
    tuner: ThreadTuner,
    export: Callable[[], None],
    meeting: Meeting | None = None,
) -> bool:
    """Run to the recipe's last step; False when asked to stop before.

    With a meeting this process leads, and takes in what an assistant brings.
    """
    recipe = trainer.recipe
    weights = list(trainer.unet.parameters())
    since, shown, losses, helped = time.monotonic(), trainer.seen, [], 0
    while trainer.step < recipe.unet_steps:
        with tuner.step():
            losses.append(trainer.advance())
        if meeting is not None:
            helped += meeting.lead(weights, trainer.step)
        step = trainer.step
        if step % recipe.log_every == 0:
            speed = (trainer.seen - shown) / (time.monotonic() - since)
            entry = {"loss": float(np.mean(losses)), "seen": trainer.seen, "samples_per_s": speed}
            log.write(stage=trainer.stage, step=step, **entry, threads=tuner.best, helped=helped)
            since, shown, losses, helped = time.monotonic(), trainer.seen, [], 0
        if stop or step % recipe.save_every == 0 or step == recipe.unet_steps:
            trainer.save()
        if stop or step % recipe.export_every == 0 or step == recipe.unet_steps:
            export()
        if stop:
            return False
    return True


def assist(trainer: UNetTrainer, meeting: Meeting, stop: StopRequest, seconds: float) -> None:
    """Train from the leader's weights for so many seconds, hand over, and again, until told to
    stop or the leader is gone."""
    weights = list(trainer.unet.parameters())
    while not stop and (step := meeting.take(weights)) is not None:
        until = time.monotonic() + seconds
        first = trainer.step = step
        while time.monotonic() < until and not stop:
            trainer.advance()
        meeting.give(weights, trainer.step - first)
        trainer.save()
