"""Train the starter checkpoint from nothing: `python -m tools.starter.train`.

Every stage saves its state and goes on from there after an interruption.
"""

from __future__ import annotations

import argparse
import os
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

if not __package__:
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # read once, when torch is loaded

import torch
from transformers import CLIPTextModel, CLIPTokenizer

from tools.starter.adopt import adopt
from tools.starter.calibrate_stage import Calibrator
from tools.starter.config import (
    CALIBRATED,
    DEFAULT_OUT,
    DEFAULT_STATE,
    EDGED,
    FURTHER,
    SHARPER,
    Recipe,
)
from tools.starter.contexts import Captioner
from tools.starter.decoder_stage import load_refined, refine_decoder
from tools.starter.export import Trained, export
from tools.starter.image_stage import DEFAULT_CLIP_OUT, export_clip, train_image
from tools.starter.latents import load_cache
from tools.starter.preview_stage import has_tiny, train_tiny
from tools.starter.sharpen_stage import sharpen
from tools.starter.state import Log, StopRequest
from tools.starter.text import load_or_learn
from tools.starter.text_stage import train_text
from tools.starter.threads import ThreadTuner
from tools.starter.together import Meeting
from tools.starter.unet_stage import UNetTrainer, assist, current, train_unet
from tools.starter.vae_stage import train_vae


def arguments(argv: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--state", type=Path, default=DEFAULT_STATE, help="resumable state")
    parser.add_argument("--out", type=Path, default=DEFAULT_OUT, help="where the checkpoint goes")
    parser.add_argument("--clip-out", type=Path, default=DEFAULT_CLIP_OUT, help="where CLIP goes")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--threads", type=int, default=2, help="CPU threads")
    parser.add_argument("--steps", type=int, help="length of the UNet stage")
    parser.add_argument("--vae-steps", type=int, help="length of the autoencoder stage")
    parser.add_argument("--start", type=Path, help="earlier checkpoint whose UNet to train further")
    parser.add_argument(
        "--sharpen", action="store_true", help="with --start: its autoencoder is trained first"
    )
    parser.add_argument(
        "--edges", action="store_true", help="with --start: its UNet, outlines counting more"
    )
    parser.add_argument(
        "--calibrate", action="store_true", help="with --start: only its guidance is calibrated"
    )
    parser.add_argument("--bf16", action="store_true", help="UNet in bfloat16 on the CPU")
    parser.add_argument("--lead", action="store_true", help="take in what an assistant brings")
    parser.add_argument("--assist", action="store_true", help="be the second process of a leader")
    parser.add_argument(
        "--caches-until", type=int, default=10**9, help="make only the caches used before this step"
    )
    parser.add_argument("--export-only", action="store_true", help="export the saved average")
    options = parser.parse_args(argv)
    if options.calibrate and not options.start:
        parser.error("--calibrate needs the finished checkpoint: --start FOLDER")
    return options


def recipe_from(options: argparse.Namespace) -> Recipe:
    """The recipe from nothing or from an earlier checkpoint, with the command line's changes."""
    changes = {
        "unet_steps": options.steps,
        "vae_steps": options.vae_steps,
        "bf16": options.bf16,
    }
    recipe = Recipe()
    if options.start:
        recipe = SHARPER if options.sharpen else FURTHER
        recipe = EDGED if options.edges else recipe
        recipe = CALIBRATED if options.calibrate else recipe
    return replace(recipe, **{name: value for name, value in changes.items() if value})


def make_clip(
    recipe: Recipe,
    options: argparse.Namespace,
    tokenizer: CLIPTokenizer,
    text_encoder: CLIPTextModel,
    stop: StopRequest,
    tuner: ThreadTuner,
) -> bool:
    """The CLIP that shares the text encoder: train what is missing, export; False if stopped."""
    clip = train_image(recipe, options.state, tokenizer, text_encoder, options.device, stop, tuner)
    if clip is None:
        return False
    export_clip(clip, options.state / "tokenizer", options.clip_out)
    return True


def make_decoders(
    trained: Trained, options: argparse.Namespace, stop: StopRequest, tuner: ThreadTuner
) -> bool:
    """Refine the decoder, train the one of previews, export; False if stopped."""
    recipe, vae = trained.trainer.recipe, trained.vae
    if not refine_decoder(vae, recipe, options.state, stop, tuner):
        return False
    tiny = train_tiny(vae, recipe, options.state, stop, tuner)
    export(replace(trained, tiny=tiny), options.out)
    return tiny is not None


def calibrate(
    trained: Trained, options: argparse.Namespace, stop: StopRequest, tuner: ThreadTuner
) -> int:
    """Calibrate the UNet's guidance and export; 0 when done, 3 when interrupted.

    All other networks are the starting checkpoint's own, and so is its preview decoder.
    """
    save = partial(export, trained, options.out)
    log, trainer = Log(options.state / "log.jsonl"), trained.trainer
    if options.export_only:
        save()
        return 0
    log.write(stage=trainer.stage, resumed_at=trainer.step, until=trainer.recipe.unet_steps)
    return 0 if train_unet(trainer, log, stop, tuner, save) else 3


def main(argv: list[str] | None = None) -> int:
    """Run what is missing of the recipe; 0 when all of it is done, 3 when interrupted."""
    options = arguments(argv)
    recipe = recipe_from(options)
    tuner = ThreadTuner(options.threads)
    stop, log = StopRequest(), Log(options.state / "log.jsonl")
    if options.start:
        adopt(options.start, options.state)
    vae = train_vae(recipe, options.state, options.device, stop, tuner)
    if vae is None or not sharpen(vae, recipe, options.state, stop, tuner):
        return 3
    tokenizer = load_or_learn(options.state / "tokenizer", recipe.seed, recipe.vocabulary)
    text_encoder = train_text(recipe, options.state, tokenizer, options.device, stop, tuner)
    if text_encoder is None:
        return 3
    text_encoder.eval().requires_grad_(False)
    captioner = Captioner(tokenizer, text_encoder)
    caches = []
    if not options.export_only:
        plans = recipe.caches[: len(current(recipe.cache_shares, options.caches_until))]
        caches = [load_cache(vae, options.state, log, plan, seed=recipe.seed) for plan in plans]
    if options.calibrate:
        calibrator = Calibrator(
            recipe, options.state, caches, captioner, options.device, options.start
        )
        trained = Trained(options.state / "tokenizer", text_encoder, vae, calibrator)
        return calibrate(trained, options, stop, tuner)
    stream = "unet"
    if options.start:
        stream = "sharper" if options.sharpen else "edged" if options.edges else "further"
    if options.assist:
        stream = "assist"
    trainer = UNetTrainer(
        recipe, options.state, caches, captioner, options.device, options.start, stream
    )
    if options.edges:
        trainer.stage = stream
    trained = Trained(options.state / "tokenizer", text_encoder, vae, trainer)
    save = partial(export, trained, options.out)
    load_refined(vae, options.state)
    if options.export_only:
        tiny = (
            train_tiny(vae, recipe, options.state, stop, tuner) if has_tiny(options.state) else None
        )
        export(replace(trained, tiny=tiny), options.out)
        return 0
    meeting = Meeting(options.state / "meeting") if options.assist or options.lead else None
    if options.assist and meeting:
        assist(trainer, meeting, stop, recipe.meet_every_s)
        return 3
    log.write(stage=trainer.stage, resumed_at=trainer.step, until=recipe.unet_steps)
    done = train_unet(trainer, log, stop, tuner, save, meeting)
    done = done and make_decoders(trained, options, stop, tuner)
    done = done and make_clip(recipe, options, tokenizer, text_encoder, stop, tuner)
    return 0 if done else 3


if __name__ == "__main__":
    sys.exit(main())
