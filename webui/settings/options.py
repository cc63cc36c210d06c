"""A1111's options: which of them are a setting or a request's field here, and their value forms.

The names are those of A1111's ``config.json`` and of ``/sdapi/v1/options`` (its
``modules/shared_options.py``); ours come from what settings and fields declare as ``a1111``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from webui.core.params import Field, fields_of
from webui.core.requests import Txt2Img
from webui.settings.declared import Setting, describe

CHECKPOINT = "sd_model_checkpoint"
PATTERN = "samples_filename_pattern"
ADD_NUMBER = "save_images_add_number"
NUMBER = "[number]"

_FIELD_NAMES = frozenset(
    {
        "clip_skip", "randn_source", "emphasis", "eta_noise_seed_delta",
        "always_discard_next_to_last_sigma", "sigma_min", "sigma_max", "rho", "beta_dist_alpha",
        "beta_dist_beta", "uni_pc_variant", "uni_pc_skip_type", "uni_pc_order",
        "uni_pc_lower_order_final", "sd_noise_schedule", "skip_early_cond", "s_min_uncond",
        "s_churn", "s_tmin", "s_tmax", "s_noise", "tiling",
    }
)  # fmt: skip
_OTHER_NAMES = {"clip_skip": "CLIP_stop_at_last_layers"}


def _settings() -> Iterator[tuple[str, Setting]]:
    return ((s.param.a1111, s) for s in describe() if s.param.a1111)


def _fields() -> Iterator[tuple[str, Field]]:
    for field in fields_of(Txt2Img):
        name = field.param.a1111
        if name in _FIELD_NAMES:
            yield _OTHER_NAMES.get(name, name), field


SETTINGS: Mapping[str, Setting] = dict(_settings())
"""Settings by the name of A1111's option."""

FIELDS: Mapping[str, Field] = dict(_fields())
"""Request fields that A1111 keeps among its options, by the option's name."""


def to_ours(name: str, value: Any) -> Any:
    """A setting's value from the option's; None where the option leaves the choice to A1111."""
    translate = _TO_OURS.get(name)
    return translate(value) if translate else value


def to_theirs(name: str, value: Any) -> Any:
    """An option's value from the setting's or field's."""
    translate = _TO_THEIRS.get(name)
    return translate(value) if translate else value


def numbered(options: Mapping[str, Any]) -> Mapping[str, Any]:
    """The options with the running number written into the name pattern.

    A1111 puts it before every name unless "save_images_add_number" is off; here it is a part of
    the pattern.
    """
    pattern = options.get(PATTERN)
    wanted = options.get(ADD_NUMBER, True)
    if not wanted or not isinstance(pattern, str) or not pattern or NUMBER in pattern:
        return options
    return {**options, PATTERN: f"{NUMBER}-{pattern}"}


def _pattern(value: Any) -> Any:
    return None if value == "" else value  # "" is A1111's own pattern


_TO_OURS: Mapping[str, Callable[[Any], Any]] = {
    "samples_format": lambda value: "jpeg" if value == "jpg" else value,
    PATTERN: _pattern,
    "show_progress_every_n_steps": lambda value: 0 if value == -1 else value,
}
_TO_THEIRS: Mapping[str, Callable[[Any], Any]] = {
    "samples_format": lambda value: "jpg" if value == "jpeg" else value,
    PATTERN: lambda value: value.removeprefix(f"{NUMBER}-"),
    "show_progress_every_n_steps": lambda value: value or -1,
}
