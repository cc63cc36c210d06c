"""Draw prompts with an exported checkpoint and measure what is in the pictures.

`python -m tools.starter.evaluate` prints one JSON at the end.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

if not __package__:
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

os.environ.setdefault("OMP_WAIT_POLICY", "passive")

import numpy as np
import torch
from diffusers.models import AutoencoderKL, UNet2DConditionModel
from PIL import Image
from transformers import CLIPTextModel, CLIPTokenizer

from tools.starter.config import DEFAULT_OUT
from tools.starter.contexts import encode
from tools.starter.diffusion import sample_euler
from tools.starter.judge import accuracies
from tools.starter.models import FACTOR, LATENT_CHANNELS
from tools.starter.report import all_missed
from tools.starter.scene import SHAPES
from webui.evaluation.measure import measure
from webui.evaluation.questions import STANDARD, Question, read_questions
from webui.evaluation.table import (
    Answer,
    full_table,
    gates_missed,
    guidance_missed,
    negation_missed,
    share,
    tabulate,
)

Frame = tuple[int, int]


@dataclass(frozen=True)
class Checkpoint:
    """An exported checkpoint's networks, of the classes in `models.py`, loaded as float32."""

    tokenizer: CLIPTokenizer
    text_encoder: Any
    unet: Any
    vae: Any

    @classmethod
    def load(cls, folder: Path, device: str = "cpu") -> Checkpoint:
        """Read the folder's components."""
        networks: tuple[Any, Any, Any] = (
            CLIPTextModel.from_pretrained(folder / "text_encoder", dtype=torch.float32),
            UNet2DConditionModel.from_pretrained(folder / "unet", torch_dtype=torch.float32),
            AutoencoderKL.from_pretrained(folder / "vae", torch_dtype=torch.float32),
        )
        tokenizer = CLIPTokenizer.from_pretrained(folder / "tokenizer")
        return cls(tokenizer, *(network.to(device).eval() for network in networks))

    def encode(self, texts: Sequence[str]) -> torch.Tensor:
        """Last hidden states: float [B, 77, 128]."""
        return encode(texts, self.tokenizer, self.text_encoder)

    @property
    def native(self) -> int:
        """Side of the pictures it was made for, in pixels."""
        return int(self.unet.config["sample_size"]) * FACTOR

    @torch.no_grad()
    def decode(self, latents: torch.Tensor) -> np.ndarray:
        """Unit-spread latents [B, 4, h, w] to pictures uint8 [B, 8 h, 8 w, 3]."""
        pixels = self.vae.decode(latents / self.vae.config["scaling_factor"]).sample
        pixels = ((pixels.clamp(-1, 1) + 1) * 127.5).round().byte()
        return pixels.permute(0, 2, 3, 1).cpu().numpy()


@dataclass(frozen=True)
class Drawing:
    """How pictures are drawn; frame is (width, height) in pixels."""

    frame: Frame
    cfg_scale: float = 7.0
    steps: int = 20
    seed: int = 1
    batch: int = 16


def draw(
    checkpoint: Checkpoint,
    prompts: Sequence[str],
    drawing: Drawing,
    negatives: Sequence[str] | None = None,
) -> np.ndarray:
    """One picture for each prompt: uint8 [N, height, width, 3]; each has noise of its own."""
    negatives = negatives or [""] * len(prompts)
    width, height = (length // FACTOR for length in drawing.frame)
    generator = torch.Generator().manual_seed(drawing.seed)
    noise = torch.randn(len(prompts), LATENT_CHANNELS, height, width, generator=generator)
    device = checkpoint.unet.device

    def model(x: torch.Tensor, t: torch.Tensor, context: torch.Tensor) -> torch.Tensor:
        return checkpoint.unet(x, t, context, return_dict=False)[0]

    out = []
    for start in range(0, len(prompts), drawing.batch):
        part = slice(start, start + drawing.batch)
        latents = sample_euler(
            model, noise[part].to(device), checkpoint.encode(prompts[part]),
            checkpoint.encode(negatives[part]), cfg_scale=drawing.cfg_scale, steps=drawing.steps,
        )  # fmt: skip
        out.append(checkpoint.decode(latents))
    return np.concatenate(out)


def answers(questions: Sequence[Question], images: np.ndarray) -> list[Answer]:
    """What is measured in the pictures that were drawn for the questions."""
    return [
        Answer(question, measure(image, question.style))
        for question, image in zip(questions, images, strict=True)
    ]


def negated_colour(checkpoint: Checkpoint, drawing: Drawing, count: int) -> dict[str, float]:
    """How many pictures keep a colour that nobody asked for when it is the negative prompt.

    Both times the noise is the same, so that without a negative prompt all would keep it.
    """
    things = [SHAPES[i % len(SHAPES)] for i in range(count)]
    prompts = [f"a {thing}" for thing in things]
    free = [measure(image) for image in draw(checkpoint, prompts, drawing)]
    shown = [i for i, verdict in enumerate(free) if verdict.colour]
    if not shown:
        return {"pictures": 0}
    negatives = [verdict.colour for verdict in free]
    seen = [measure(image) for image in draw(checkpoint, prompts, drawing, negatives)]
    return {
        "pictures": len(shown),
        "keep_the_colour": share([seen[i].colour == negatives[i] for i in shown]),
        "shape_without": share([free[i].shape == things[i] for i in shown]),
        "shape_negated": share([seen[i].shape == things[i] for i in shown]),
    }


def contact_sheet(images: np.ndarray, columns: int, path: Path) -> None:
    """Save pictures [N, h, w, 3] as one PNG, row by row, the last row filled with black."""
    missing = -len(images) % columns
    images = np.concatenate([images, np.zeros((missing, *images.shape[1:]), np.uint8)])
    height, width = images.shape[1:3]
    tiles = images.reshape(-1, columns, height, width, 3).swapaxes(1, 2)
    Image.fromarray(tiles.reshape(-1, columns * width, 3)).save(path)


def evaluate(checkpoint: Checkpoint, options: argparse.Namespace) -> dict[str, Any]:
    """All measurements that the options ask for."""
    questions = read_questions(options.file)[: options.prompts]
    prompts = [question.prompt for question in questions]
    native = (checkpoint.native, checkpoint.native)
    report: dict[str, Any] = {}
    for cfg_scale in options.cfg:
        drawing = Drawing(native, cfg_scale, options.steps, options.seed, options.batch)
        started = time.monotonic()
        images = draw(checkpoint, prompts, drawing)
        say(f"CFG {cfg_scale:g}: {len(images)} pictures in {time.monotonic() - started:.0f} s")
        if options.sheet and cfg_scale == options.cfg[-1]:
            contact_sheet(images[:96], 12, options.sheet)
        table = full_table(answers(questions, images))
        report[f"cfg_{cfg_scale:g}"] = table
        report[f"cfg_{cfg_scale:g}_misses"] = gates_missed(table)
    tables = {scale: report[f"cfg_{scale:g}"].get("unstyled", {}) for scale in options.cfg}
    means = {scale: table["mean"] for scale, table in tables.items() if "mean" in table}
    report["guidance_misses"] = guidance_missed(means)
    for frame in options.sizes:
        few = questions[: min(96, len(questions))]
        drawing = Drawing(frame, options.cfg[-1], options.steps, options.seed, options.batch)
        images = draw(checkpoint, prompts[: len(few)], drawing)
        unstyled = [answer for answer in answers(few, images) if not answer.question.style]
        report[f"{frame[0]}x{frame[1]}"] = tabulate(unstyled)
    if options.negated:
        drawing = Drawing(native, options.cfg[-1], options.steps, options.seed, options.batch)
        negated = negated_colour(checkpoint, drawing, options.negated)
        report["negated_colour"] = negated
        report["negation_misses"] = negation_missed(negated.get("keep_the_colour", 0.0))
    return report


def say(sentence: str) -> None:
    """Progress, beside the report."""
    print(sentence, file=sys.stderr, flush=True)


def parse_frame(text: str) -> Frame:
    """'96' or '192x128' (width x height) in pixels, multiples of 8."""
    sides = [int(side) for side in text.lower().split("x")]
    if not 1 <= len(sides) <= 2 or any(side < 8 or side % FACTOR for side in sides):
        raise argparse.ArgumentTypeError(f"{text} is not a size like 96 or 192x128")
    return sides[0], sides[-1]


def arguments(argv: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--checkpoint", type=Path, default=DEFAULT_OUT)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--file", type=Path, default=STANDARD, help="prompts and their facts")
    parser.add_argument("--prompts", type=int, default=500, help="how many of them")
    parser.add_argument("--cfg", type=float, nargs="+", default=[7.0], help="guidance scales")
    parser.add_argument("--sizes", type=parse_frame, nargs="*", default=[], help="96 192x128 ...")
    parser.add_argument("--negated", type=int, default=0, help="pictures for negated colours")
    parser.add_argument("--judges", type=int, default=0, help="scenes for the judges themselves")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--sheet", type=Path, help="also save 96 of the pictures as one PNG")
    parser.add_argument("--gates", action="store_true", help="end with status 1 if one is missed")
    parser.add_argument("--out", type=Path, help="also write the report to this file")
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    """Load, draw, measure, print."""
    options = arguments(argv)
    torch.set_num_threads(options.threads)
    checkpoint = Checkpoint.load(options.checkpoint, options.device)
    report = evaluate(checkpoint, options)
    if options.judges:
        report["judges"] = accuracies(options.judges)
    text = json.dumps(report, indent=2)
    if options.out:
        options.out.write_text(text + "\n", "utf-8")
    print(text)
    missed = all_missed(report, options.cfg[-1])
    for sentence in missed:
        say(f"Missed: {sentence}.")
    return int(options.gates and bool(missed))


if __name__ == "__main__":
    sys.exit(main())
