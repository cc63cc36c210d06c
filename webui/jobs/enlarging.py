"""What enlarged pictures are kept with: what the picture they were made of says, and how."""

from __future__ import annotations

import re
from collections.abc import Mapping

from webui import __version__
from webui.core.errors import EaselError
from webui.core.messages import JobImage
from webui.core.requests import Upscale
from webui.core.results import SavedImage
from webui.core.upscale import plan
from webui.jobs.record import Job
from webui.library import Library
from webui.library.inputs import Inputs
from webui.metadata import parse, read_picture
from webui.metadata.infotext import quote

_PAIR = re.compile(r"[A-Za-z][\w \-/]*:\s*\S")


def keep_enlarged(library: Library, inputs: Inputs, job: Job, image: JobImage) -> SavedImage:
    """Save one picture of an upscaling job, under the seed and prompt of the one it is made of."""
    request = job.request
    assert isinstance(request, Upscale), "only upscaling jobs have such pictures"
    said = told(inputs, request.images[image.index])
    known = parse(said)
    notes = dict(plan(request, *request.sizes[image.index]).notes)
    return library.save(
        image.pixels,
        infotext=noted(said, notes, f"easel-{__version__}"),
        job_id=job.id,
        index=image.index,
        seed=_whole(known.get("Seed", "")),
        prompt=known.get("Prompt", ""),
        negative_prompt=known.get("Negative prompt", ""),
        model=known.get("Model", ""),
        sampler=known.get("Sampler", ""),
        model_hash=known.get("Model hash"),
        seconds=image.seconds,
        owner=job.owner,
        job_time=job.started,
    )


def told(inputs: Inputs, input_id: str) -> str:
    """The parameters that a kept picture says; "" where it says none or is not kept any more."""
    try:
        said = read_picture(inputs.data(input_id))
    except EaselError:
        return ""
    return said.infotext if said else ""


def noted(said: str, notes: Mapping[str, str], version: str) -> str:
    """A picture's parameters with what was done to it behind them.

    As A1111 writes them where pictures are postprocessed as they are drawn. A picture that says
    nothing gets the notes and the program's version.
    """
    if not notes:
        return said
    written = ", ".join(f"{name}: {quote(value)}" for name, value in notes.items())
    if not said:
        return f"{written}, Version: {version}"
    last = said.rstrip().rpartition("\n")[2]
    follows = len(_PAIR.findall(last)) >= 3 and "," in last
    return f"{said.rstrip()}{', ' if follows else chr(10)}{written}"


def _whole(text: str) -> int:
    return int(text) if re.fullmatch(r"\d{1,18}", text) else 0
