"""Checkpoints as small as a header, made by the tests."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

Shapes = Mapping[str, tuple[int, ...]]

UNET = "model.diffusion_model."
SD1: dict[str, tuple[int, ...]] = {
    UNET + "input_blocks.0.0.weight": (320, 4, 3, 3),
    UNET + "input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight": (320, 768),
    "cond_stage_model.transformer.text_model.final_layer_norm.weight": (768,),
    "first_stage_model.decoder.conv_in.weight": (512, 4, 3, 3),
}


def header_bytes(shapes: Shapes, metadata: Mapping[str, str] | None = None) -> tuple[bytes, int]:
    """A safetensors header for float16 tensors, and how many bytes they take."""
    data: dict[str, Any] = {"__metadata__": dict(metadata)} if metadata else {}
    place = 0
    for name, shape in shapes.items():
        size = 2
        for side in shape:
            size *= side
        data[name] = {"dtype": "F16", "shape": shape, "data_offsets": [place, place + size]}
        place += size
    raw = json.dumps(data).encode()
    raw += b" " * (-len(raw) % 8)
    return len(raw).to_bytes(8, "little") + raw, place


def write_safetensors(
    path: Path, shapes: Shapes = SD1, metadata: Mapping[str, str] | None = None
) -> Path:
    """A whole safetensors file, its tensors a hole on the disk."""
    head, body = header_bytes(shapes, metadata)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        file.write(head)
        file.truncate(len(head) + body)
    return path


def write_folder(folder: Path, **changes: Any) -> Path:
    """A diffusers folder; ``changes`` replace parts of its JSON files (None: no such file)."""
    files: dict[str, Any] = {
        "model_index.json": {
            "_class_name": "StableDiffusionPipeline",
            "_diffusers_version": "0.42.1",
            "feature_extractor": [None, None],
            "requires_safety_checker": False,
            "safety_checker": [None, None],
            "scheduler": ["diffusers", "EulerDiscreteScheduler"],
            "text_encoder": ["transformers", "CLIPTextModel"],
            "tokenizer": ["transformers", "CLIPTokenizer"],
            "unet": ["diffusers", "UNet2DConditionModel"],
            "vae": ["diffusers", "AutoencoderKL"],
        },
        "unet/config.json": {
            "_class_name": "UNet2DConditionModel",
            "in_channels": 4,
            "cross_attention_dim": 128,
            "sample_size": 16,
        },
        "vae/config.json": {"_class_name": "AutoencoderKL", "block_out_channels": [32, 64, 64]},
        "text_encoder/config.json": {"architectures": ["CLIPTextModel"]},
        "scheduler/scheduler_config.json": {"_class_name": "EulerDiscreteScheduler"},
    }
    for name, change in changes.items():
        key = name.replace("__", "/") + ".json"
        files[key] = files[key] | change if isinstance(change, dict) else change
    for name, content in files.items():
        if content is not None:
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(
                content if isinstance(content, bytes) else json.dumps(content).encode()
            )
    write_safetensors(folder / "unet/diffusion_pytorch_model.safetensors", {"a": (4,)})
    write_safetensors(folder / "vae/diffusion_pytorch_model.safetensors", {"b": (4,)})
    write_safetensors(folder / "text_encoder/model.safetensors", {"c": (4,)})
    return folder


@pytest.fixture
def sd1() -> dict[str, tuple[int, ...]]:
    return dict(SD1)


@pytest.fixture
def safetensors() -> Callable[..., Path]:
    return write_safetensors


@pytest.fixture
def diffusers_folder() -> Callable[..., Path]:
    return write_folder


@pytest.fixture
def header() -> Callable[..., tuple[bytes, int]]:
    return header_bytes


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """An empty models folder."""
    (tmp_path / "models" / "checkpoints").mkdir(parents=True)
    return tmp_path / "models"


@pytest.fixture
def bytes_read(monkeypatch: pytest.MonkeyPatch) -> Callable[[], int]:
    """How many bytes this process has read from files, as the kernel counts them."""

    def count() -> int:
        counters = Path(f"/proc/{os.getpid()}/io")
        if not counters.exists():
            pytest.skip("needs /proc")
        lines = dict(line.split(": ") for line in counters.read_text().splitlines())
        return int(lines["rchar"])

    return count
