"""The axes of the X/Y/Z plot under A1111's names, in the order its API counts them.

A1111's clients name an axis by its place in this list (its ``scripts/xyz_grid.py``), so the order
is A1111 1.10's, without those that txt2img or img2img does not have there; axes that only Easel has
follow behind.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from webui.api.a1111.body import refuse
from webui.api.errors import NotSupported
from webui.core.axes import axis_kinds
from webui.core.errors import InvalidRequest
from webui.core.requests import DrawRequest, Img2Img, Txt2Img

NOTHING = "Nothing"

_A1111: tuple[tuple[str, str | None], ...] = (
    (NOTHING, ""),
    ("Seed", "seed"),
    ("Var. seed", "variation_seed"),
    ("Var. strength", "variation_strength"),
    ("Steps", "steps"),
    ("Hires steps", "hires_steps"),
    ("CFG Scale", "cfg_scale"),
    ("Image CFG Scale", None),
    ("Prompt S/R", "prompt_sr"),
    ("Prompt order", "prompt_order"),
    ("Sampler", "sampler"),
    ("Hires sampler", "hires_sampler"),
    ("Checkpoint name", "checkpoint"),
    ("Negative Guidance minimum sigma", "ngms"),
    ("Sigma Churn", "s_churn"),
    ("Sigma min", "s_tmin"),
    ("Sigma max", "s_tmax"),
    ("Sigma noise", "s_noise"),
    ("Schedule type", "scheduler"),
    ("Schedule min sigma", "sigma_min"),
    ("Schedule max sigma", "sigma_max"),
    ("Schedule rho", "rho"),
    ("Beta schedule alpha", "beta_alpha"),
    ("Beta schedule beta", "beta_beta"),
    ("Eta", "eta"),
    ("Clip skip", "clip_skip"),
    ("Denoising", "denoising_strength"),
    ("Initial noise multiplier", "noise_multiplier"),
    ("Extra noise", None),
    ("Hires upscaler", "hires_upscaler"),
    ("Cond. Image Mask Weight", None),
    ("VAE", None),
    ("Styles", None),
    ("UniPC Order", "unipc_order"),
    ("Face restore", None),
    ("Token merging ratio", None),
    ("Token merging ratio high-res", None),
    ("Always discard next-to-last sigma", "discard_penultimate"),
    ("SGM noise multiplier", None),
    ("Refiner checkpoint", None),
    ("Refiner switch at", None),
    ("RNG source", "noise_source"),
    ("FP8 mode", None),
    ("Size", "size"),
)
"""Label and our axis: "" for none chosen, None for what Easel cannot vary."""
_ONLY: Mapping[str, type[DrawRequest]] = {
    "Hires steps": Txt2Img,
    "Hires sampler": Txt2Img,
    "Hires upscaler": Txt2Img,
    "Image CFG Scale": Img2Img,
    "Cond. Image Mask Weight": Img2Img,
}
"""Axes that A1111 has for one kind of request only."""


def axis_labels(kind: type[DrawRequest] = Txt2Img) -> tuple[str, ...]:
    """The labels in order: a request may give either the label or its place, from 0."""
    return tuple(label for label, _ in _axes(kind))


def axis_name(field: str, value: Any, kind: type[DrawRequest] = Txt2Img) -> str:
    """Our axis for what a request gives: a place, a place as text, or a label in any case.

    "" where nothing is to vary. ``NotSupported`` for an axis of A1111 that Easel does not have,
    ``InvalidRequest`` for what is no axis; ``field`` is what sentences name.
    """
    label, name = _axes(kind)[_place(field, value, kind)]
    if name is None:
        raise NotSupported(f"Easel cannot vary {label!r} yet.", field=field)
    return name


def is_choice(name: str, kind: type[DrawRequest] = Txt2Img) -> bool:
    """Whether an axis of ours is chosen from a list, which A1111 then takes values from."""
    return any(
        axis.choices is not None or (axis.field is not None and axis.field.type is bool)
        for axis in axis_kinds(kind)
        if axis.name == name
    )


def _place(field: str, value: Any, kind: type[DrawRequest]) -> int:
    known = _axes(kind)
    if isinstance(value, str) and not value.strip().isdecimal():
        wanted = value.strip().casefold()
        for place, (label, _) in enumerate(known):
            if label.casefold() == wanted or not wanted:
                return place
        raise InvalidRequest(f"There is no axis {value[:60]!r}.", field=field)
    if isinstance(value, bool) or not isinstance(value, int | str) or len(str(value)[:9]) > 8:
        refuse(field, value, "an axis: its place in the list, or its label")
    place = int(value)
    if not 0 <= place < len(known):
        refuse(field, value, f"the place of an axis, from 0 to {len(known) - 1}")
    return place


@cache
def _axes(kind: type[DrawRequest]) -> tuple[tuple[str, str | None], ...]:
    kinds = axis_kinds(kind)
    ours = {"", *(axis.name for axis in kinds)}
    theirs = [
        (label, name if name in ours else None)
        for label, name in _A1111
        if _ONLY.get(label, kind) is kind
    ]
    names = {name for _, name in theirs}
    further = ((axis.label, axis.name) for axis in kinds if axis.name not in names)
    return (*theirs, *further)
