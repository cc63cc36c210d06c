"""Draw held-out prompts with an exported checkpoint and measure what is in the pictures.

`python -m tools.starter.evaluate` prints one JSON at the end.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

if not __package__:
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

os.environ.setdefault("OMP_WAIT_POLICY", "passive")

import numpy as np
import torch
from diffusers.models import AutoencoderKL, UNet2DConditionModel
from PIL import Image
from transformers import CLIPTextModel, CLIPTokenizer

from tools.starter.captions import read_caption, write_caption
from tools.starter.config import DEFAULT_OUT
from tools.starter.diffusion import sample_euler
from tools.starter.judge import judge
from tools.starter.palette import COLOURS
from tools.starter.render import render
from tools.starter.scene import SHAPES, combinations, draw_scene, place_scene
from tools.starter.text import token_ids


@dataclass(frozen=True)
class Checkpoint:
    """An exported checkpoint, loaded as float32."""

    tokenizer: CLIPTokenizer
    text_encoder: CLIPTextModel
    unet: UNet2DConditionModel
    vae: AutoencoderKL

    @classmethod
    def load(cls, folder: Path, device: str = "cpu") -> Checkpoint:
        """Read the folder's components."""
        text = CLIPTextModel.from_pretrained(folder / "text_encoder", dtype=torch.float32)
        unet = UNet2DConditionModel.from_pretrained(folder / "unet", torch_dtype=torch.float32)
        vae = AutoencoderKL.from_pretrained(folder / "vae", torch_dtype=torch.float32)
        tokenizer = CLIPTokenizer.from_pretrained(folder / "tokenizer")
        return cls(tokenizer, text.to(device).eval(), unet.to(device).eval(), vae.to(device).eval())

    @torch.no_grad()
    def encode(self, texts: Sequence[str]) -> torch.Tensor:
        """Last hidden states: float [B, 77, 128]."""
        ids = torch.from_numpy(token_ids(self.tokenizer, list(texts)))
        return self.text_encoder(ids.to(self.unet.device)).last_hidden_state

    @torch.no_grad()
    def draw(
        self,
        prompts: Sequence[str],
        negatives: Sequence[str] | None = None,
        *,
        cfg_scale: float = 7.0,
        steps: int = 20,
        size: int = 64,
        seed: int = 1,
    ) -> np.ndarray:
        """One picture for each prompt: uint8 [B, size, size, 3]."""
        negatives = negatives or [""] * len(prompts)
        generator = torch.Generator().manual_seed(seed)
        noise = torch.randn(len(prompts), 4, size // 8, size // 8, generator=generator)

        def model(x: torch.Tensor, t: torch.Tensor, context: torch.Tensor) -> torch.Tensor:
            return self.unet(x, t, context, return_dict=False)[0]

        out = []
        for start in range(0, len(prompts), 64):
            part = slice(start, start + 64)
            latents = sample_euler(
                model, noise[part].to(self.unet.device), self.encode(prompts[part]),
                self.encode(negatives[part]), cfg_scale=cfg_scale, steps=steps,
            )  # fmt: skip
            pixels = self.vae.decode(latents / self.vae.config.scaling_factor).sample
            pixels = ((pixels.clamp(-1, 1) + 1) * 127.5).round().byte()
            out.append(pixels.permute(0, 2, 3, 1).cpu().numpy())
        return np.concatenate(out)


def make_prompts(seed: int, count: int, held_out: bool) -> list[str]:
    """Fresh captions that name shape and colour; of combinations training never saw, or did see."""
    rng = np.random.default_rng([seed, 99])
    chosen = combinations(held_out=held_out)
    prompts: list[str] = []
    while len(prompts) < count:
        scene = place_scene(rng, chosen[len(prompts) % len(chosen)] if held_out else
                            chosen[int(rng.integers(len(chosen)))])  # fmt: skip
        text = write_caption(rng, scene)
        if {"shape", "colour"} <= read_caption(text).keys():
            prompts.append(text)
    return prompts


def score(prompts: Sequence[str], images: np.ndarray) -> dict[str, float]:
    """Shares of prompts whose stated shape, colour and background the picture shows."""
    hits: dict[str, list[bool]] = {"shape": [], "colour": [], "background": [], "all": []}
    for prompt, image in zip(prompts, images, strict=True):
        facts, seen = read_caption(prompt), judge(image)
        right = {
            key: facts[key] == getattr(seen, key)
            for key in ("shape", "colour", "background")
            if key in facts
        }
        for key, value in right.items():
            hits[key].append(value)
        hits["all"].append(all(right.values()))
    return {key: round(float(np.mean(values)), 4) for key, values in hits.items()} | {
        "prompts": len(prompts)
    }


def judge_accuracy(size: int, count: int = 1000) -> dict[str, float]:
    """The judge's own accuracy on rendered scenes, where the truth is known."""
    rng = np.random.default_rng(12)
    scenes = [draw_scene(rng) for _ in range(count)]
    seen = [judge(render(scene, size)) for scene in scenes]
    truth = [scene.combination for scene in scenes]
    return {
        key: float(np.mean([getattr(v, key) == t[i] for v, t in zip(seen, truth, strict=True)]))
        for i, key in enumerate(("shape", "colour", "background"))
    }


def negated_colour(checkpoint: Checkpoint, per_colour: int = 10) -> dict[str, float]:
    """How often a colour comes up when the prompt leaves it open, and when it is negated."""
    prompts = [f"a {SHAPES[i % len(SHAPES)]}" for i in range(per_colour * len(COLOURS))]
    negatives = [COLOURS[i // per_colour] for i in range(len(prompts))]
    shares = {}
    for name, texts in (("not_negated", None), ("negated", negatives)):
        seen = [judge(image) for image in checkpoint.draw(prompts, texts, seed=4)]
        shares[f"object_has_colour_{name}"] = np.mean(
            [verdict.colour == colour for verdict, colour in zip(seen, negatives, strict=True)]
        )
        shares[f"shape_right_{name}"] = np.mean(
            [f"a {v.shape}" == prompt for v, prompt in zip(seen, prompts, strict=True)]
        )
    return {name: round(float(value), 4) for name, value in shares.items()}


def contact_sheet(images: np.ndarray, columns: int, path: Path) -> None:
    """Save pictures [N, s, s, 3] as one PNG, row by row."""
    rows = len(images) // columns
    size = images.shape[1]
    tiles = images[: rows * columns].reshape(rows, columns, size, size, 3).swapaxes(1, 2)
    Image.fromarray(tiles.reshape(rows * size, columns * size, 3)).save(path)


def evaluate(checkpoint: Checkpoint, count: int, sheet: Path | None) -> dict[str, object]:
    """All measurements of the README's table."""
    seen, unseen = make_prompts(1, count, held_out=False), make_prompts(2, 98, held_out=True)
    report: dict[str, object] = {"judge": judge_accuracy(64)}
    images = checkpoint.draw(seen)
    if sheet:
        contact_sheet(images[:64], 16, sheet)
    report["cfg_7"] = score(seen, images)
    report["cfg_7_held_out_combinations"] = score(unseen, checkpoint.draw(unseen))
    for cfg_scale in (1.0, 3.0):
        report[f"cfg_{cfg_scale:g}"] = score(seen, checkpoint.draw(seen, cfg_scale=cfg_scale))
    for size in (96, 128):
        report[f"cfg_7_at_{size}_px"] = score(seen[:96], checkpoint.draw(seen[:96], size=size))
    report["negated_colour"] = negated_colour(checkpoint)
    return report


def main(argv: list[str] | None = None) -> int:
    """Load, draw, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--checkpoint", type=Path, default=DEFAULT_OUT)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--prompts", type=int, default=320)
    parser.add_argument("--sheet", type=Path, help="also save 64 of the pictures as one PNG")
    parser.add_argument("--quick", action="store_true", help="only CFG 7 on seen combinations")
    options = parser.parse_args(argv)
    torch.set_num_threads(options.threads)
    checkpoint = Checkpoint.load(options.checkpoint, options.device)
    if options.quick:
        prompts = make_prompts(1, options.prompts, held_out=False)
        images = checkpoint.draw(prompts)
        if options.sheet:
            contact_sheet(images[:64], 16, options.sheet)
        print(json.dumps({"cfg_7": score(prompts, images)}, indent=2))
        return 0
    print(json.dumps(evaluate(checkpoint, options.prompts, options.sheet), indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
