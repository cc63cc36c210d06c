"""The yardstick: the shortest honest loop around diffusers' model classes.

Run as a child process it loads a checkpoint folder once and then, for each JSON line on standard
input (``{"seed": 1, "steps": 20, "width": 64, "height": 64, "cfg_scale": 7, "output": "x.png"}``),
draws one picture with Euler on the uniform schedule and answers with one JSON line
(``{"seconds": ..., "denoise": ..., "decode": ..., "write": ...}``). Prompt embeddings are made
once before any timing, classifier-free guidance is one batch of two, everything runs under
``torch.inference_mode()``. Nothing of Easel is imported.
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
import time
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from PIL import Image
from transformers import CLIPTextModel, CLIPTokenizer


class Bare:
    """One loaded checkpoint and the loop around it."""

    def __init__(
        self, folder: Path, dtype: torch.dtype, prompt: str, negative: str, channels_last: bool
    ) -> None:
        self.dtype = dtype
        self.unet = _model(UNet2DConditionModel, folder / "unet", dtype)
        self.vae = _model(AutoencoderKL, folder / "vae", dtype)
        if channels_last:
            self.unet.to(memory_format=torch.channels_last)
            self.vae.to(memory_format=torch.channels_last)
        text = _model(CLIPTextModel, folder / "text_encoder", torch.float32)
        tokenizer = CLIPTokenizer.from_pretrained(folder / "tokenizer")
        ids = tokenizer(
            [prompt, negative], padding="max_length", truncation=True, return_tensors="pt"
        ).input_ids
        with torch.inference_mode():
            self.cond = text(ids).last_hidden_state.to(dtype)
        config = json.loads((folder / "scheduler" / "scheduler_config.json").read_text())
        self.v_prediction = config.get("prediction_type") == "v_prediction"
        betas = torch.linspace(config["beta_start"] ** 0.5, config["beta_end"] ** 0.5, 1000) ** 2
        alphas = torch.cumprod(1 - betas.double(), 0)
        self.table = ((1 - alphas) / alphas).sqrt().float()
        self.step_ends: list[float] = []

    def schedule(self, steps: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Timesteps [steps] and sigmas [steps + 1] of the uniform schedule."""
        t = torch.linspace(999, 0, steps)
        low, high = t.floor().long(), t.ceil().long()
        w = t - low
        sigmas = ((1 - w) * self.table[low].log() + w * self.table[high].log()).exp()
        return t, torch.cat([sigmas, torch.zeros(1)])

    @torch.inference_mode()
    def draw(self, job: dict[str, Any]) -> dict[str, Any]:
        """Draw one picture and write it as PNG; returns seconds by part."""
        begun = time.perf_counter()
        x = self._denoise(job)
        denoised = time.perf_counter()
        image = self.vae.decode(x.to(self.dtype) / self.vae.config.scaling_factor).sample
        pixels = ((image[0].float() / 2 + 0.5).clamp(0, 1) * 255).round().to(torch.uint8)
        array = pixels.permute(1, 2, 0).contiguous().numpy()
        decoded = time.perf_counter()
        Image.fromarray(array).save(job["output"])
        ended = time.perf_counter()
        return {
            "seconds": ended - begun,
            "denoise": denoised - begun,
            "decode": decoded - denoised,
            "write": ended - decoded,
            "steps": [b - a for a, b in itertools.pairwise(self.step_ends)],
        }

    def _denoise(self, job: dict[str, Any]) -> torch.Tensor:
        timesteps, sigmas = self.schedule(job["steps"])
        shape = (1, 4, job["height"] // 8, job["width"] // 8)
        x = torch.randn(shape, generator=torch.Generator().manual_seed(job["seed"])) * sigmas[0]
        self.step_ends = [time.perf_counter()]
        for i, t in enumerate(timesteps):
            sigma = sigmas[i]
            scaled = (x / (sigma**2 + 1) ** 0.5).to(self.dtype)
            out = self.unet(torch.cat([scaled, scaled]), t, self.cond).sample.float()
            cond, uncond = out.chunk(2)
            out = uncond + job["cfg_scale"] * (cond - uncond)
            if self.v_prediction:
                d = x * sigma / (sigma**2 + 1) + out / (sigma**2 + 1) ** 0.5
            else:
                d = out
            x = x + d * (sigmas[i + 1] - sigma)
            self.step_ends.append(time.perf_counter())
        return x


def _model(cls: Any, folder: Path, dtype: torch.dtype) -> Any:
    return cls.from_pretrained(folder, torch_dtype=dtype).eval()


def main() -> None:
    """Answer JSON lines until standard input ends."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--prompt", default="a red circle on a white background")
    parser.add_argument("--negative", default="")
    parser.add_argument("--channels-last", action="store_true")
    parser.add_argument("--threads", type=int, default=0)
    args = parser.parse_args()
    if args.threads:
        torch.set_num_threads(args.threads)
    dtype = getattr(torch, args.dtype)
    bare = Bare(args.folder, dtype, args.prompt, args.negative, args.channels_last)
    print(json.dumps({"ready": True}), flush=True)
    for line in sys.stdin:
        print(json.dumps(bare.draw(json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
