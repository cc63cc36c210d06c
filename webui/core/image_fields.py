"""The picture that a request starts from, and the mask that says where it is drawn over."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from webui.core.draw_request import DrawRequest
from webui.core.params import Param

ID_CHARS = 64
MAX_FILE_BYTES = 64 * 1024 * 1024
"""Of the file of a picture that a request starts from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageFields(DrawRequest):
    """Start picture and mask; without a ``mask`` none of the fields about masks has an effect."""

    init_image: Annotated[
        str,
        Param(
            label="Image",
            control="picture",
            max_chars=ID_CHARS,
            section="image",
            help="The picture to start from: the id that POST /api/v1/inputs gave it.",
        ),
    ] = ""
    mask: Annotated[
        str,
        Param(
            label="Mask",
            control="picture",
            max_chars=ID_CHARS,
            section="inpaint",
            help="Where to draw: a picture's id as for the image; what is light in it (or opaque, "
            "where it has no colours) is drawn over.",
        ),
    ] = ""
    denoising_strength: Annotated[
        float,
        Param(
            label="Denoising strength",
            control="slider",
            minimum=0.0,
            maximum=1.0,
            step=0.01,
            section="image",
            infotext="Denoising strength",
            a1111="denoising_strength",
            help="How much of the picture is drawn anew: 0 nothing, 1 everything.",
        ),
    ] = 0.75
    resize_mode: Annotated[
        str,
        Param(
            label="Resize mode",
            control="choice",
            choices="resize_modes",
            max_chars=50,
            section="image",
            infotext="Resize mode",
            a1111="resize_mode",
            help="What happens where the picture has another shape than width and height.",
        ),
    ] = "Just resize"
    noise_multiplier: Annotated[
        float,
        Param(
            label="Noise multiplier",
            control="slider",
            minimum=0.0,
            maximum=1.5,
            step=0.001,
            section="image",
            infotext="Noise multiplier",
            a1111="initial_noise_multiplier",
            help="Multiplies the noise that is put on the picture; less keeps it softer.",
        ),
    ] = 1.0
    mask_blur: Annotated[
        int,
        Param(
            label="Mask blur",
            control="slider",
            minimum=0,
            maximum=64,
            step=1,
            section="inpaint",
            infotext="Mask blur",
            a1111="mask_blur",
            help="How far the mask's edge is softened, in pixels.",
        ),
    ] = 4
    mask_mode: Annotated[
        str,
        Param(
            label="Mask mode",
            control="choice",
            choices="mask_modes",
            max_chars=50,
            section="inpaint",
            infotext="Mask mode",
            a1111="inpainting_mask_invert",
            help="Whether what is masked or what is not masked is drawn over.",
        ),
    ] = "Inpaint masked"
    masked_content: Annotated[
        str,
        Param(
            label="Masked content",
            control="choice",
            choices="masked_contents",
            max_chars=50,
            section="inpaint",
            infotext="Masked content",
            a1111="inpainting_fill",
            help="What is under the mask to begin with: colours around it, the picture itself, "
            "noise, or nothing.",
        ),
    ] = "original"
    inpaint_area: Annotated[
        str,
        Param(
            label="Inpaint area",
            control="choice",
            choices="inpaint_areas",
            max_chars=50,
            section="inpaint",
            infotext="Inpaint area",
            a1111="inpaint_full_res",
            help="Only masked draws the part around the mask at full width and height, and puts "
            "it back into the picture.",
        ),
    ] = "Whole picture"
    masked_padding: Annotated[
        int,
        Param(
            label="Only masked padding",
            control="slider",
            minimum=0,
            maximum=256,
            step=4,
            section="inpaint",
            infotext="Masked area padding",
            a1111="inpaint_full_res_padding",
            help="How much around the mask is part of what is drawn, in pixels.",
        ),
    ] = 32
