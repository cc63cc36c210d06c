"""What jobs, events and pictures look like as JSON: pure functions."""

from __future__ import annotations

import json
import struct
from dataclasses import asdict
from pathlib import PurePath
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from webui.core.measure import Measure
from webui.core.params import Field, fields_of
from webui.core.requests import Request, Series, Txt2Img, Upscale, spent
from webui.core.results import Caller, JobEvent, JobProgress, SavedImage, Score

if TYPE_CHECKING:
    from webui.jobs import ExecutorStatus, Job

_LENGTH = struct.Struct("<I")
_SHORT_PROMPT = 200
_NO_MARKS = {
    "favourite": False,
    "tags": (),
    "boards": (),
    "missing": False,
    "deleted": None,
    "imported": False,
}


def job_view(job: Job, caller: Caller, *, whole: bool = True) -> dict[str, Any]:
    """A job; in lists (not ``whole``) its request is cut down to the beginning of its prompt."""
    view: dict[str, Any] = {
        "id": job.id,
        "state": job.state,
        "position": job.position,
        "priority": job.priority,
        "parent": job.parent,
        "owner": job.owner,
        "attempts": job.attempts,
        "stopping": job.stopping,
        "created": job.created,
        "started": job.started,
        "finished": job.finished,
        "progress": asdict(job.progress),
        "error": asdict(job.error) if job.error else None,
        "images": [image_view(image, caller) for image in job.images],
        "prompt": job.request.prompt[:_SHORT_PROMPT],
        "summary": summary_of(job.request)[:_SHORT_PROMPT],
    }
    if job.scores:
        view["scores"] = [score_view(score) for score in job.scores]
    if whole:
        view["request"] = request_view(job.request)
        if isinstance(job.request, Series):
            view |= series_view(job.request)
    return view


def summary_of(request: Request) -> str:
    """What a list shows of a job: the prompt, or what is done where there is none."""
    return request.summary if isinstance(request, Upscale | Measure) else request.prompt


def series_view(series: Series) -> dict[str, Any]:
    """What the pictures of a series have otherwise than its request, in their order.

    ``sweep`` has the options of the script that made it (None: wildcards did).
    """
    return {
        "cells": [dict(cell) for cell in series.cells],
        "sweep": json.loads(series.recipe) if series.recipe else None,
    }


def request_view(request: Request) -> dict[str, Any]:
    """A request as it was asked, without the bytes of pictures that came with it, nor where models
    lie. Of a series it is the request that its pictures have in common.
    """
    if isinstance(request, Upscale):
        return {name: value for name, value in asdict(request).items() if name != "models"}
    return asdict(request.base if isinstance(request, Series) else spent(request))


def score_view(score: Score) -> dict[str, Any]:
    """How well something fits: 100 × the cosine, CLIPScore, and its share of all compared."""
    return {
        "name": score.name,
        "index": score.index,
        "clip_score": round(score.clip_score, 3),
        "clipscore": round(score.hessel, 5),
        "probability": round(score.probability, 6),
    }


def image_view(image: SavedImage, caller: Caller) -> dict[str, Any]:
    """A picture; where it lies on the server's disk is for administrators, others get its name."""
    view = {**_NO_MARKS, **asdict(image)}
    view["url"] = f"/api/v1/images/{quote(image.id, safe='')}"
    view["thumbnail"] = f"{view['url']}/thumbnail"
    view["name"] = PurePath(image.path).name
    if not caller.is_admin:
        view["path"] = PurePath(image.path).name
    return view


def event_view(event: JobEvent, caller: Caller) -> dict[str, Any]:
    """One event, without the fields its kind does not have."""
    view: dict[str, Any] = {
        "seq": event.seq,
        "job_id": event.job_id,
        "kind": event.kind,
        "time": event.time,
    }
    if event.position is not None:
        view["position"] = event.position
    if event.progress is not None:
        view["progress"] = asdict(event.progress)
    if event.preview_seq is not None:
        view["preview_seq"] = event.preview_seq
    if event.image is not None:
        view["image"] = image_view(event.image, caller)
    if event.scores is not None:
        view["scores"] = [score_view(score) for score in event.scores]
    if event.error is not None:
        view["error"] = asdict(event.error)
    return view


def preview_frame(job_id: str, seq: int, progress: JobProgress, jpeg: bytes) -> bytes:
    """A preview for a socket: header length (4 bytes, little-endian), header as JSON, JPEG."""
    header = json.dumps({"job_id": job_id, "seq": seq, "image": progress.image}).encode()
    return _LENGTH.pack(len(header)) + header + jpeg


def worker_view(status: ExecutorStatus) -> dict[str, Any]:
    """How the worker is: state, device and number format once it is ready, why it ended last."""
    ready, stats = status.ready, status.stats
    return {
        "state": status.state,
        "device": ready.device if ready else None,
        "dtype": ready.dtype if ready else None,
        "torch": ready.torch if ready else None,
        "restarts": status.restarts,
        "problem": status.problem,
        "forwards": stats.forwards if stats else None,
        "memory_bytes": stats.memory_bytes if stats else None,
        "loaded": list(stats.loaded) if stats else [],
    }


def field_view(field: Field) -> dict[str, Any]:
    """A request field's declaration, for programs that build a form."""
    p = field.param
    return {
        "name": field.name,
        "type": field.type.__name__,
        "optional": field.optional,
        "default": field.default,
        "label": p.label,
        "help": p.help,
        "control": p.control,
        "minimum": p.minimum,
        "maximum": p.maximum,
        "step": p.step,
        "multiple_of": p.multiple_of,
        "max_chars": p.max_chars,
        "choices": p.choices,
    }


def request_fields() -> list[dict[str, Any]]:
    """Every field of a txt2img request."""
    return [field_view(field) for field in fields_of(Txt2Img)]
