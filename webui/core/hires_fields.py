"""The second pass of what is drawn from a prompt: enlarged and drawn over (A1111's Hires. fix)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from webui.core.draw_request import DrawRequest
from webui.core.params import Param
from webui.core.picture_fields import MAX_PROMPT_CHARS, MAX_SIDE

SAME = "Use same"
"""The hires sampler or schedule that is the first pass's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HiresFields(DrawRequest):
    """The second pass's fields; without ``hires`` none of the others has an effect."""

    hires: Annotated[
        bool,
        Param(
            label="Hires. fix",
            control="checkbox",
            section="hires",
            a1111="enable_hr",
            help="Draw at the size above, enlarge, then draw over the enlarged picture: large "
            "pictures that hold together.",
        ),
    ] = False
    hires_upscaler: Annotated[
        str,
        Param(
            label="Upscaler",
            control="choice",
            choices="hires_upscalers",
            max_chars=500,
            section="hires",
            infotext="Hires upscaler",
            a1111="hr_upscaler",
            help="What enlarges between the passes; the latent ones need a denoising strength of "
            "about 0.55 or more.",
        ),
    ] = "Latent"
    hires_steps: Annotated[
        int,
        Param(
            label="Hires steps",
            control="slider",
            minimum=0,
            maximum=150,
            step=1,
            section="hires",
            infotext="Hires steps",
            a1111="hr_second_pass_steps",
            help="Steps of the second pass; 0 means as many as the first.",
        ),
    ] = 0
    denoising_strength: Annotated[
        float,
        Param(
            label="Denoising strength",
            control="slider",
            minimum=0.0,
            maximum=1.0,
            step=0.01,
            section="hires",
            infotext="Denoising strength",
            a1111="denoising_strength",
            help="How much of the enlarged picture is drawn anew: 0 nothing, 1 everything.",
        ),
    ] = 0.7
    hires_scale: Annotated[
        float,
        Param(
            label="Upscale by",
            control="slider",
            minimum=1.0,
            maximum=4.0,
            step=0.05,
            section="hires",
            infotext="Hires upscale",
            a1111="hr_scale",
            help="How many times larger the picture becomes, unless a size is given.",
        ),
    ] = 2.0
    hires_width: Annotated[
        int,
        Param(
            label="Resize width to",
            control="slider",
            minimum=0,
            maximum=MAX_SIDE,
            step=8,
            multiple_of=8,
            section="hires",
            a1111="hr_resize_x",
            help="In pixels; 0 follows from the height, or from Upscale by where both are 0.",
        ),
    ] = 0
    hires_height: Annotated[
        int,
        Param(
            label="Resize height to",
            control="slider",
            minimum=0,
            maximum=MAX_SIDE,
            step=8,
            multiple_of=8,
            section="hires",
            a1111="hr_resize_y",
            help="In pixels; 0 follows from the width, or from Upscale by where both are 0.",
        ),
    ] = 0
    hires_sampler: Annotated[
        str,
        Param(
            label="Hires sampling method",
            control="choice",
            choices="hires_samplers",
            max_chars=100,
            section="hires",
            infotext="Hires sampler",
            a1111="hr_sampler_name",
            help="The second pass's sampling method.",
        ),
    ] = SAME
    hires_scheduler: Annotated[
        str,
        Param(
            label="Hires schedule type",
            control="choice",
            choices="hires_schedules",
            max_chars=100,
            section="hires",
            infotext="Hires schedule type",
            a1111="hr_scheduler",
            help="The second pass's schedule.",
        ),
    ] = SAME
    hires_cfg_scale: Annotated[
        float,
        Param(
            label="Hires CFG Scale",
            control="slider",
            minimum=0.0,
            maximum=30.0,
            step=0.5,
            section="hires",
            infotext="Hires CFG Scale",
            a1111="hr_cfg",
            help="The second pass's CFG scale; 0 means the first pass's.",
        ),
    ] = 0.0
    hires_prompt: Annotated[
        str,
        Param(
            label="Hires prompt",
            control="multiline",
            max_chars=MAX_PROMPT_CHARS,
            section="hires",
            infotext="Hires prompt",
            a1111="hr_prompt",
            help="The second pass's prompt; empty means the first pass's.",
        ),
    ] = ""
    hires_negative_prompt: Annotated[
        str,
        Param(
            label="Hires negative prompt",
            control="multiline",
            max_chars=MAX_PROMPT_CHARS,
            section="hires",
            infotext="Hires negative prompt",
            a1111="hr_negative_prompt",
            help="The second pass's negative prompt; empty means the first pass's.",
        ),
    ] = ""
