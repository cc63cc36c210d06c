"""How strongly prompt and negative prompt steer, and when."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from webui.core.params import Param
from webui.core.sampling_fields import SamplingFields


@dataclass(frozen=True, slots=True, kw_only=True)
class GuidanceFields(SamplingFields):
    """Guidance beyond the CFG scale; the defaults change nothing."""

    emphasis: Annotated[
        str,
        Param(
            label="Emphasis mode",
            control="choice",
            choices="emphasis_modes",
            max_chars=20,
            section="guidance",
            infotext="Emphasis",
            a1111="emphasis",
            help="What (word:1.2) does: Original keeps the prompt's mean, No norm does not, "
            "None shows the brackets to the model, Ignore drops them.",
        ),
    ] = "Original"
    cfg_rescale: Annotated[
        float,
        Param(
            label="CFG rescale",
            control="slider",
            minimum=0.0,
            maximum=1.0,
            step=0.05,
            section="guidance",
            infotext="CFG rescale",
            help="Brings contrast back to what it is without guidance: 0 not at all, 1 wholly.",
        ),
    ] = 0.0
    guidance_start: Annotated[
        float,
        Param(
            label="Guidance start",
            control="slider",
            minimum=0.0,
            maximum=1.0,
            step=0.01,
            section="guidance",
            infotext="Guidance start",
            help="Before this share of the steps the negative prompt and CFG scale do nothing.",
        ),
    ] = 0.0
    guidance_end: Annotated[
        float,
        Param(
            label="Guidance end",
            control="slider",
            minimum=0.0,
            maximum=1.0,
            step=0.01,
            section="guidance",
            infotext="Guidance end",
            help="From this share of the steps on the negative prompt and CFG scale do nothing.",
        ),
    ] = 1.0
    skip_early_cfg: Annotated[
        float,
        Param(
            label="Ignore negative prompt during early sampling",
            control="slider",
            minimum=0.0,
            maximum=1.0,
            step=0.01,
            section="guidance",
            infotext="Skip Early CFG",
            a1111="skip_early_cond",
            help="For this share of the steps the negative prompt is left out, which is faster.",
        ),
    ] = 0.0
    ngms: Annotated[
        float,
        Param(
            label="Negative Guidance minimum sigma",
            control="slider",
            minimum=0.0,
            maximum=15.0,
            step=0.01,
            section="guidance",
            infotext="NGMS",
            a1111="s_min_uncond",
            help="Below this noise level the negative prompt is left out every other step, "
            "which is faster.",
        ),
    ] = 0.0
    dynamic_threshold: Annotated[
        float,
        Param(
            label="Dynamic thresholding percentile",
            control="slider",
            minimum=0.9,
            maximum=1.0,
            step=0.001,
            section="guidance",
            infotext="Dynamic thresholding percentile",
            help="Values beyond this percentile are brought back each step, against glaring "
            "colours at high CFG (Imagen); 1 is off.",
        ),
    ] = 1.0
    perp_neg: Annotated[
        float,
        Param(
            label="Perpendicular negative",
            control="slider",
            minimum=0.0,
            maximum=4.0,
            step=0.05,
            section="guidance",
            infotext="Perp-Neg",
            help="How strongly to avoid what the negative prompt shows and the prompt does not "
            "(Perp-Neg); 0 is off.",
        ),
    ] = 0.0
    seed_resize_width: Annotated[
        int,
        Param(
            label="Resize seed from width",
            control="slider",
            minimum=0,
            maximum=4096,
            step=8,
            multiple_of=8,
            section="sampling",
            a1111="seed_resize_from_w",
            help="Draw a composition like the one this seed gives at that width; 0 is off.",
        ),
    ] = 0
    seed_resize_height: Annotated[
        int,
        Param(
            label="Resize seed from height",
            control="slider",
            minimum=0,
            maximum=4096,
            step=8,
            multiple_of=8,
            section="sampling",
            a1111="seed_resize_from_h",
            help="Draw a composition like the one this seed gives at that height; 0 is off.",
        ),
    ] = 0
