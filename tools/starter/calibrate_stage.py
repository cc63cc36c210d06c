"""A finished UNet taught where on the scale of guidance it draws best.

Guidance adds `scale` times what the caption changes to what the UNet says without one, errors
included. A small UNet draws best at a scale of its own at each level of noise, below the 7 that
people use. Here a student is taught to answer a caption with less of that change, so that at
`calibrated_scale` it says what its teacher says at the teacher's best scales. Nothing new is learnt
about pictures: the targets are the teacher's answers alone. (Distilling guidance: Meng et al.
2023; a scale for each level of noise: Kynkäänniemi et al. 2024.)
"""

from __future__ import annotations

import shutil
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers.models import UNet2DConditionModel

from tools.starter.config import Recipe
from tools.starter.contexts import Captioner
from tools.starter.diffusion import STEPS, add_noise, alphas_cumprod
from tools.starter.latents import LatentCache
from tools.starter.models import FACTOR, LATENT_CHANNELS
from tools.starter.scene import draw_scene
from tools.starter.sharp import hard_scene
from tools.starter.state import load_state, step_rng, torch_rng
from tools.starter.unet_stage import UNetTrainer, batch_at, plain_attention, set_rate
from tools.starter.vae_stage import learning_rate

BIRTH = (920, STEPS)
STRIDES = (25, 80)
"""Timesteps between two looks of a walker, the second excluded: pictures of 12 to 40 steps."""


def best_scale(recipe: Recipe, timesteps: torch.Tensor) -> torch.Tensor:
    """The teacher's best guidance at timesteps [B]: linear between the recipe's points."""
    times, scales = zip(*recipe.teacher_guidance, strict=True)
    return torch.from_numpy(np.interp(timesteps.numpy(), times, scales)).float()


def guided(asked: torch.Tensor, empty: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
    """empty + scale (asked - empty); v [B, C, h, w] with and without caption, scale [B]."""
    return empty + scale[:, None, None, None] * (asked - empty)


def calibration_loss(
    student: tuple[torch.Tensor, torch.Tensor],
    targets: tuple[torch.Tensor, torch.Tensor],
    scale: torch.Tensor,
    guided_weight: float,
) -> torch.Tensor:
    """Mean square error of both branches (asked, empty), and of what they are guided to.

    Guidance by 7 multiplies what the branches miss separately, so that is counted too.
    """
    asked, empty = (got - wanted for got, wanted in zip(student, targets, strict=True))
    apart = (asked.square().mean() + empty.square().mean()) / 2
    return apart + guided_weight * guided(asked, empty, scale).square().mean()


@dataclass
class Walkers:
    """Pictures that the student is drawing: it also learns on what it makes itself.

    x [P, 4, h, w] at timesteps t [P], `stride` timesteps from one step to the next, guided by
    `scale`, for `texts`.
    """

    x: torch.Tensor
    t: torch.Tensor
    stride: torch.Tensor
    scale: torch.Tensor
    texts: list[str]

    @classmethod
    def born(cls, recipe: Recipe, step: int, count: int, captioner: Captioner) -> Walkers:
        """So many pictures that begin as noise, from seed and step alone."""
        rng = step_rng(recipe.seed, "walkers", step)
        generator, side = torch_rng(rng), recipe.image_size // FACTOR
        hard = dict(recipe.hard)
        scenes = [
            hard_scene(rng, hard) if rng.random() < 0.5 else draw_scene(rng) for _ in range(count)
        ]
        return cls(
            torch.randn(count, LATENT_CHANNELS, side, side, generator=generator),
            torch.randint(*BIRTH, (count,), generator=generator),
            torch.randint(*STRIDES, (count,), generator=generator),
            scales(recipe, count, generator),
            [captioner.write(rng, scene, 0.0) for scene in scenes],
        )

    def walk(self, v: torch.Tensor) -> torch.Tensor:
        """One deterministic step (DDIM) along v [P, 4, h, w]; which walkers are at their end."""
        alpha = alphas_cumprod()
        following = self.t - self.stride
        a, b = (alpha[t.clamp(min=0)][:, None, None, None] for t in (self.t, following))
        denoised = a.sqrt() * self.x - (1 - a).sqrt() * v
        noise = (1 - a).sqrt() * self.x + a.sqrt() * v
        self.x = b.sqrt() * denoised + (1 - b).sqrt() * noise
        self.t = following
        return following < 0

    def replace(self, done: torch.Tensor, newborn: Walkers) -> None:
        """Where done [P], the newborn of the same place takes over."""
        for name in ("x", "t", "stride", "scale"):
            getattr(self, name)[done] = getattr(newborn, name)[done]
        self.texts = [
            new if over else old
            for over, new, old in zip(done.tolist(), newborn.texts, self.texts, strict=True)
        ]


def scales(recipe: Recipe, count: int, generator: torch.Generator) -> torch.Tensor:
    """Guidance scales that people use: float [count]."""
    options = torch.tensor(recipe.scales)
    return options[torch.randint(len(options), (count,), generator=generator)]


def keep_teacher(start: Path, state: Path) -> Path:
    """The teacher's folder: the UNet of the checkpoint in folder `start` as it was at first, since
    the export may write over it."""
    kept = state / "teacher"
    if not kept.exists():
        shutil.copytree(start / "unet", state / "teacher.part", dirs_exist_ok=True)
        (state / "teacher.part").rename(kept)
    return kept


def swap_some(context: torch.Tensor, share: float, generator: torch.Generator) -> torch.Tensor:
    """Some of the captions [B, 77, D] become a neighbour's: a negative prompt does not say what is
    in the picture."""
    wrong = torch.rand(len(context), generator=generator) < share
    return torch.where(wrong[:, None, None], context.roll(1, 0), context)


class Calibrator(UNetTrainer):
    """The student, its teacher, and the pictures it is drawing."""

    stage = "calibrate"

    def __init__(
        self,
        recipe: Recipe,
        state: Path,
        caches: list[LatentCache],
        captioner: Captioner,
        device: str,
        start: Path,
    ) -> None:
        teacher = keep_teacher(start, state)
        loaded: Any = UNet2DConditionModel.from_pretrained(teacher)
        self.teacher = loaded.float().eval().requires_grad_(False)
        self.teacher.to(device, memory_format=torch.channels_last)
        self.walkers = Walkers.born(recipe, 0, recipe.walkers, captioner)
        super().__init__(recipe, state, caches, captioner, device, start, "calibrated")
        self.empty = captioner.encode([""])

    def _resume(self) -> None:
        super()._resume()
        if saved := load_state(self._path):
            self.walkers = Walkers(**saved["walkers"])

    def snapshot(self) -> dict[str, Any]:
        """The state of the base, and the walkers."""
        return super().snapshot() | {"walkers": vars(self.walkers)}

    def advance(self) -> float:
        """One optimisation step; its loss."""
        recipe = self.recipe
        total, peak = recipe.unet_steps, recipe.lr
        set_rate(
            self.optimizer,
            learning_rate(self.step, total, peak, recipe.warmup, recipe.decay_share),
        )
        x, t, context, scale, walking = self.inputs()
        with plain_attention() if self.device == "cpu" else nullcontext():
            student = self.both(self.unet, x, t, context)
            with torch.no_grad():
                asked, empty = self.both(self.teacher, x, t, context)
            share = best_scale(recipe, t).to(x.device) / recipe.calibrated_scale
            targets = guided(asked, empty, share), empty
            loss = calibration_loss(student, targets, scale, recipe.guided_weight)
            loss.backward()
        torch.nn.utils.clip_grad_norm_(self.unet.parameters(), 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.follow()
        if walking:
            asked, empty = (v.detach()[-walking:] for v in student)
            self.move(guided(asked, empty, scale[-walking:]).cpu())
        self.step += 1
        self.seen += len(x)
        return loss.item()

    def inputs(self) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor, int]:
        """x, timesteps (on the CPU), context, scales, and how many at the end are walkers."""
        recipe, walkers = self.recipe, self.walkers
        batch = batch_at(recipe, self.step, self.caches, self.captioner, self.stream)
        generator = torch_rng(step_rng(recipe.seed, "calibrate", self.step))
        x = add_noise(batch.latents, batch.shown, alphas_cumprod()[batch.timesteps])
        context = swap_some(batch.context, recipe.swap_share, generator)
        scale = scales(recipe, len(x), generator)
        t, walking = batch.timesteps, 0
        if x.shape[1:] == walkers.x.shape[1:]:
            walking = len(walkers.texts)
            x, t = torch.cat([x, walkers.x]), torch.cat([t, walkers.t])
            scale = torch.cat([scale, walkers.scale])
            context = torch.cat([context, self.captioner.encode(walkers.texts)])
        return x.to(self.device), t, context.to(self.device), scale.to(self.device), walking

    def both(
        self,
        unet: UNet2DConditionModel,
        x: torch.Tensor,
        t: torch.Tensor,
        context: torch.Tensor,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """v [B, 4, h, w] with the captions and with the empty one."""
        twice = torch.cat([x, x]).contiguous(memory_format=torch.channels_last)
        contexts = torch.cat([context, self.empty.to(context).expand_as(context)])
        bf16 = self.device == "cuda" or self.recipe.bf16
        with torch.autocast(self.device, torch.bfloat16, enabled=bf16):
            v = unet(twice, t.repeat(2).to(x.device), contexts, return_dict=False)[0]
        asked, empty = v.float().chunk(2)
        return asked, empty

    def move(self, v: torch.Tensor) -> None:
        """Let the walkers walk; those at their end begin anew."""
        done = self.walkers.walk(v)
        if done.any():
            recipe, count = self.recipe, len(done)
            self.walkers.replace(done, Walkers.born(recipe, self.step + 1, count, self.captioner))
