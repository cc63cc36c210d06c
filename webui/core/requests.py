"""The frozen requests every door translates into.

Page, HTTP, command line and extensions build one of these; after submission nothing reads
settings, widgets or globals. A change makes a new request (``dataclasses.replace``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from webui.core.draw_request import (
    MAX_IMAGES,
    MAX_PIXELS,
    DrawRequest,
)
from webui.core.errors import InvalidRequest
from webui.core.measure import Measure
from webui.core.models import ModelRef

__all__ = [
    "MAX_IMAGES",
    "MAX_PIXELS",
    "Changes",
    "DrawRequest",
    "Legend",
    "Request",
    "Series",
    "Txt2Img",
    "spent",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Txt2Img(DrawRequest):
    """Draw pictures from a prompt."""


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

    base: Txt2Img
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
            base=Txt2Img.from_mapping(values["base"]),
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

    def picture(self, index: int) -> Txt2Img:
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
        return self.base.inputs

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


Request = Txt2Img | Measure | Series


def spent(request: Request) -> Request:
    """What is worth keeping of a request once its job has ended: pictures it brought are not."""
    return request.spent() if isinstance(request, Measure) else request


def _pairs(values: Iterable[Sequence[Any]]) -> Changes:
    return tuple((name, value) for name, value in values)


def _legend(values: Mapping[str, Any]) -> Legend:
    texts = {name: tuple(values[name]) for name in ("columns", "rows", "pages")}
    return Legend(**texts, caption=_pairs(values["caption"]), written=values["written"])
