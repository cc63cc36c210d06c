"""The names that a field's ``choices`` refers to, for every closed set of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

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

CHOICES: Mapping[str, Registry[Any]] = {
    "samplers": SAMPLERS,
    "schedules": SCHEDULES,
    "noise_sources": NOISE_SOURCES,
    "noise_schedules": NOISE_SCHEDULES,
    "emphasis_modes": EMPHASIS_MODES,
    "unipc_variants": UNIPC_VARIANTS,
    "unipc_skips": UNIPC_SKIPS,
}
