"""The names that a field's ``choices`` refers to, for every closed set of them; model files are
further upscalers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from webui.core.hires_fields import SAME
from webui.core.registry import Registry
from webui.core.samplers import (
    EMPHASIS_MODES,
    NOISE_SCHEDULES,
    NOISE_SOURCES,
    SAMPLERS,
    SCHEDULES,
    UNIPC_SKIPS,
    UNIPC_VARIANTS,
)
from webui.core.second_pass import (
    INPAINT_AREAS,
    LATENT_UPSCALERS,
    MASK_MODES,
    MASKED_CONTENTS,
    RESIZE_MODES,
)
from webui.core.upscalers import BUILT_IN


def _joined(what: str, *parts: Registry[Any] | tuple[str, ...]) -> Registry[str]:
    joined: Registry[str] = Registry(what)
    for part in parts:
        is_registry = isinstance(part, Registry)
        for name in part.names() if is_registry else part:
            joined.add(name, name, aliases=part.aliases(name) if is_registry else ())
    return joined


WITH_FILES = frozenset({"checkpoints", "upscalers", "hires_upscalers"})
"""The sets to which files in the folder of models belong: the catalogue knows their names."""

HIRES_UPSCALERS = _joined("upscaler", LATENT_UPSCALERS, BUILT_IN)

CHOICES: Mapping[str, Registry[Any]] = {
    "samplers": SAMPLERS,
    "schedules": SCHEDULES,
    "noise_sources": NOISE_SOURCES,
    "noise_schedules": NOISE_SCHEDULES,
    "emphasis_modes": EMPHASIS_MODES,
    "unipc_variants": UNIPC_VARIANTS,
    "unipc_skips": UNIPC_SKIPS,
    "hires_upscalers": HIRES_UPSCALERS,
    "hires_samplers": _joined("sampler", (SAME,), SAMPLERS),
    "hires_schedules": _joined("schedule", (SAME,), SCHEDULES),
    "resize_modes": RESIZE_MODES,
    "mask_modes": MASK_MODES,
    "masked_contents": MASKED_CONTENTS,
    "inpaint_areas": INPAINT_AREAS,
}
