"""Train the glyph judge: `python -m tools.starter.classifier` writes its weights.

It sees windows of rendered scenes: any background, size and style, clean or through an autoencoder
and back, and as counter-examples halves, neighbours, mixtures and smears, which are "nothing". It
shares no weights with the model that it judges.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

if not __package__:
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

os.environ.setdefault("OMP_WAIT_POLICY", "passive")

import numpy as np
import torch
from diffusers.models import AutoencoderKL
from PIL import Image
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional as F

from tools.starter.config import DEFAULT_OUT
from tools.starter.render import render, smooth_noise
from tools.starter.scene import MIXTURE, Scene, Thing, draw_scene, draw_subject
from webui.evaluation.classifier import (
    CLASSES,
    CONTEXT,
    CROP,
    WEIGHTS,
    normalised,
    probabilities,
    window,
)  # fmt: skip
from webui.evaluation.regions import Box

SIDES = (96, 128, 128, 128, 160)
WIDE, WIDE_CONTEXT = 64, 1.75
"""Windows are kept so large, with so much around the object, and cut down anew every time."""
NOTHING = CLASSES.index("")
CHANNELS = (16, 32, 64, 128)
HELD_OUT_SEED = 900


@dataclass(frozen=True)
class Windows:
    """Training material: uint8 [N, 64, 64, 3] and class numbers [N]."""

    pixels: np.ndarray
    labels: np.ndarray


class Net(nn.Module):
    """Four convolutions, each normalised; halved after the first three; the mean; one layer."""

    def __init__(self) -> None:
        super().__init__()
        sizes = zip((3, *CHANNELS), CHANNELS, strict=False)
        self.convs = nn.ModuleList(nn.Conv2d(a, b, 3, padding=1, bias=False) for a, b in sizes)
        self.norms = nn.ModuleList(nn.BatchNorm2d(channels) for channels in CHANNELS)
        self.head = nn.Linear(CHANNELS[-1], len(CLASSES))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Logits [N, 30] of normalised windows [N, 3, 40, 40]."""
        for index, (conv, norm) in enumerate(zip(self.convs, self.norms, strict=True)):
            x = F.relu(norm(conv(x)))
            x = F.max_pool2d(x, 2) if index < len(CHANNELS) - 1 else x
        return self.head(x.mean(dim=(2, 3)))

    @torch.no_grad()
    def folded(self) -> dict[str, torch.Tensor]:
        """Half-precision weights with the normalisation folded into the convolutions."""
        tensors = {}
        for index, (conv, norm) in enumerate(zip(self.convs, self.norms, strict=True)):
            assert isinstance(conv, nn.Conv2d)
            assert isinstance(norm, nn.BatchNorm2d)
            assert norm.running_var is not None
            assert norm.running_mean is not None
            scale = norm.weight / (norm.running_var + norm.eps).sqrt()
            tensors[f"conv{index}.weight"] = conv.weight * scale[:, None, None, None]
            tensors[f"conv{index}.bias"] = norm.bias - norm.running_mean * scale
        tensors["head.weight"], tensors["head.bias"] = self.head.weight, self.head.bias
        return {name: tensor.half().contiguous() for name, tensor in tensors.items()}


def varied_scene(rng: np.random.Generator) -> Scene:
    """A scene from either side of the split, objects and styles more evenly than in training."""
    mixture = replace(MIXTURE, glyph=0.84, style=0.3, count=(0.6, 0.25, 0.15))
    subject = draw_subject(rng, mixture, held_out=rng.random() < 0.1)
    return draw_scene(rng, mixture, subject)


def true_box(thing: Thing, side: int) -> Box:
    """The object's box in a square picture."""
    reach = thing.radius * side
    x, y = thing.x * side, thing.y * side
    return Box(round(y - reach), round(y + reach), round(x - reach), round(x + reach))


def smeared(rng: np.random.Generator, image: np.ndarray) -> np.ndarray:
    """The picture with its contents pushed about until nothing can be made out."""
    height, width = image.shape[:2]
    rows, columns = np.indices((height, width))
    strength = rng.uniform(0.16, 0.35) * height
    cells = int(rng.integers(3, 9))
    shift = [strength * smooth_noise(rng, (width, height), cells) for _ in range(2)]
    y = np.clip(rows + shift[0], 0, height - 1).astype(int)
    x = np.clip(columns + shift[1], 0, width - 1).astype(int)
    return image[y, x]


def misplaced(rng: np.random.Generator, box: Box) -> Box:
    """A box with half of the object or less in it."""
    turn = rng.uniform(0, 2 * np.pi)
    far = rng.uniform(0.55, 0.9) * box.longer
    down, right = round(far * np.sin(turn)), round(far * np.cos(turn))
    return Box(box.top + down, box.bottom + down, box.left + right, box.right + right)


def windows_of(
    rng: np.random.Generator, image: np.ndarray, scene: Scene, whole: bool
) -> Iterator[tuple[np.ndarray, int]]:
    """Windows of the picture's objects, and of nothing; not `whole`: of nothing only."""
    boxes = [true_box(thing, image.shape[0]) for thing in scene.things]
    label = CLASSES.index(scene.things[0].what)
    if not whole:
        for box in boxes:
            yield window(image, box, WIDE, WIDE_CONTEXT), NOTHING
        return
    for box in boxes:
        yield window(image, box, WIDE, WIDE_CONTEXT), label
    if rng.random() < 0.10:
        yield window(image, misplaced(rng, boxes[0]), WIDE, WIDE_CONTEXT), NOTHING
    if len(boxes) > 1 and rng.random() < 0.3:
        yield window(image, boxes[0].joined(boxes[1]), WIDE, WIDE_CONTEXT), NOTHING


@torch.no_grad()
def round_trip(
    vae: Any, rng: np.random.Generator, images: list[np.ndarray], mixed: bool
) -> list[np.ndarray]:
    """Pictures of one size through the autoencoder and back, with a little latent noise.

    `mixed`: each latent is blended with the next one's and shaken, so that nothing is left of it.
    """
    x = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).float() / 127.5 - 1
    z = vae.encode(x).latent_dist.mean
    noise = torch.from_numpy(rng.standard_normal(z.shape).astype(np.float32)) * z.std()
    if mixed:
        z = 0.5 * z + 0.5 * z.roll(1, dims=0) + rng.uniform(0.3, 0.8) * noise
    else:
        z = z + rng.uniform(0.0, 0.22) * noise
    y = ((vae.decode(z).sample.clamp(-1, 1) + 1) * 127.5).round().byte()
    return list(y.permute(0, 2, 3, 1).numpy())


def make_windows(seed: int, scenes: int, vae: Any, batch: int = 16) -> Windows:
    """Windows of so many random scenes, half of them through the autoencoder if there is one."""
    rng = np.random.default_rng([seed, 6])
    pixels, labels = [], []
    for start in range(0, scenes, batch):
        drawn = [varied_scene(rng) for _ in range(min(batch, scenes - start))]
        side = int(rng.choice(SIDES))
        images = [render(scene, side) for scene in drawn]
        chance = rng.random()
        whole = chance < 0.88
        if vae and chance > 0.45:
            images = round_trip(vae, rng, images, mixed=chance >= 0.94)
        if 0.88 <= chance < 0.94 or (not vae and not whole):
            images = [smeared(rng, image) for image in images]
        for image, scene in zip(images, drawn, strict=True):
            for piece, name in windows_of(rng, image, scene, whole):
                pixels.append(piece)
                labels.append(name)
    return Windows(np.stack(pixels), np.array(labels))


def warp_grid(generator: torch.Generator, count: int) -> torch.Tensor:
    """Where each of 40x40 cells is looked up: shifted, scaled, turned and waved a little."""

    def spread(low: float, high: float) -> torch.Tensor:
        return low + (high - low) * torch.rand(count, generator=generator)

    scale = CONTEXT / WIDE_CONTEXT * spread(0.84, 1.2)
    stretch, turn = spread(0.92, 1.08), torch.deg2rad(spread(-9, 9))
    theta = torch.zeros(count, 2, 3)
    theta[:, 0, 0], theta[:, 0, 1] = scale * stretch * turn.cos(), -scale * turn.sin()
    theta[:, 1, 0], theta[:, 1, 1] = scale * turn.sin(), scale / stretch * turn.cos()
    theta[:, 0, 2], theta[:, 1, 2] = spread(-0.08, 0.08), spread(-0.08, 0.08)
    grid = F.affine_grid(theta, [count, 3, CROP, CROP], align_corners=False)
    waves = torch.randn(count, 2, 5, 5, generator=generator) * spread(0, 0.022)[:, None, None, None]
    waves = F.interpolate(waves, (CROP, CROP), mode="bicubic", align_corners=False)
    return grid + waves.permute(0, 2, 3, 1)


def varied(pixels: np.ndarray, generator: torch.Generator) -> torch.Tensor:
    """Wide windows cut down, warped, sometimes blurred, grainy or off-colour: [N, 3, 40, 40]."""
    x = torch.from_numpy(normalised(pixels).copy())
    count = len(x)
    x = F.grid_sample(x, warp_grid(generator, count), padding_mode="border", align_corners=False)
    soft = F.avg_pool2d(F.pad(x, (1, 1, 1, 1), mode="replicate"), 3, 1)
    softer = F.avg_pool2d(F.pad(soft, (1, 1, 1, 1), mode="replicate"), 3, 1)
    chance = torch.rand(count, 1, 1, 1, generator=generator)
    x = torch.where(chance < 0.25, soft, torch.where(chance < 0.40, softer, x))
    tint = 1 + 0.09 * torch.randn(count, 3, 1, 1, generator=generator)
    lift = 0.10 * torch.randn(count, 3, 1, 1, generator=generator)
    grain = 0.15 * torch.rand(count, 1, 1, 1, generator=generator)
    return x * tint + lift + grain * torch.randn(x.shape, generator=generator)


def train(windows: Windows, steps: int, batch: int, seed: int) -> Net:
    """The network after so many steps of AdamW under a cosine."""
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    net = Net()
    optimiser = torch.optim.AdamW(net.parameters(), lr=3e-3, weight_decay=0.02)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 4e-3, total_steps=steps)
    started = time.monotonic()
    for step in range(steps):
        chosen = torch.randint(len(windows.labels), (batch,), generator=generator).numpy()
        logits = net(varied(windows.pixels[chosen], generator))
        target = torch.from_numpy(windows.labels[chosen])
        loss = F.cross_entropy(logits, target, label_smoothing=0.05)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        if step % 100 == 99:
            print(f"step {step + 1}: loss {loss.item():.3f}, {time.monotonic() - started:.0f} s",
                  file=sys.stderr, flush=True)  # fmt: skip
    return net.eval()


def cut_down(pixels: np.ndarray) -> np.ndarray:
    """Wide windows [N, 64, 64, 3] to what the judge sees of an exact box: uint8 [N, 40, 40, 3]."""
    reach = WIDE * CONTEXT / WIDE_CONTEXT / 2
    edges = (WIDE / 2 - reach, WIDE / 2 - reach, WIDE / 2 + reach, WIDE / 2 + reach)
    resize = Image.Resampling.BILINEAR
    return np.stack(
        [np.asarray(Image.fromarray(p).resize((CROP, CROP), resize, box=edges)) for p in pixels]
    )


def accuracy(windows: Windows) -> dict[str, float]:
    """Share named right with the shipped weights: of all, and of each class."""
    named = probabilities(cut_down(windows.pixels)).argmax(axis=1)
    right = named == windows.labels
    table = {"windows": float(len(right)), "all": round(float(right.mean()), 4)}
    for index, name in enumerate(CLASSES):
        own = windows.labels == index
        if own.any():
            table[name or "nothing"] = round(float(right[own].mean()), 4)
    return table


def main(argv: list[str] | None = None) -> int:
    """Render, train, write, and print the accuracy on fresh windows as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--vae", type=Path, default=DEFAULT_OUT / "vae", help="for soft pictures")
    parser.add_argument("--scenes", type=int, default=3500)
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--batch", type=int, default=96)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--check-only", action="store_true", help="measure the weights there are")
    options = parser.parse_args(argv)
    torch.set_num_threads(options.threads)
    vae = AutoencoderKL.from_pretrained(options.vae, torch_dtype=torch.float32).eval()
    if not options.check_only:
        net = train(
            make_windows(options.seed, options.scenes, vae), options.steps, options.batch,
            options.seed,
        )  # fmt: skip
        temporary = WEIGHTS.with_name(f".{WEIGHTS.name}.new")
        save_file(net.folded(), temporary)
        temporary.chmod(0o644)
        temporary.replace(WEIGHTS)
    print(json.dumps(accuracy(make_windows(HELD_OUT_SEED, 1500, vae)), indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
