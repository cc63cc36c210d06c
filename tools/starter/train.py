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

from tools.starter.config import DEFAULT_OUT, DEFAULT_STATE, Recipe
from tools.starter.contexts import ContextBank, make_bank
from tools.starter.decoder_stage import refine_decoder
from tools.starter.export import Trained, export
from tools.starter.latents import load_cache
from tools.starter.state import Log, StopRequest
from tools.starter.text import load_or_learn
from tools.starter.text_stage import train_text
from tools.starter.threads import ThreadTuner
from tools.starter.unet_stage import UNetTrainer, train_unet
from tools.starter.vae_stage import train_vae


def arguments(argv: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--state", type=Path, default=DEFAULT_STATE, help="resumable state")
    parser.add_argument("--out", type=Path, default=DEFAULT_OUT, help="where the checkpoint goes")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--threads", type=int, default=2, help="CPU threads")
    parser.add_argument("--steps", type=int, help="length of the UNet stage")
    parser.add_argument("--vae-steps", type=int, help="length of the autoencoder stage")
    parser.add_argument("--large-from", type=int, help="UNet step from which 96 and 128 px join")
    parser.add_argument("--export-only", action="store_true", help="export the saved average")
    return parser.parse_args(argv)


def recipe_from(options: argparse.Namespace) -> Recipe:
    """The default recipe with the command line's changes."""
    changes = {
        "unet_steps": options.steps,
        "vae_steps": options.vae_steps,
        "large_from": options.large_from,
    }
    return replace(Recipe(), **{name: value for name, value in changes.items() if value})


def main(argv: list[str] | None = None) -> int:
    """Run what is missing of the recipe; 0 when all of it is done, 3 when interrupted."""
    options = arguments(argv)
    recipe = recipe_from(options)
    tuner = ThreadTuner(options.threads)
    stop, log = StopRequest(), Log(options.state / "log.jsonl")
    vae = train_vae(recipe, options.state, options.device, stop, tuner)
    if vae is None or not refine_decoder(vae, recipe, options.state, stop, tuner):
        return 3
    tokenizer = load_or_learn(options.state / "tokenizer", recipe.seed, recipe.vocabulary)
    text_encoder = train_text(recipe, options.state, tokenizer, options.device, stop, tuner)
    if text_encoder is None:
        return 3
    sizes = recipe.cache_sizes[: None if recipe.large_from < recipe.unet_steps else 1]
    make_cache = partial(load_cache, vae, options.state, log, seed=recipe.seed)
    if options.export_only:
        caches, bank = [], ContextBank(torch.empty(0), {})
    else:
        caches = [make_cache(size=size, count=count) for size, count in sizes]
        bank = make_bank(tokenizer, text_encoder, seed=recipe.seed, captions=recipe.captions)
    trainer = UNetTrainer(recipe, options.state, caches, bank, options.device)
    trained = Trained(options.state / "tokenizer", text_encoder, vae, trainer)
    if options.export_only:
        export(trained, options.out)
        return 0
    log.write(stage="unet", resumed_at=trainer.step, until=recipe.unet_steps)
    finished = train_unet(trainer, log, stop, tuner, lambda: export(trained, options.out))
    return 0 if finished else 3


if __name__ == "__main__":
    sys.exit(main())
