"""The fields of A1111's requests with their defaults (``/sdapi/v1/txt2img`` and ``img2img``).

The defaults are those of A1111 1.10's processing dataclasses and of what its API adds to them;
Forge's own fields are known too.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from webui.api.a1111.body import Known


def json_body(known: Mapping[str, Known]) -> dict[str, Any]:
    """The OpenAPI description of a request with these fields, all of which may be left out."""
    properties = {name: _schema(field) for name, field in known.items()}
    schema = {"type": "object", "properties": properties, "additionalProperties": True}
    return {"requestBody": {"content": {"application/json": {"schema": schema}}}}


def _schema(field: Known) -> dict[str, Any]:
    schema: dict[str, Any] = {**_TYPES[field.kind]}
    schema["type"] = [schema["type"], "null"]
    if field.default is not None:
        schema["default"] = list(field.default) if field.kind == "list" else field.default
    return schema


def _by_name(fields: Iterable[Known]) -> dict[str, Known]:
    return {field.name: field for field in fields}


_TYPES: Mapping[str, Mapping[str, Any]] = {
    "text": {"type": "string"},
    "whole": {"type": "integer"},
    "number": {"type": "number"},
    "flag": {"type": "boolean"},
    "texts": {"type": "array", "items": {"type": "string"}},
    "list": {"type": "array", "items": {}},
    "object": {"type": "object"},
}
_DRAWING = (
    Known("prompt", "text", ""),
    Known("negative_prompt", "text", ""),
    Known("styles", "texts"),
    Known("seed", "whole", -1),
    Known("subseed", "whole", -1),
    Known("subseed_strength", "number", 0),
    Known("seed_resize_from_h", "whole", -1),
    Known("seed_resize_from_w", "whole", -1),
    Known("seed_enable_extras", "flag", True),
    Known("sampler_name", "text"),
    Known("scheduler", "text"),
    Known("batch_size", "whole", 1),
    Known("n_iter", "whole", 1),
    Known("steps", "whole", 50),
    Known("cfg_scale", "number", 7.0),
    Known("width", "whole", 512),
    Known("height", "whole", 512),
    Known("restore_faces", "flag"),
    Known("tiling", "flag"),
    Known("do_not_save_samples", "flag", False, "idle"),
    Known("do_not_save_grid", "flag", False, "idle"),
    Known("eta", "number"),
    Known("denoising_strength", "number", 0.75),
    Known("s_min_uncond", "number"),
    Known("s_churn", "number"),
    Known("s_tmax", "number"),
    Known("s_tmin", "number"),
    Known("s_noise", "number"),
    Known("override_settings", "object"),
    Known("override_settings_restore_afterwards", "flag", True),
    Known("refiner_checkpoint", "text"),
    Known("refiner_switch_at", "number"),
    Known("disable_extra_networks", "flag", False, "absent"),
    Known("firstpass_image", "text", None, "idle"),
    Known("comments", "object", None, "absent"),
)
_HIRES = (
    Known("enable_hr", "flag", False),
    Known("firstphase_width", "whole", 0, "idle"),
    Known("firstphase_height", "whole", 0, "idle"),
    Known("hr_scale", "number", 2.0),
    Known("hr_upscaler", "text", None),
    Known("hr_second_pass_steps", "whole", 0),
    Known("hr_resize_x", "whole", 0),
    Known("hr_resize_y", "whole", 0),
    Known("hr_checkpoint_name", "text", None),
    Known("hr_sampler_name", "text", None),
    Known("hr_scheduler", "text", None),
    Known("hr_prompt", "text", ""),
    Known("hr_negative_prompt", "text", ""),
)
_API = (
    Known("force_task_id", "text"),
    Known("sampler_index", "text", "Euler"),
    Known("script_name", "text"),
    Known("script_args", "list", ()),
    Known("send_images", "flag", True),
    Known("save_images", "flag", False),
    Known("alwayson_scripts", "object"),
    Known("infotext", "text"),
)
_FORGE = (
    Known("distilled_cfg_scale", "number", 3.5, "idle", echoed=False),
    Known("hr_cfg", "number", 1.0, echoed=False),
    Known("hr_distilled_cfg", "number", 3.5, "idle", echoed=False),
    Known("hr_additional_modules", "list", None, "idle", echoed=False),
)
_PICTURE = (
    Known("init_images", "texts"),
    Known("resize_mode", "whole", 0),
    Known("image_cfg_scale", "number", None, "idle"),
    Known("mask", "text"),
    Known("mask_blur_x", "whole", 4),
    Known("mask_blur_y", "whole", 4),
    Known("mask_blur", "whole"),
    Known("mask_round", "flag", True, "absent"),
    Known("inpainting_fill", "whole", 0),
    Known("inpaint_full_res", "flag", True),
    Known("inpaint_full_res_padding", "whole", 0),
    Known("inpainting_mask_invert", "whole", 0),
    Known("initial_noise_multiplier", "number"),
    Known("latent_mask", "text", None, "absent"),
    Known("include_init_images", "flag", False),
)

TXT2IMG: Mapping[str, Known] = _by_name((*_DRAWING, *_HIRES, *_API, *_FORGE))
"""Forge's distilled guidance is of models that Easel does not draw with, and changes no other."""

IMG2IMG: Mapping[str, Known] = _by_name((*_DRAWING, *_PICTURE, *_API, *_FORGE))
