"""``info`` in A1111's answers: what was drawn, as the JSON text its clients take apart.

The keys and their order are those of ``Processed.js`` in A1111's ``modules/processing.py``; Easel
has neither face restoration nor an inpainting model or separate VAE, whose keys say so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, cast

from webui import __version__
from webui.core.requests import DrawRequest, Img2Img, Series, Txt2Img
from webui.core.results import SavedImage
from webui.core.seeds import image_seed, variation_seed
from webui.jobs import Job
from webui.metadata.parsing import written_pairs

_FIXED = frozenset(
    {
        "Steps", "Sampler", "CFG scale", "Seed", "Size", "Model hash", "Model", "Variation seed",
        "Variation seed strength", "Seed resize from", "Denoising strength", "Clip skip",
        "ENSD", "RNG", "Tiling", "Version",
    }
)  # fmt: skip
"""Keys of an infotext that are no ``extra_generation_params``."""


@dataclass(frozen=True, slots=True)
class Shown:
    """What an answer holds: ``pictures`` in their order, before them ``grids``, whose texts are
    ``grid_infotexts``."""

    pictures: Sequence[SavedImage]
    grid_infotexts: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class _Picture:
    """One picture's own prompts and seeds."""

    prompt: str
    negative_prompt: str
    seed: int
    subseed: int


def info_view(
    job: Job,
    shown: Shown,
    *,
    styles: Sequence[str],
    denoising_strength: float,
    model_hash: str | None,
) -> dict[str, Any]:
    """The values of ``info``.

    The lists have an entry for each finished picture, in their order, so that they fit also where
    a job was interrupted; before any is finished they have one for each that was asked for.
    """
    request = job.request
    base = request.base if isinstance(request, Series) else cast("DrawRequest", request)
    indices = [image.index for image in shown.pictures] or list(range(request.count))
    drawn = [_picture(request, index) for index in indices]
    first = drawn[0]
    texts = [*shown.grid_infotexts, *(image.infotext for image in shown.pictures)]
    return {
        "prompt": first.prompt,
        "all_prompts": [one.prompt for one in drawn],
        "negative_prompt": first.negative_prompt,
        "all_negative_prompts": [one.negative_prompt for one in drawn],
        "seed": first.seed,
        "all_seeds": [one.seed for one in drawn],
        "subseed": first.subseed,
        "all_subseeds": [one.subseed for one in drawn],
        "subseed_strength": base.variation_strength,
        "width": base.width,
        "height": base.height,
        "sampler_name": base.sampler,
        "cfg_scale": base.cfg_scale,
        "steps": base.steps,
        "batch_size": base.batch_size,
        "restore_faces": False,
        "face_restoration_model": None,
        "sd_model_name": job.model.name,
        "sd_model_hash": model_hash,
        "sd_vae_name": None,
        "sd_vae_hash": None,
        "seed_resize_from_w": base.seed_resize_width,
        "seed_resize_from_h": base.seed_resize_height,
        "denoising_strength": _strength(base, denoising_strength),
        "extra_generation_params": _extra(texts),
        "index_of_first_image": len(shown.grid_infotexts),
        "infotexts": texts,
        "styles": list(styles),
        "job_timestamp": timestamp(job.started),
        "clip_skip": base.clip_skip,
        "is_using_inpainting_conditioning": False,
        "version": f"easel-{__version__}",
    }


def timestamp(time: float | None) -> str:
    """A time in seconds since 1970 as A1111 writes a job's begin, local time; "0" for none."""
    if time is None:
        return "0"
    return datetime.fromtimestamp(time, UTC).astimezone().strftime("%Y%m%d%H%M%S")


def _strength(request: DrawRequest, asked: float) -> float:
    """What was drawn with where something was drawn over, else what was asked for."""
    if isinstance(request, Img2Img) or (isinstance(request, Txt2Img) and request.hires):
        return request.denoising_strength
    return asked


def _picture(request: object, index: int) -> _Picture:
    if isinstance(request, Series):
        one = request.picture(index)
        return _Picture(one.prompt, one.negative_prompt, one.seed, one.variation_seed)
    asked = cast("DrawRequest", request)
    return _Picture(
        asked.prompt,
        asked.negative_prompt,
        image_seed(asked.seed, index, asked.variation_strength),
        variation_seed(asked.variation_seed, index),
    )


def _extra(texts: Sequence[str]) -> Mapping[str, str]:
    """What the first text says beyond what every text does."""
    pairs = written_pairs(texts[0]) if texts else []
    return {key: value for key, value in pairs if key not in _FIXED}
