"""Names of what a picture that is drawn over is made of: resizing, masks, latent upscalers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from webui.core.registry import Registry


@dataclass(frozen=True, slots=True)
class LatentUpscaler:
    """How latents are enlarged: torch's interpolation mode, and whether it is antialiased."""

    mode: Literal["bilinear", "bicubic", "nearest", "nearest-exact"]
    antialias: bool = False


LATENT_UPSCALERS: Registry[LatentUpscaler] = Registry("upscaler")
LATENT_UPSCALERS.add("Latent", LatentUpscaler("bilinear"))
LATENT_UPSCALERS.add("Latent (antialiased)", LatentUpscaler("bilinear", antialias=True))
LATENT_UPSCALERS.add("Latent (bicubic)", LatentUpscaler("bicubic"))
LATENT_UPSCALERS.add("Latent (bicubic antialiased)", LatentUpscaler("bicubic", antialias=True))
LATENT_UPSCALERS.add("Latent (nearest)", LatentUpscaler("nearest"))
LATENT_UPSCALERS.add("Latent (nearest-exact)", LatentUpscaler("nearest-exact"))

RESIZE_MODES: Registry[str] = Registry("resize mode")
for _name in ("Just resize", "Crop and resize", "Resize and fill", "Just resize (latent upscale)"):
    RESIZE_MODES.add(_name, _name)

MASK_MODES: Registry[str] = Registry("mask mode")
for _name in ("Inpaint masked", "Inpaint not masked"):
    MASK_MODES.add(_name, _name)

MASKED_CONTENTS: Registry[str] = Registry("masked content")
for _name in ("fill", "original", "latent noise", "latent nothing"):
    MASKED_CONTENTS.add(_name, _name)

INPAINT_AREAS: Registry[str] = Registry("inpaint area")
for _name in ("Whole picture", "Only masked"):
    INPAINT_AREAS.add(_name, _name)
