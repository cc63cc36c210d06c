"""What every picture drawn from a prompt is asked for with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from webui.core.params import Param
from webui.core.seeds import MAX_SEED

MAX_PROMPT_CHARS = 20_000
MIN_SIDE = 16
MAX_SIDE = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureFields:
    """Prompt, model, sampler, size, seed; ``core.requests`` says what empty values mean."""

    prompt: Annotated[
        str,
        Param(
            label="Prompt",
            control="multiline",
            max_chars=MAX_PROMPT_CHARS,
            a1111="prompt",
            help="What to draw. (word:1.2) gives a word more weight.",
        ),
    ] = ""
    negative_prompt: Annotated[
        str,
        Param(
            label="Negative prompt",
            control="multiline",
            max_chars=MAX_PROMPT_CHARS,
            a1111="negative_prompt",
            help="What to keep out of the picture.",
        ),
    ] = ""
    checkpoint: Annotated[
        str,
        Param(
            label="Checkpoint",
            control="choice",
            choices="checkpoints",
            max_chars=500,
            infotext="Model",
            a1111="sd_model_checkpoint",
            help="The model that draws.",
        ),
    ] = ""
    sampler: Annotated[
        str,
        Param(
            label="Sampling method",
            control="choice",
            choices="samplers",
            max_chars=100,
            infotext="Sampler",
            a1111="sampler_name",
            help="The numerical method that turns noise into a picture.",
        ),
    ] = "Euler a"
    scheduler: Annotated[
        str,
        Param(
            label="Schedule type",
            control="choice",
            choices="schedules",
            max_chars=100,
            infotext="Schedule type",
            a1111="scheduler",
            help="How the noise levels are spaced; Automatic takes the method's own.",
        ),
    ] = "Automatic"
    steps: Annotated[
        int,
        Param(
            label="Sampling steps",
            control="slider",
            minimum=1,
            maximum=150,
            step=1,
            infotext="Steps",
            a1111="steps",
            help="More steps take longer and add detail up to a point.",
        ),
    ] = 20
    width: Annotated[
        int | None,
        Param(
            label="Width",
            control="slider",
            minimum=MIN_SIDE,
            maximum=MAX_SIDE,
            step=8,
            multiple_of=8,
            a1111="width",
            help="In pixels; empty means the checkpoint's native size.",
        ),
    ] = None
    height: Annotated[
        int | None,
        Param(
            label="Height",
            control="slider",
            minimum=MIN_SIDE,
            maximum=MAX_SIDE,
            step=8,
            multiple_of=8,
            a1111="height",
            help="In pixels; empty means the checkpoint's native size.",
        ),
    ] = None
    batch_count: Annotated[
        int,
        Param(
            label="Batch count",
            control="slider",
            minimum=1,
            maximum=100,
            step=1,
            a1111="n_iter",
            help="How many batches are drawn, one after another.",
        ),
    ] = 1
    batch_size: Annotated[
        int,
        Param(
            label="Batch size",
            control="slider",
            minimum=1,
            maximum=64,
            step=1,
            a1111="batch_size",
            help="How many pictures are drawn at once.",
        ),
    ] = 1
    cfg_scale: Annotated[
        float,
        Param(
            label="CFG Scale",
            control="slider",
            minimum=1.0,
            maximum=30.0,
            step=0.5,
            infotext="CFG scale",
            a1111="cfg_scale",
            help="How strictly the picture follows the prompt.",
        ),
    ] = 7.0
    seed: Annotated[
        int,
        Param(
            label="Seed",
            control="seed",
            minimum=-1,
            maximum=MAX_SEED,
            step=1,
            infotext="Seed",
            a1111="seed",
            help="The same seed draws the same picture; -1 takes a random one.",
        ),
    ] = -1
    variation_seed: Annotated[
        int,
        Param(
            label="Variation seed",
            control="seed",
            minimum=-1,
            maximum=MAX_SEED,
            step=1,
            infotext="Variation seed",
            a1111="subseed",
            help="The seed of the noise that is mixed in; -1 takes a random one.",
        ),
    ] = -1
    variation_strength: Annotated[
        float,
        Param(
            label="Variation strength",
            control="slider",
            minimum=0.0,
            maximum=1.0,
            step=0.01,
            infotext="Variation seed strength",
            a1111="subseed_strength",
            help="How much of the variation seed's noise is mixed in: 0 none, 1 nothing else.",
        ),
    ] = 0.0
    tiling: Annotated[
        bool,
        Param(
            label="Tiling",
            control="checkbox",
            infotext="Tiling",
            a1111="tiling",
            help="Draw a picture whose opposite edges meet, so that it can be repeated as a tile.",
        ),
    ] = False
    clip_skip: Annotated[
        int,
        Param(
            label="Clip skip",
            control="slider",
            minimum=1,
            maximum=12,
            step=1,
            infotext="Clip skip",
            a1111="clip_skip",
            help="Take the text encoder's output that many layers before the end; 1 is the end.",
        ),
    ] = 1
    noise_source: Annotated[
        str,
        Param(
            label="Noise source",
            control="choice",
            choices="noise_sources",
            max_chars=20,
            infotext="RNG",
            a1111="randn_source",
            help="NV draws an NVIDIA GPU's noise on every device, so seeds mean the same anywhere.",
        ),
    ] = "NV"

    best_of: Annotated[
        int,
        Param(
            label="Best of",
            control="slider",
            minimum=1,
            maximum=64,
            step=1,
            infotext="Best of",
            help="Draws that many candidates for each picture and keeps the one that CLIP finds "
            "closest to the prompt, as DALL·E did.",
        ),
    ] = 1
    clip_score: Annotated[
        bool,
        Param(
            label="CLIP score",
            control="checkbox",
            help="Measure with CLIP how well the picture fits the prompt, and note it with the "
            "parameters.",
        ),
    ] = False
