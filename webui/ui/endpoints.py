"""Named Gradio endpoints for programs: ``gradio_client``, and agents through Gradio's MCP server.

The page does not use them; it keeps to the HTTP API. They submit to the same queue and are subject
to the same gate: every request has passed it, and says who asks. Their docstrings are what clients
are shown.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, Literal, cast, get_type_hints

import gradio as gr
from gradio.components.api_component import Api
from gradio.utils import get_function_description

from webui.core.errors import Conflict, EaselError, NotFound
from webui.core.requests import Txt2Img
from webui.core.results import Caller, SavedImage

if TYPE_CHECKING:
    from webui.jobs import Job
    from webui.services import Services

FILES = "easel"
"""The folder that pictures seem to lie in for Gradio's clients: ``/gradio_api/file=easel/…``."""

DRAWN = frozenset(
    {"prompt", "negative_prompt", "checkpoint", "steps", "cfg_scale", "width", "height", "seed"}
    | {"sampler", "scheduler"}
)
"""The request's fields that can be set here."""

DESCRIPTION = "additional_description"
"""Gradio's name for what its clients say of a parameter."""

_ACTIVE: tuple[Literal["queued", "running"], ...] = ("queued", "running")
_MOST_JOBS = 50
_SHORT_PROMPT = 200
Ended = Callable[[str, Caller], Awaitable["Job"]]
Picture = dict[str, str]
Told = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Endpoints:
    """What the endpoints do: each is one call of a service.

    ``ended`` waits for a job's end without taking a thread, ``is_secure`` says of a request
    whether its client's end of the connection is encrypted.
    """

    services: Services
    ended: Ended
    is_secure: Callable[[Any], bool]

    async def draw(self, fields: dict[str, Any], request: Any) -> tuple[Picture, Told]:
        """Draw one picture; it as Gradio hands files over, and what is known of it."""
        caller = caller_of(request)
        wanted = Txt2Img.from_mapping({n: v for n, v in fields.items() if v is not None})
        queue = self.services.queue
        # Submitting reads folders and writes the journal, for which the event loop has no time.
        job = await asyncio.to_thread(queue.submit, wanted, caller=caller)
        job = await self.ended(job.id, caller)
        if job.error is not None:
            raise job.error.to_exception()
        if not job.images:
            raise Conflict("The job was cancelled before its picture was drawn.")
        image = job.images[0]
        return self._picture(image, request), {
            "job": job.id,
            "image": image.id,
            "seed": image.seed,
            "width": image.width,
            "height": image.height,
            "parameters": image.infotext,
        }

    def report(self, job_id: str, request: Any) -> Told:
        """How a job is, or the server and all jobs of the caller that have not ended."""
        caller = caller_of(request)
        if job_id:
            return _job_view(self._job(job_id, caller))
        queue = self.services.queue
        jobs = queue.jobs(Caller(caller.user, is_admin=False), _ACTIVE)
        return {
            "worker": queue.status.state,
            "queued": queue.counts()["queued"],
            "checkpoints": [ref.name for ref in self.services.catalog.checkpoints()],
            "jobs": [_job_view(job) for job in jobs[:_MOST_JOBS]],
        }

    def stop(self, job_id: str, request: Any) -> Told:
        """End a job; how it is then."""
        job = self._job(job_id, caller_of(request))
        return _job_view(self.services.queue.cancel(job.id))

    def _job(self, job_id: str, caller: Caller) -> Job:
        """A job that the caller may see; other people's are not there."""
        job = self.services.queue.get(job_id) if isinstance(job_id, str) else None
        if job is None or not (caller.is_admin or job.owner == caller.user):
            raise NotFound("There is no such job.")
        return job

    def _picture(self, image: SavedImage, request: Any) -> Picture:
        """A picture's file as Gradio's clients fetch it: by its id, never by its place on disk.

        It has no ``meta``, which would make Gradio copy the file into its cache, for all users.
        """
        asked = _inner(request)
        name = f"{image.id}{PurePath(image.path).suffix}"
        origin = f"{'https' if self.is_secure(asked) else 'http'}://{asked.headers['host']}"
        url = f"{origin}/api/v1/images/{image.id}"
        return {"path": f"{FILES}/{name}", "url": url, "orig_name": name}


def add(blocks: gr.Blocks, endpoints: Endpoints) -> None:
    """Add the endpoints to the page's blocks, without showing anything on the page."""
    functions = (_txt2img(endpoints), _status(endpoints), _cancel(endpoints))
    with blocks:
        for function in functions:
            # Gradio reads the types themselves, where this module has their names.
            function.__annotations__ = get_type_hints(function)
            gr.api(function, api_name=function.__name__, queue=False, concurrency_limit=None)
            _describe(function, list(blocks.fns.values())[-1])
    for block in blocks.blocks.values():
        if isinstance(block, Api):
            cast("Any", block).get_config = partial(_unseen, block.get_config)


def _describe(function: Callable[..., Any], event: Any) -> None:
    """Give an endpoint's inputs and outputs the words of its docstring, as clients list them."""
    _, inputs, outputs = get_function_description(function)
    inputs.pop("request")
    for block, (name, text) in zip(event.inputs, inputs.items(), strict=True):
        block.label = name
        block._api_info = {**block._api_info, DESCRIPTION: text}
    for block, text in zip(event.outputs, outputs, strict=True):
        block.label = text


def _unseen(configure: Callable[..., dict[str, Any]], *arguments: Any) -> dict[str, Any]:
    """How a stand-in for a component is described to browsers, which then do not load it."""
    return {**configure(*arguments), "visible": False}


def _txt2img(endpoints: Endpoints) -> Callable[..., Any]:
    async def txt2img(
        prompt: str,
        request: gr.Request,
        negative_prompt: str = "",
        checkpoint: str = "",
        steps: int = 20,
        cfg_scale: float = 7.0,
        width: int | None = None,
        height: int | None = None,
        seed: int = -1,
        sampler: str = "Euler a",
        scheduler: str = "Automatic",
    ) -> tuple[gr.FileData, dict[str, Any]]:
        """Draw one picture from a text prompt and wait until it is drawn.

        Args:
            prompt: What to draw, in a few words.
            negative_prompt: What to keep out of the picture.
            checkpoint: The model that draws; empty takes the default one.
            steps: Sampling steps, 1 to 150.
            cfg_scale: How closely the picture follows the prompt, usually 1 to 30.
            width: In pixels, a multiple of 8; null takes the model's own size.
            height: In pixels, a multiple of 8; null takes the model's own size.
            seed: The same seed gives the same picture; -1 takes a random one.
            sampler: The sampling method.
            scheduler: How the noise levels are spaced.

        Returns:
            picture
            details
        """
        given = {name: value for name, value in locals().items() if name in DRAWN}
        try:
            return await endpoints.draw(given, request)  # type: ignore[return-value]
        except EaselError as error:
            raise said(error) from None

    return txt2img


def _status(endpoints: Endpoints) -> Callable[..., Any]:
    def status(request: gr.Request, job_id: str = "") -> dict[str, Any]:
        """Say how the server is and which of your jobs have not ended, or how one job is.

        Args:
            job_id: The job to ask for; empty asks for the server.

        Returns:
            state
        """
        try:
            return endpoints.report(job_id, request)
        except EaselError as error:
            raise said(error) from None

    return status


def _cancel(endpoints: Endpoints) -> Callable[..., Any]:
    def cancel(job_id: str, request: gr.Request) -> dict[str, Any]:
        """Cancel a job; pictures that are finished stay.

        Args:
            job_id: The job, as status names it.

        Returns:
            job
        """
        try:
            return endpoints.stop(job_id, request)
        except EaselError as error:
            raise said(error) from None

    return cancel


def said(error: EaselError) -> gr.Error:
    """An error as Gradio's clients show it: one sentence, no traceback."""
    return gr.Error(error.message, print_exception=False)


def caller_of(request: Any) -> Caller:
    """Who asks, as the gate left it; of Gradio's request, or Starlette's from the MCP server."""
    return _inner(request).state.caller


def _inner(request: Any) -> Any:
    return getattr(request, "request", None) or request


def _job_view(job: Job) -> dict[str, Any]:
    return {
        "id": job.id,
        "state": job.state,
        "position": job.position,
        "progress": round(job.progress.fraction, 4),
        "prompt": job.request.prompt[:_SHORT_PROMPT],
        "images": [image.id for image in job.images],
        "error": job.error.message if job.error else None,
    }
