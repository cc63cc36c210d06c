"""The frozen requests every door translates into.

Page, HTTP, command line and extensions build one of these; after submission nothing reads
settings, widgets or globals. A change makes a new request (``dataclasses.replace``).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from webui.core.choices import HIRES_UPSCALERS
from webui.core.draw_request import (
    MAX_IMAGES,
    MAX_PIXELS,
    DrawRequest,
    check_size,
    sampler_of,
    set_names,
)
from webui.core.errors import InvalidRequest
from webui.core.hires_fields import SAME, HiresFields
from webui.core.image_fields import ImageFields
from webui.core.measure import Measure
from webui.core.models import ModelRef
from webui.core.picture_fields import MIN_SIDE
from webui.core.second_pass import INPAINT_AREAS, MASK_MODES, MASKED_CONTENTS, RESIZE_MODES
from webui.core.sizes import hires_size
from webui.core.upscale import Upscale

__all__ = [
    "MAX_IMAGES",
    "MAX_PIXELS",
    "Changes",
    "DrawRequest",
    "Img2Img",
    "Legend",
    "Request",
    "Series",
    "Txt2Img",
    "Upscale",
    "drawn_from",
    "spent",
]


MAX_MADE_AT_ONCE = 200_000_000
"""Pixels of pictures that a batch gives back together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Txt2Img(HiresFields):
    """Draw pictures from a prompt.

    What values are left open by ``DrawRequest`` are filled in by the queue, on submission.
    """

    def __post_init__(self) -> None:
        DrawRequest.__post_init__(self)
        _set_hires_names(self)
        if self.hires:
            _check_second_pass(self)

    @property
    def final_size(self) -> tuple[int, int]:
        """Width and height that are drawn at last, in pixels; (0, 0) while they are left open."""
        size = (self.width or 0, self.height or 0)
        if not self.hires or not all(size):
            return size
        return hires_size(size, self.hires_scale, (self.hires_width, self.hires_height)).final


@dataclass(frozen=True, slots=True, kw_only=True)
class Img2Img(ImageFields):
    """Draw over a picture, or over the part of it that a mask says.

    What values are left open by ``DrawRequest`` are filled in by the queue, on submission.
    """

    def __post_init__(self) -> None:
        DrawRequest.__post_init__(self)
        set_names(self, _IMAGE_NAMES)

    @property
    def inputs(self) -> tuple[str, ...]:
        """The ids of the pictures it starts from."""
        return tuple(one for one in (self.init_image, self.mask) if one)

    @property
    def keeps_size(self) -> bool:
        """Whether what is drawn is put back into the start picture, as large as that is."""
        return keeps_size(self.mask, self.inpaint_area)

    def check_made(self, start: tuple[int, int]) -> None:
        """Refuse what would be too much in memory, where the start picture has that size."""
        total = self.at_once * start[0] * start[1]
        if self.keeps_size and total > MAX_MADE_AT_ONCE:
            raise InvalidRequest(
                f"{self.at_once} pictures at once, each as large as the start picture "
                f"({start[0]}×{start[1]}), have {total // 1_000_000} million pixels; the most is "
                f"{MAX_MADE_AT_ONCE // 1_000_000} million: choose a smaller batch or picture.",
                field="best_of" if self.best_of > 1 else "batch_size",
            )


def keeps_size(mask: str, inpaint_area: str) -> bool:
    """Whether pictures drawn over with that mask and area are as large as the start picture."""
    return bool(mask) and inpaint_area == "Only masked"


def made_size(request: DrawRequest, start: Callable[[str], tuple[int, int]]) -> tuple[int, int]:
    """Width and height in pixels of the largest that a picture is while it is made: what is drawn,
    or what it is put back into. ``start`` gives a start picture's size by its id."""
    drawn = request.final_size
    if not (isinstance(request, Img2Img) and request.keeps_size):
        return drawn
    return max(drawn, start(request.init_image), key=math.prod)


def drawn_from(values: Mapping[str, Any]) -> Txt2Img | Img2Img:
    """The request that ``dataclasses.asdict`` made these values of."""
    kind = Img2Img if "init_image" in values else Txt2Img
    return kind.from_mapping(values)


Changes = tuple[tuple[str, Any], ...]
"""Fields that differ, with their values."""


@dataclass(frozen=True, slots=True)
class Legend:
    """How the pictures of a series are laid out, and what is written at columns and rows.

    Picture ``(page * rows + row) * columns + column``, times ``Series.each``, is the first of a
    place. Each page is a grid of its own. ``caption`` goes into the grid's infotext.
    """

    columns: tuple[str, ...] = ("",)
    rows: tuple[str, ...] = ("",)
    pages: tuple[str, ...] = ("",)
    caption: tuple[tuple[str, str], ...] = ()
    written: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """Pictures that differ in more than their seed, drawn as one job.

    Picture ``i`` is ``base`` with ``cells[i]`` changed; they are drawn in ``order`` (empty: as
    listed), ``at_once`` together where one model draws them. With a ``legend`` each of its places
    holds ``each`` pictures, and grids are kept. ``recipe`` is the body of the HTTP request it was
    asked for with, as JSON, to ask for it again. The queue fills in ``models``: every checkpoint
    that the cells name; and where choices were made in prompts, ``templates``: what was written,
    each once, and ``chosen``: which of them are prompt and negative prompt of each picture (-1: no
    choice was made in it).
    """

    base: DrawRequest
    cells: tuple[Changes, ...]
    order: tuple[int, ...] = ()
    at_once: int = 1
    each: int = 1
    legend: Legend | None = None
    recipe: str = ""
    models: tuple[ModelRef, ...] = ()
    templates: tuple[str, ...] = ()
    chosen: tuple[tuple[int, int], ...] = ()

    def __post_init__(self) -> None:
        if not self.cells:
            raise InvalidRequest("There is nothing to draw: give at least one value.")
        drawn = sum(dict(cell).get("best_of", self.base.best_of) for cell in self.cells)
        if drawn > MAX_IMAGES:
            raise InvalidRequest(f"That would draw {drawn} pictures; the most is {MAX_IMAGES}.")

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> Series:
        """A series from what ``dataclasses.asdict`` made of one, as the journal keeps it."""
        legend = values["legend"]
        return cls(
            base=drawn_from(values["base"]),
            cells=tuple(_pairs(cell) for cell in values["cells"]),
            order=tuple(values["order"]),
            at_once=values["at_once"],
            each=values["each"],
            legend=_legend(legend) if legend else None,
            recipe=values["recipe"],
            models=tuple(ModelRef.from_mapping(one) for one in values["models"]),
            templates=tuple(values["templates"]),
            chosen=tuple((prompt, negative) for prompt, negative in values["chosen"]),
        )

    def picture(self, index: int) -> DrawRequest:
        """The request that draws picture ``index`` alone."""
        return replace(self.base, **{**dict(self.cells[index]), "batch_count": 1, "batch_size": 1})

    def model(self, index: int) -> ModelRef:
        """The checkpoint that draws picture ``index``."""
        name = dict(self.cells[index]).get("checkpoint", self.base.checkpoint)
        return next(model for model in self.models if model.name == name)

    def written(self, index: int) -> tuple[str, str]:
        """Prompt and negative prompt of a picture before choices were made; "" where none was."""
        texts = (*self.templates, "")  # the last one is -1's
        prompt, negative = self.chosen[index] if self.chosen else (-1, -1)
        return texts[prompt], texts[negative]

    @property
    def sequence(self) -> tuple[int, ...]:
        """The pictures' indices in the order they are drawn in."""
        return self.order or tuple(range(len(self.cells)))

    @property
    def inputs(self) -> tuple[str, ...]:
        """The ids of the pictures it starts from, each once."""
        changed = [v for cell in self.cells for n, v in cell if n in ("init_image", "mask") and v]
        return tuple(dict.fromkeys([*self.base.inputs, *changed]))

    @property
    def count(self) -> int:
        """How many pictures there are."""
        return len(self.cells)

    @property
    def batch_size(self) -> int:
        """How many are drawn at once."""
        return self.at_once

    @property
    def prompt(self) -> str:
        """The prompt as it was asked for."""
        return self.base.prompt


Request = DrawRequest | Measure | Series | Upscale


def spent(request: Request) -> Request:
    """What is worth keeping of a request once its job has ended: pictures it brought are not."""
    return request.spent() if isinstance(request, Measure) else request


def _pairs(values: Iterable[Sequence[Any]]) -> Changes:
    return tuple((name, value) for name, value in values)


def _legend(values: Mapping[str, Any]) -> Legend:
    texts = {name: tuple(values[name]) for name in ("columns", "rows", "pages")}
    return Legend(**texts, caption=_pairs(values["caption"]), written=values["written"])


def _check_second_pass(request: Txt2Img) -> None:
    """Refuse a second pass that cannot be drawn, also by what is enlarged before it is cut."""
    if 0 < request.hires_cfg_scale < 1:
        raise InvalidRequest(
            f"Hires CFG Scale is {request.hires_cfg_scale:g}; it is 0 (the first pass's) or 1 to "
            "30.",
            field="hires_cfg_scale",
        )
    size = (request.width or 0, request.height or 0)
    if not all(size):
        return
    field = "hires_width" if request.hires_width or request.hires_height else "hires_scale"
    enlarged = hires_size(size, request.hires_scale, (request.hires_width, request.hires_height))
    check_size(*enlarged.scaled, field)
    if min(enlarged.final) < MIN_SIDE:
        width, height = enlarged.final
        raise InvalidRequest(
            f"The second pass would be {width}×{height}; the least is {MIN_SIDE} pixels a side.",
            field=field,
        )


def _set_hires_names(request: Txt2Img) -> None:
    """The second pass's names as their entries have them; an upscaler may be a file's name."""
    values: dict[str, str] = {}
    scheduler = request.hires_scheduler
    is_same = scheduler.strip().casefold() == SAME.casefold()
    values["hires_scheduler"] = SAME if is_same else scheduler
    if request.hires_sampler.strip().casefold() == SAME.casefold():
        values["hires_sampler"] = SAME
        if not is_same:
            _, values["hires_scheduler"] = sampler_of("Euler", scheduler, "hires_sampler")
    else:
        chosen = "Automatic" if is_same else scheduler
        sampler, schedule = sampler_of(request.hires_sampler, chosen, "hires_sampler")
        values["hires_sampler"] = sampler
        values["hires_scheduler"] = SAME if is_same and schedule == "Automatic" else schedule
    if request.hires_upscaler in HIRES_UPSCALERS:
        values["hires_upscaler"] = HIRES_UPSCALERS.canonical(request.hires_upscaler)
    for name, value in values.items():
        object.__setattr__(request, name, value)


_IMAGE_NAMES = {
    "resize_mode": RESIZE_MODES,
    "mask_mode": MASK_MODES,
    "masked_content": MASKED_CONTENTS,
    "inpaint_area": INPAINT_AREAS,
}
