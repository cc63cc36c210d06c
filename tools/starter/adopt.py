"""What an earlier checkpoint leaves to a training that goes on from it."""

from __future__ import annotations

import shutil
from pathlib import Path

from diffusers.models import AutoencoderKL
from transformers import CLIPTextModel

from tools.starter.state import save_atomically


def adopt(start: Path, state: Path) -> None:
    """Take the tokenizer, text encoder and autoencoder of the checkpoint in folder `start` as
    finished stages, unless the state folder has its own.

    The UNet can only be trained further with the very ones it was trained with.
    """
    if not (state / "tokenizer").exists():
        shutil.copytree(start / "tokenizer", state / "tokenizer")
    if not (state / "text.pt").exists():
        encoder = CLIPTextModel.from_pretrained(start / "text_encoder")
        save_atomically({"model": encoder.float().state_dict()}, state / "text.pt")
    if not (state / "vae.pt").exists():
        vae = AutoencoderKL.from_pretrained(start / "vae").float()
        save_atomically({"step": 0, "done": True, "model": vae.state_dict()}, state / "vae.pt")
