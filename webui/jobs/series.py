"""What the pictures of a series are kept with, and its grids."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

from webui.core.errors import EaselError, NotFound
from webui.core.models import ModelRef
from webui.core.requests import DrawRequest, Legend, Series
from webui.core.results import SavedImage
from webui.jobs.record import Job
from webui.library import Library
from webui.library.plots import plot
from webui.metadata.infotext import quote

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Origin:
    """What one picture of a job was drawn with; ``extras`` are further keys of its infotext."""

    request: DrawRequest
    model: ModelRef
    extras: Mapping[str, str]


def origin_of(job: Job, index: int) -> Origin:
    """What picture ``index`` of a drawing job was drawn with."""
    series = job.request
    if not isinstance(series, Series):
        return Origin(cast(DrawRequest, series), job.model, {})
    # The keys are those of the dynamic-prompts extension.
    written = zip(("Template", "Negative Template"), series.written(index), strict=True)
    extras = {key: text for key, text in written if text}
    return Origin(series.picture(index), series.model(index), extras)


def grids_of(library: Library, job: Job) -> tuple[SavedImage, ...]:
    """The grids of a series that is drawn, or was interrupted, kept in the library.

    They follow the pictures in the job, one for each page. Pictures that were skipped or not
    reached leave their places empty, as in A1111's grids; a page without any has no grid. A grid
    that fails costs nobody a picture.
    """
    series = job.request
    if not isinstance(series, Series) or series.legend is None:
        return ()
    pictures = {image.index: image for image in job.images if image.index < series.count}
    grids: list[SavedImage] = []
    for number in range(len(series.legend.pages) * series.each):
        try:
            grid = _grid(library, job, series, pictures, number)
        except EaselError as error:
            _log.warning("No grid was kept: %s", error.message)
            continue
        grids += [grid] if grid else []
    return tuple(grids)


def _grid(
    library: Library, job: Job, series: Series, pictures: Mapping[int, SavedImage], number: int
) -> SavedImage | None:
    """Grid ``number``: of each page the first pictures of its places, then the second, …

    None where none of them is there. Its text and settings are those of the first that is.
    """
    legend = cast(Legend, series.legend)
    page, copy = divmod(number, series.each)
    size = len(legend.columns) * len(legend.rows)
    indices = [(page * size + place) * series.each + copy for place in range(size)]
    files = [_file(library, pictures.get(index)) for index in indices]
    there = [index for index, file in zip(indices, files, strict=True) if file is not None]
    if not there:
        return None
    written = legend if legend.written else _unwritten(legend)
    pixels = plot(files, written.columns, written.rows, title=written.pages[page])
    first = pictures[there[0]]
    request = series.picture(there[0])
    return library.save(
        pixels,
        infotext=_captioned(first.infotext, legend),
        job_id=job.id,
        index=series.count + number,
        seed=first.seed,
        prompt=request.prompt,
        model=series.model(there[0]).name,
        negative_prompt=request.negative_prompt,
        sampler=request.sampler,
        owner=job.owner,
        request=request,
        job_time=job.started,
    )


def _file(library: Library, picture: SavedImage | None) -> Path | None:
    """A picture's file; None for one that was not drawn, or was deleted meanwhile."""
    try:
        return library.file(picture.id) if picture else None
    except NotFound:
        return None


def _captioned(infotext: str, legend: Legend) -> str:
    """The first picture's text and what varies, under the keys of A1111's script."""
    return ", ".join([infotext, *(f"{key}: {quote(value)}" for key, value in legend.caption)])


def _unwritten(legend: Legend) -> Legend:
    sides = {name: ("",) * len(getattr(legend, name)) for name in ("columns", "rows", "pages")}
    return replace(legend, **sides)
