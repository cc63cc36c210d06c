"""The trained networks as an ordinary Stable Diffusion folder of half-precision files."""

from __future__ import annotations

import json
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from diffusers.models import AutoencoderKL, AutoencoderTiny, UNet2DConditionModel
from safetensors.torch import save_file
from transformers import CLIPTextModel

from tools.starter.diffusion import SCHEDULER_CONFIG
from tools.starter.preview_stage import build_tiny
from tools.starter.unet_stage import UNetTrainer

MODEL_INDEX = {
    "_class_name": "StableDiffusionPipeline",
    "_diffusers_version": "0.30.0",
    "feature_extractor": [None, None],
    "image_encoder": [None, None],
    "requires_safety_checker": False,
    "safety_checker": [None, None],
    "scheduler": ["diffusers", "DDIMScheduler"],
    "text_encoder": ["transformers", "CLIPTextModel"],
    "tokenizer": ["transformers", "CLIPTokenizer"],
    "unet": ["diffusers", "UNet2DConditionModel"],
    "vae": ["diffusers", "AutoencoderKL"],
}
TEXT_PREFIX = "text_model."


@dataclass(frozen=True)
class Trained:
    """All that makes up the checkpoint."""

    tokenizer_folder: Path
    text_encoder: CLIPTextModel
    vae: AutoencoderKL
    trainer: UNetTrainer
    tiny: AutoencoderTiny | None = None


def write_json(path: Path, value: object) -> None:
    """Readable JSON with a final newline."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, indent=2) + "\n", "utf-8")


def save_text_encoder(encoder: CLIPTextModel, folder: Path) -> None:
    """Config and weights, under the key names that every release of transformers reads."""
    copy = CLIPTextModel(encoder.config)
    copy.load_state_dict(encoder.state_dict())
    copy.half().save_pretrained(folder)
    tensors = {
        TEXT_PREFIX + name.removeprefix(TEXT_PREFIX): value.contiguous()
        for name, value in copy.state_dict().items()
        if not name.endswith("position_ids")
    }
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})


def write_checkpoint(trained: Trained, folder: Path) -> None:
    """All components, into a new folder."""
    shutil.copytree(trained.tokenizer_folder, folder / "tokenizer")
    save_text_encoder(trained.text_encoder, folder / "text_encoder")
    unet = UNet2DConditionModel.from_config(trained.trainer.unet.config)
    unet.load_state_dict(trained.trainer.averaged())
    unet.half().save_pretrained(folder / "unet")
    vae = AutoencoderKL.from_config(trained.vae.config)
    vae.load_state_dict(trained.vae.state_dict())
    vae.half().save_pretrained(folder / "vae")
    if trained.tiny is not None:
        tiny = build_tiny()
        tiny.load_state_dict(trained.tiny.state_dict())
        tiny.half().save_pretrained(folder / "preview_decoder")
    write_json(folder / "scheduler" / "scheduler_config.json", SCHEDULER_CONFIG)
    write_json(folder / "model_index.json", MODEL_INDEX)


def replace_files(source: Path, target: Path) -> None:
    """Move every file of source over target's, one rename each; other files there stay."""
    for path in sorted(source.rglob("*")):
        if path.is_file():
            place = target / path.relative_to(source)
            place.parent.mkdir(parents=True, exist_ok=True)
            path.chmod(0o644)
            path.replace(place)


def export(trained: Trained, target: Path) -> None:
    """Write beside the target, then rename file by file: a reader never sees half a file."""
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=".export-", dir=target.parent))
    try:
        write_checkpoint(trained, temporary)
        replace_files(temporary, target)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
