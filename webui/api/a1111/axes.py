"""The axes of the X/Y/Z plot under A1111's names, in the order its API counts them.

A1111's clients name an axis by its place in this list (its ``scripts/xyz_grid.py``, those of
txt2img), so the order is A1111 1.10's; axes that only Easel has follow behind.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from webui.api.a1111.body import refuse
from webui.api.errors import NotSupported
from webui.core.axes import axis_kinds
from webui.core.errors import InvalidRequest

NOTHING = "Nothing"

_A1111: tuple[tuple[str, str | None], ...] = (
    (NOTHING, ""),
    ("Seed", "seed"),
    ("Var. seed", "variation_seed"),
    ("Var. strength", "variation_strength"),
    ("Steps", "steps"),
    ("Hires steps", None),
    ("CFG Scale", "cfg_scale"),
    ("Prompt S/R", "prompt_sr"),
    ("Prompt order", "prompt_order"),
    ("Sampler", "sampler"),
    ("Hires sampler", None),
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
    ("Denoising", None),
    ("Initial noise multiplier", None),
    ("Extra noise", None),
    ("Hires upscaler", None),
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


def axis_labels() -> tuple[str, ...]:
    """The labels in order: a request may give either the label or its place, from 0."""
    return tuple(label for label, _ in _axes())


def axis_name(field: str, value: Any) -> str:
    """Our axis for what a request gives: a place, a place as text, or a label in any case.

    "" where nothing is to vary. ``NotSupported`` for an axis of A1111 that Easel does not have,
    ``InvalidRequest`` for what is no axis; ``field`` is what sentences name.
    """
    label, name = _axes()[_place(field, value)]
    if name is None:
        raise NotSupported(f"Easel cannot vary {label!r} yet.", field=field)
    return name


def is_choice(name: str) -> bool:
    """Whether an axis of ours is chosen from a list, which A1111 then takes values from."""
    return any(
        kind.choices is not None or (kind.field is not None and kind.field.type is bool)
        for kind in axis_kinds()
        if kind.name == name
    )


def _place(field: str, value: Any) -> int:
    known = _axes()
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
def _axes() -> tuple[tuple[str, str | None], ...]:
    names = {name for _, name in _A1111}
    further = ((kind.label, kind.name) for kind in axis_kinds() if kind.name not in names)
    return (*_A1111, *further)
