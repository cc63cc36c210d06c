"""Jobs as rows of text and numbers, and back."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from typing import Any

from webui.core.errors import EaselError, ErrorInfo
from webui.core.measure import Measure
from webui.core.models import ModelRef
from webui.core.requests import Img2Img, Series, Txt2Img, Upscale
from webui.core.results import JobProgress, SavedImage, Score
from webui.jobs.record import Job

_KINDS: dict[str, type[Txt2Img | Img2Img | Measure | Series | Upscale]] = {
    "txt2img": Txt2Img,
    "img2img": Img2Img,
    "measure": Measure,
    "series": Series,
    "upscale": Upscale,
}

COLUMNS = (
    "id",
    "state",
    "place",
    "priority",
    "parent",
    "owner",
    "attempts",
    "losses",
    "stopping",
    "created",
    "started",
    "finished",
    "kind",
    "request",
    "model",
    "error",
    "scores",
    "once",
    "placed",
)


class RowError(ValueError):
    """A row this version cannot make a job of."""


def to_row(job: Job) -> tuple[Any, ...]:
    """The values of :data:`COLUMNS` for ``job``; pictures have rows of their own."""
    return (
        job.id,
        job.state,
        job.order,
        job.priority,
        job.parent,
        job.owner,
        job.attempts,
        job.losses,
        int(job.stopping),
        job.created,
        job.started,
        job.finished,
        next(name for name, kind in _KINDS.items() if kind is type(job.request)),
        _dump(job.request),
        _dump(job.model),
        _dump(job.error) if job.error else None,
        json.dumps([dataclasses.astuple(s) for s in job.scores]) if job.scores else None,
        job.once or None,
        job.placed,
    )


def to_job(row: Sequence[Any], images: Sequence[str]) -> Job:
    """The job of a row and its pictures' texts; ``RowError`` names what is wrong."""
    try:
        return _to_job(dict(zip(COLUMNS, row, strict=True)), images)
    except (KeyError, TypeError, ValueError, EaselError) as error:
        raise RowError(f"{type(error).__name__}: {error}") from None


def image_text(image: SavedImage) -> str:
    """A picture's record as JSON."""
    return _dump(image)


def _to_job(row: dict[str, Any], images: Sequence[str]) -> Job:
    request = _KINDS[row["kind"]].from_mapping(json.loads(row["request"]))
    fraction = 1.0 if row["state"] == "done" else 0.0
    return Job(
        id=row["id"],
        request=request,
        model=ModelRef.from_mapping(json.loads(row["model"])),
        owner=row["owner"],
        created=row["created"],
        order=row["place"],
        state=_state(row["state"]),
        priority=row["priority"],
        parent=row["parent"],
        placed=int(row["placed"]),
        attempts=row["attempts"],
        losses=row["losses"],
        stopping=bool(row["stopping"]),
        started=row["started"],
        finished=row["finished"],
        progress=JobProgress(fraction=fraction, images=request.count),
        error=ErrorInfo(**json.loads(row["error"])) if row["error"] else None,
        images=tuple(SavedImage(**json.loads(text)) for text in images),
        scores=tuple(Score(*one) for one in json.loads(row["scores"] or "[]")),
        once=row["once"] or "",
    )


def _state(text: Any) -> Any:
    if text not in ("queued", "running", "done", "failed", "cancelled"):
        raise ValueError(f"unknown state {text!r}")
    return text


def _dump(value: Any) -> str:
    return json.dumps(dataclasses.asdict(value), ensure_ascii=False)
