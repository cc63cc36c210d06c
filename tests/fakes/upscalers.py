"""Upscaling models of a few kilobytes, as real safetensors files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from spandrel.architectures.Compact import Compact
from spandrel.architectures.ESRGAN import ESRGAN
from spandrel.architectures.SwinIR import SwinIR
from torch import nn

from webui.core.models import ModelRef


def ref_of(path: Path) -> ModelRef:
    """What the catalog would say of a file."""
    status = path.stat()
    digest = f"{path}:{status.st_size}:{status.st_mtime_ns}"
    return ModelRef(path.stem, str(path), "file", "upscaler", "epsilon", 0, digest)


def write(path: Path, module: nn.Module) -> ModelRef:
    """A module's weights as a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({k: v.contiguous() for k, v in module.state_dict().items()}, path, {"format": "pt"})
    return ref_of(path)


def compact(scale: int, *, seed: int = 0, size: float = 0.1, convolutions: int = 1) -> Compact:
    """Real-ESRGAN's compact network: the nearest pixels, and what it has "learned" on top."""
    torch.manual_seed(seed)
    made = Compact(num_feat=8, num_conv=convolutions, upscale=scale)
    for value in made.parameters():
        value.data = torch.randn_like(value) * size
    return made


def write_nearest(path: Path, scale: int, brighter: float = 0.0) -> ModelRef:
    """A model that repeats each pixel ``scale`` × ``scale`` times, ``brighter`` by that (0..1)."""
    made = compact(scale, size=0.0)
    last: Any = made.body[-1]
    last.bias.data.fill_(brighter)
    return write(path, made)


def esrgan(scale: int = 4) -> ESRGAN:
    """ESRGAN with one block, in the names of the first ESRGAN files."""
    torch.manual_seed(1)
    return ESRGAN(num_filters=4, num_blocks=1, scale=scale)


def swinir(scale: int = 2) -> SwinIR:
    """SwinIR with one layer."""
    torch.manual_seed(2)
    return SwinIR(
        img_size=16,
        window_size=8,
        embed_dim=12,
        depths=[1],
        num_heads=[2],
        upscale=scale,
        upsampler="pixelshuffle",
        resi_connection="1conv",
    )
