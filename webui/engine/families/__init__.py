"""Model families, by the names ``core.models.ModelRef.family`` carries."""

from __future__ import annotations

from webui.core.registry import Registry
from webui.engine.families.base import Family
from webui.engine.families.clip_folder import ClipFamily
from webui.engine.families.sd15 import StableDiffusion1
from webui.engine.families.upscaler import UpscalerFamily

FAMILIES: Registry[Family] = Registry("model family")
FAMILIES.add("sd15", StableDiffusion1())
FAMILIES.add("clip", ClipFamily())
FAMILIES.add("upscaler", UpscalerFamily())
